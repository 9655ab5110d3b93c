import { WATCH } from '../ops/watch/declaration.ts'
import { prometheusTargets } from '../ops/watch/targets.ts'
import { loadConfig } from '../services/config.ts'
import { asUserOf } from '../services/database-users.ts'
import { declaredServices } from '../services/declared.ts'
import { runService } from '../services/service.ts'
import type { ConfigOption } from './command-line.ts'
import { print } from './print.ts'

interface WatchOptions extends ConfigOption {
  readonly targets?: true | undefined
}

/**
 * `millrace watch`: lag, broker and databases as metrics. It decodes no readings, so it needs none
 * of their quantities.
 */
export async function watch({ config: file, targets }: WatchOptions): Promise<number> {
  const config = loadConfig(process.env, file)
  if (targets) {
    print(JSON.stringify(prometheusTargets(config, [...(await declaredServices(config)), WATCH])))
    return 0
  }
  const { watchService } = await import('../ops/watch/watch.ts')
  return runService(WATCH, asUserOf(WATCH, config), watchService, () => [])
}
