import { recordable, record as recordGolden, requireFree } from '../ops/record/record.ts'
import { loadConfig } from '../services/config.ts'
import { createLog } from '../services/log.ts'
import { type ConfigOption, UsageError } from './command-line.ts'
import { print } from './print.ts'
import { sayMoments } from './say-moments.ts'
import { stopSignal } from './stop-signal.ts'

interface Options extends ConfigOption {
  readonly device: readonly string[]
  readonly from: number
  readonly to: number
  readonly into: string
  readonly most: number
}

/** `millrace record <processor>`: a golden folder from the real topic of a processor. */
export async function record(name: string, { device, from: fromMs, to: toMs, into, most, ...options }: Options): Promise<number> {
  if (fromMs >= toMs)
    throw new UsageError(
      `--from and --to: expected the first to be earlier, got ${new Date(fromMs).toISOString()} and ${new Date(toMs).toISOString()}`,
    )
  const config = loadConfig(process.env, options.config)
  const processor = await recordable(config, name)
  requireFree(into)
  sayMoments({ '--from': fromMs, '--to': toMs })
  const abort = new AbortController()
  void stopSignal().then(() => abort.abort(new Error('interrupted')))
  const log = { ...createLog('record'), info: () => undefined }
  const devices = new Set(device)
  const { found, recorded, others, outputs, dropped, deadLetters } = await recordGolden({
    config,
    processor,
    devices,
    fromMs,
    toMs,
    most,
    into,
    log,
    signal: abort.signal,
  })
  const whose = `${processor.processor.from.topic} of ${[...devices].join(', ')}`
  if (others > 0) print(`${others} records left out: they are about other devices as well`)
  if (recorded === 0) {
    print(found === 0 ? `there is no record in ${whose} that was received in that span` : 'nothing is left to record')
    return 1
  }
  const more = found > recorded + others ? ` of ${found} (--most ${most})` : ''
  print(`${into}: ${recorded} records${more} from ${whose}; ${outputs} outputs, ${dropped} dropped, ${deadLetters} dead letters`)
  return 0
}
