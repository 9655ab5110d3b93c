import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { withoutCredentials } from '../processors/address.ts'
import { projectRoot } from '../schemas/files.ts'
import { ConfigError, loadConfig } from '../services/config.ts'

/**
 * `millrace fleet …`: runs the C program with the configured broker. All options are the program's
 * own.
 */
export async function fleet(args: readonly string[]): Promise<number> {
  const program = `${projectRoot}firmware/build/fleet`
  if (!existsSync(program)) throw new ConfigError(`${program} is not built: run \`make firmware\``)
  const { env } = loadConfig(process.env, undefined)
  const child = spawn(
    program,
    args.some((arg) => arg === '--url' || arg.startsWith('--url=')) ? args : ['--url', withoutCredentials(env.MQTT_URL), ...args],
    {
      stdio: 'inherit',
    },
  )
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
  const [code] = (await once(child, 'exit')) as [number | null]
  return code ?? 1
}
