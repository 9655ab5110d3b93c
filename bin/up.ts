import { parseArgs } from 'node:util'
import { supervise } from '../ops/supervisor.ts'
import { describeEvent } from '../ops/supervisor-event.ts'
import { loadConfig } from './config.ts'
import { claimInstance, localDirectory } from './instance.ts'
import { createLog } from './log.ts'
import { GRACE_MS, servicePrograms } from './service-programs.ts'
import { stopSignal } from './stop-signal.ts'

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
    log.info(`logs are in ${local}/log, PIDs in ${local}/pid`)
    await stopping
    // A second signal: whoever sent it does not want to wait.
    void stopSignal().then(() => supervisor.hurry())
    await supervisor[Symbol.asyncDispose]()
    return 0
  } finally {
    release()
  }
}
