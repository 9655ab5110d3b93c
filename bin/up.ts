import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { leftover } from '../ops/leftover.ts'
import { supervise } from '../ops/supervisor.ts'
import { ConfigError, loadConfig } from './config.ts'
import { localDirectory } from './local-directory.ts'
import { createLog } from './log.ts'
import { GRACE_MS, servicePrograms } from './service-programs.ts'
import { describeEvent } from './supervisor-lines.ts'

/** `millrace up`: runs the bridge, the configured processors and the store, and starts again what ends, until SIGINT or SIGTERM. */
export async function up(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { config: { type: 'string' } } })
  const config = loadConfig(process.env, values.config)
  const local = localDirectory(process.env)
  const log = createLog('up', (line) => process.stdout.write(line))
  const release = claimInstance(local)
  try {
    const stopping = stopSignal()
    const programs = servicePrograms(config, values.config, local, process.env)
    const supervisor = await supervise({
      programs,
      graceMs: GRACE_MS,
      random: Math.random,
      happened: (event) => log.info(describeEvent(event)),
    })
    await stopping
    log.info('stopping')
    stopSignal().then(() => supervisor.hurry())
    await supervisor[Symbol.asyncDispose]()
    return 0
  } finally {
    release()
  }
}

/**
 * Takes the instance: two supervisors would start everything twice.
 * @returns gives it back
 * @throws ConfigError where another one has it
 */
export function claimInstance(local: string): () => void {
  const pidFile = join(local, 'pid', 'up')
  const other = runningSupervisor(local)
  if (other !== undefined) throw new ConfigError(`the services of ${local} are already run by process ${other}`)
  mkdirSync(join(local, 'pid'), { recursive: true })
  writeFileSync(pidFile, `${process.pid}\n${JSON.stringify(commandLine())}\n`)
  return () => rmSync(pidFile, { force: true })
}

/** PID of the process that runs the instance's services. */
export function runningSupervisor(local: string): number | undefined {
  const pidFile = join(local, 'pid', 'up')
  return existsSync(pidFile) ? leftover(pidFile) : undefined
}

/** Resolves at the next SIGINT, SIGTERM or SIGHUP. */
export function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve(signal))
  })
}
