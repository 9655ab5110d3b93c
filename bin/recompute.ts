import { hostname, userInfo } from 'node:os'
import { whole } from '../ops/figures.ts'
import type { NotKept } from '../ops/frames/kept-log.ts'
import { chosenDevices } from '../ops/recompute/devices.ts'
import { type Recomputed, type RecomputeStage, recompute as run } from '../ops/recompute/recompute.ts'
import { reportLines } from '../ops/recompute/report.ts'
import { createProgress } from '../ops/rows/progress.ts'
import { loadConfig } from '../services/config.ts'
import { appOwner } from '../services/database-users.ts'
import { createLog } from '../services/log.ts'
import { type ConfigOption, UsageError } from './command-line.ts'
import { print } from './print.ts'
import { sayMoments } from './say-moments.ts'
import { stopSignal } from './stop-signal.ts'

interface Options extends ConfigOption {
  readonly device?: readonly string[] | undefined
  readonly account?: string | undefined
  readonly site?: string | undefined
  readonly from: number
  readonly to: number
  readonly apply?: true | undefined
  readonly deleteUnbacked?: 'rows' | 'values' | 'all' | undefined
  readonly maxBytesPerSecond: number
  readonly json?: true | undefined
}

const DOING: Readonly<Record<RecomputeStage, string>> = {
  reading: 'reading what devices sent',
  comparing: 'comparing with the stored rows',
  replacing: 'replacing rows',
}

/** `millrace recompute`: the past once more, with the conversions of today. */
export async function recompute({ config: file, from: fromMs, to: toMs, json, ...options }: Options): Promise<number> {
  if (fromMs >= toMs)
    throw new UsageError(
      `--from and --to: expected the first to be earlier, got ${new Date(fromMs).toISOString()} and ${new Date(toMs).toISOString()}`,
    )
  const config = loadConfig(process.env, file)
  const { device = [], account, site, apply = false, deleteUnbacked: unbacked = 'none', maxBytesPerSecond: bytesPerSecond } = options
  sayMoments({ '--from': fromMs, '--to': toMs })
  const devices = await chosenDevices(appOwner(config), device, { account, site }, { fromMs, toMs })
  const abort = new AbortController()
  void stopSignal().then(() => abort.abort(new Error('interrupted')))
  const progress = createProgress(process.stderr)
  let result: Recomputed
  try {
    result = await run({
      config,
      scope: { devices, fromMs, toMs },
      apply,
      unbacked,
      bytesPerSecond,
      by: `${userInfo().username}@${hostname()}`,
      progress: (stage, done) => progress.show(() => `${DOING[stage]}: ${Math.floor(done * 100)} %`),
      log: { ...createLog('recompute'), info: () => undefined },
      signal: abort.signal,
    })
  } finally {
    progress.end()
  }
  if (json === true) print(JSON.stringify(document(result)))
  else print(...lines(result, apply))
  const interrupted = abort.signal.aborted
  if (interrupted) process.stderr.write('interrupted: the same command goes on with it\n')
  return interrupted || result.counts.unreadable + result.counts.missing > 0 ? 1 : 0
}

function document({ run: id, wentOn, report, days, counts, notKept, ranges }: Recomputed): object {
  return {
    run: String(id),
    wentOn,
    report,
    replaced: days,
    ranges,
    read: { ...counts, refused: Object.fromEntries(counts.refused) },
    notKept: notKept.map(({ topic, partition, afterMs, beforeMs }) => ({ topic, partition, after: iso(afterMs), before: iso(beforeMs) })),
  }
}

function lines({ run: id, wentOn, report, days, counts, notKept, ranges }: Recomputed, apply: boolean): readonly string[] {
  const said = [
    ...(wentOn ? [`went on with run ${id}, which was killed or interrupted`] : []),
    `read ${whole(counts.records)} records, ${whole(counts.taken)} of them of the devices or perhaps about them`,
    ...(counts.unreadable > 0 ? [`${whole(counts.unreadable)} records cannot be read`] : []),
    ...(counts.missing > 0 ? [`${whole(counts.missing)} records were lost by Kafka before they were read`] : []),
    ...[...counts.refused].map(([reason, times]) => `refused as ${reason}: ${whole(times)} times`),
    ...notKeptLines(notKept),
  ]
  if (report === undefined) return said
  said.push(...reportLines(report))
  if (!apply) return [...said, 'nothing was replaced; --apply does']
  const done = days.filter(({ applied }) => applied)
  const sum = (of: 'inserted' | 'updated' | 'deleted'): string => whole(done.reduce((all, day) => all + day[of], 0))
  said.push(
    `replaced ${whole(done.length)} of ${whole(days.length)} days: ${sum('updated')} rows updated, ${sum('inserted')} inserted, ${sum('deleted')} deleted`,
  )
  if (ranges > 0) said.push(`${whole(ranges)} ranges of \`millrace sites recompute\` are done`)
  const restored = done.filter((day) => day.restored)
  if (restored.length > 0)
    said.push(
      `${whole(restored.length)} days were brought back from the archive for this; the store archives them again once they are due and their roll-ups are up to date`,
    )
  return said
}

function iso(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString()
}

/** Partitions that are listed. */
const MOST_SAID = 12

function notKeptLines(notKept: readonly NotKept[]): readonly string[] {
  const lines = notKept.slice(0, MOST_SAID).map(({ topic, partition, afterMs, beforeMs }) => {
    const bounds = [afterMs === null ? [] : [`after ${iso(afterMs)}`], beforeMs === null ? [] : [`before ${iso(beforeMs)}`]].flat()
    return `nobody has what was received in ${topic}/${partition}${bounds.length === 0 ? '' : ` ${bounds.join(' and ')}`}: Kafka has deleted it`
  })
  return notKept.length > MOST_SAID ? [...lines, `… and in ${whole(notKept.length - MOST_SAID)} more places`] : lines
}
