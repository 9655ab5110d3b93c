import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { fleetCommand } from '../ops/fleet/fleet-process.ts'
import { projectRoot } from '../schemas/files.ts'
import { ConfigError, loadConfig } from '../services/config.ts'
import { fleetAccess } from '../services/fleet-access.ts'

/**
 * `millrace fleet …`: runs the C program with the configured broker and user, or with the one that
 * its options name. All options are the program's own.
 */
export async function fleet(args: readonly string[]): Promise<number> {
  const program = `${projectRoot}firmware/build/fleet`
  if (!existsSync(program)) throw new ConfigError(`${program} is not built: run \`make firmware\``)
  const { env } = loadConfig(process.env, undefined)
  const elsewhere = args.some((arg) => arg === '--url' || arg.startsWith('--url='))
  const configured = fleetCommand(fleetAccess(env))
  const child = spawn(
    program,
    elsewhere ? args : [...configured.args, ...args],
    elsewhere ? { stdio: 'inherit' } : { stdio: 'inherit', env: configured.env },
  )
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
  const [code] = (await once(child, 'exit')) as [number | null]
  return code ?? 1
}
