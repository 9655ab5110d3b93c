import { bucketSeries, isArchived, readingSeries, type SeriesSpan } from '../../../connectors/postgres/device-series.ts'
import type { Session } from '../../../connectors/postgres/session.ts'
import type { DeviceHistory } from './messages.ts'
import { bucketLength, READINGS_MS, rollupLength } from './resolution.ts'

/** More readings than this become time buckets: a chart has no room for them. */
const MOST_READINGS = 5_000

/**
 * What a chart shows of a span: the readings if it is short and they are few, else figures of time
 * buckets, from the roll-ups if the buckets are hours or days.
 * @param points time buckets that the chart has room for
 */
export async function readHistory(
  session: Session,
  span: SeriesSpan,
  quantities: readonly string[],
  points: number,
): Promise<DeviceHistory> {
  const { fromMs: from, toMs: to } = span
  const buckets = async (everyMs: number, because: DeviceHistory['because']): Promise<DeviceHistory> => ({
    from,
    to,
    everyMs,
    because,
    series: await bucketSeries(session, span, quantities, everyMs),
  })
  if (to - from > READINGS_MS) return await buckets(bucketLength(to - from, points), null)
  if (await isArchived(session, from, to)) return await buckets(rollupLength(to - from, points), 'archived')
  const series = await readingSeries(session, span, quantities, MOST_READINGS)
  return series === undefined ? await buckets(bucketLength(to - from, points), 'many') : { from, to, everyMs: null, because: null, series }
}
