import { duration, whole } from '../ops/figures.ts'
import { openHistory } from '../ops/history/history.ts'
import { OutputClosed } from '../ops/rows/byte-sink.ts'
import { createProgress, timeToGoMs } from '../ops/rows/progress.ts'
import type { Format } from '../ops/rows/row.ts'
import { openRowOutput } from '../ops/rows/row-output.ts'
import { loadConfig } from '../services/config.ts'
import { createLog } from '../services/log.ts'
import { type ConfigOption, UsageError } from './command-line.ts'
import { requireFile } from './row-options.ts'
import { sayMoments } from './say-moments.ts'
import { stopSignal } from './stop-signal.ts'

interface Options extends ConfigOption {
  readonly device: readonly string[]
  readonly from: number
  readonly to?: number | undefined
  readonly every?: number | undefined
  readonly quantity?: readonly string[] | undefined
  readonly format: Format
  readonly out?: string | undefined
  readonly spreadsheet?: boolean | undefined
}

/** `millrace history`: readings of devices, from table and archive. */
export async function history({
  device,
  from,
  to = Date.now(),
  every,
  quantity = [],
  format,
  out,
  spreadsheet = false,
  ...options
}: Options): Promise<number> {
  if (from >= to)
    throw new UsageError(
      `--from and --to: expected the first to be earlier, got ${new Date(from).toISOString()} and ${new Date(to).toISOString()}`,
    )
  requireFile(format, out)
  const config = loadConfig(process.env, options.config)
  sayMoments({ '--from': from, '--to': to })
  const abort = new AbortController()
  void stopSignal().then(() => abort.abort(new Error('interrupted')))
  await using found = await openHistory({
    url: config.env.TELEMETRY_DATABASE_URL,
    devices: [...new Set(device)],
    fromMicros: from * 1000,
    toMicros: to * 1000,
    everyMicros: every === undefined ? undefined : every * 1_000_000,
    quantities: quantity,
    conflicts: config.store.conflicts,
    env: process.env,
    log: createLog('history'),
    signal: abort.signal,
  })
  await using output = await openRowOutput({ columns: found.columns, format, path: out, spreadsheet })
  const progress = createProgress(process.stderr)
  const began = performance.now()
  let written = 0
  try {
    for await (const { rows, done } of found.rows()) {
      await output.write(rows)
      written += rows.length
      progress.show(() => {
        const tookMs = performance.now() - began
        const left = timeToGoMs(done, tookMs)
        return `${whole(written)} rows, ${whole(written / (tookMs / 1000))} a second, ${Math.floor(done * 100)} %${left === undefined ? '' : `, ${duration(left)} to go`}`
      })
      if (abort.signal.aborted) break
    }
  } catch (cause) {
    if (cause instanceof OutputClosed) return 0
    if (!abort.signal.aborted) throw cause
  } finally {
    progress.end()
  }
  await output.finish()
  const interrupted = abort.signal.aborted ? ', interrupted: the rest is missing' : ''
  process.stderr.write(`${whole(written)} rows${out === undefined ? '' : ` written to ${out}`}${interrupted}\n`)
  return abort.signal.aborted ? 1 : 0
}
