import { duration, whole } from '../ops/figures.ts'
import { openReplay, type ReplayTarget } from '../ops/replay/open-replay.ts'
import type { ReplayCounts } from '../ops/replay/replay.ts'
import { OutputClosed } from '../ops/rows/byte-sink.ts'
import { createProgress, timeToGoMs } from '../ops/rows/progress.ts'
import type { Format } from '../ops/rows/row.ts'
import { loadConfig } from '../services/config.ts'
import { createLog } from '../services/log.ts'
import { type ConfigOption, UsageError } from './command-line.ts'
import { requireFile } from './row-options.ts'
import { sayMoments } from './say-moments.ts'
import { stopSignal } from './stop-signal.ts'

interface Options extends ConfigOption {
  readonly topic: string
  readonly device?: readonly string[] | undefined
  readonly account?: string | undefined
  readonly site?: string | undefined
  readonly from: number
  readonly to?: number | undefined
  readonly by: 'event' | 'receipt'
  readonly where?: string | undefined
  readonly format: Format
  readonly out?: string | undefined
  readonly spreadsheet?: boolean | undefined
  readonly speed: number | 'max'
  readonly maxBytesPerSecond: number
  readonly resume?: true | undefined
  readonly into?: string | undefined
  readonly live?: boolean | undefined
}

/** `millrace replay`: past records of a topic as rows. */
export async function replay({ config: file, from, to: toMs = Date.now(), ...options }: Options): Promise<number> {
  if (from >= toMs)
    throw new UsageError(
      `--from and --to: expected the first to be earlier, got ${new Date(from).toISOString()} and ${new Date(toMs).toISOString()}`,
    )
  const { resume = false, into } = options
  const output = target(options)
  const config = loadConfig(process.env, file)
  const abort = new AbortController()
  void stopSignal().then(() => abort.abort(new Error('interrupted')))
  await using run = await openReplay({
    config,
    topic: options.topic,
    devices: options.device ?? [],
    owners: { account: options.account, site: options.site },
    fromMs: from,
    toMs,
    byReceipt: options.by === 'receipt',
    where: options.where,
    output,
    speed: options.speed === 'max' ? undefined : options.speed,
    bytesPerSecond: options.maxBytesPerSecond,
    resume,
    log: { ...createLog('replay'), info: () => undefined },
    signal: abort.signal,
  })
  sayMoments({ '--from': run.fromMs, '--to': run.toMs })
  if (run.deleted) process.stderr.write(`Kafka has deleted older records of ${run.topic}: what they had of that time is not there\n`)
  const progress = createProgress(process.stderr)
  const began = performance.now()
  const before = run.done
  try {
    await run.run((counts, done) =>
      progress.show(() => {
        const tookMs = performance.now() - began
        const left = before >= 1 ? undefined : timeToGoMs((done - before) / (1 - before), tookMs)
        return `${whole(counts.rows)} rows of ${whole(counts.records)} records, ${Math.floor(done * 100)} %${left === undefined ? '' : `, ${duration(left)} to go`}`
      }),
    )
  } catch (cause) {
    if (cause instanceof OutputClosed) return 0
    throw cause
  } finally {
    progress.end()
  }
  const interrupted = abort.signal.aborted
  process.stderr.write(`${summary(run.counts, into ?? options.out)}\n`)
  if (interrupted)
    process.stderr.write(
      `interrupted: the rest is missing${output.path === undefined || (output.tag === 'rows' && output.format === 'table') ? '' : '; --resume goes on with it'}\n`,
    )
  return interrupted || run.counts.unreadable > 0 || run.counts.missing > 0 ? 1 : 0
}

/** Before the name of a table: a topic's name has no colon. */
const TABLE = 'table:'

/** Where it goes. @throws UsageError */
function target({ format, out, spreadsheet = false, resume, into, live = false }: Omit<Options, 'from'>): ReplayTarget {
  // The place of a run into a topic is kept in the folder that it was started in.
  const table = into?.startsWith(TABLE) === true ? into.slice(TABLE.length) : undefined
  if (table !== undefined) {
    if (!/^[a-z_][a-z0-9_]{0,62}$/.test(table))
      throw new UsageError(`--into: expected the name of a table of small letters, digits and _, got ${JSON.stringify(table)}`)
    if (live) throw new UsageError('--live: expected --into with a topic: no service reads a table of yours')
    return { tag: 'table', table, path: `replay-into-${table}` }
  }
  if (into !== undefined) return { tag: 'topic', into, live, path: `replay-into-${into.replaceAll('/', '_')}` }
  if (live) throw new UsageError('--live: expected --into as well')
  requireFile(format, out)
  if (resume === true && (out === undefined || format === 'table'))
    throw new UsageError('--resume: expected --out and a format other than table, or --into')
  return { tag: 'rows', format, path: out, spreadsheet }
}

function summary({ records, matched, rows, unreadable, missing }: ReplayCounts, out: string | undefined): string {
  const parts = [
    `${whole(rows)} rows of ${whole(matched)} records${out === undefined ? '' : ` written to ${out}`}`,
    `${whole(records)} records read`,
    ...(unreadable > 0 ? [`${whole(unreadable)} of them cannot be read`] : []),
    ...(missing > 0 ? [`${whole(missing)} were lost by Kafka before they were read`] : []),
  ]
  return parts.join('; ')
}
