import { claimInstance } from '../ops/supervisor/instance.ts'
import { GRACE_MS, servicePrograms } from '../ops/supervisor/service-programs.ts'
import { supervise } from '../ops/supervisor/supervisor.ts'
import { describeEvent } from '../ops/supervisor/supervisor-event.ts'
import { loadConfig } from '../services/config.ts'
import { localDirectory } from '../services/local-directory.ts'
import { createLog, logSettings } from '../services/log.ts'
import type { ConfigOption } from './command-line.ts'
import { stopSignal } from './stop-signal.ts'

/**
 * `millrace up`: runs the bridge, the configured processors and the store until SIGINT or SIGTERM.
 * It starts again what ends.
 */
export async function up({ config: file }: ConfigOption): Promise<number> {
  const config = loadConfig(process.env, file)
  const local = localDirectory(process.env)
  const log = createLog('up', logSettings(process.env, config.log), process.stdout)
  const release = claimInstance(local)
  try {
    const stopping = stopSignal()
    const programs = await servicePrograms(config, file, local, process.env)
    const supervisor = await supervise({
      programs,
      graceMs: GRACE_MS,
      happened: (event) => log.info(describeEvent(event)),
    })
    log.info(`logs are in ${local}/log, PIDs in ${local}/pid`)
    await stopping
    // A second signal means that somebody does not want to wait.
    void stopSignal().then(() => supervisor.hurry())
    await supervisor[Symbol.asyncDispose]()
    return 0
  } finally {
    release()
  }
}
