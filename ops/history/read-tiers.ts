import type { ArchivedDay } from '../../connectors/postgres/archived-days.ts'
import type { ConflictPolicy } from '../../processors/store/merge-columns.ts'
import { DAY_MS } from '../../processors/store/time-ranges.ts'
import type { Row, RowColumn } from '../rows/row.ts'
import { TierMerge } from './merge-tiers.ts'

/** Which readings. Times are microseconds since 1970; `toMicros` is not among them. */
export interface Span {
  readonly device: string
  readonly fromMicros: number
  readonly toMicros: number
}

/** Where readings are: the table, and days of the archive. */
export interface Tiers {
  /** Rows of the table, the first ones, in the order of their times. */
  table(span: Span, limit: number): Promise<readonly Row[]>
  /** Days that are in the archive, in their order. */
  archived(): Promise<readonly ArchivedDay[]>
  /** A device's rows of an archived day, in the order of their times. */
  archive(day: ArchivedDay, span: Span): AsyncIterable<readonly Row[]>
}

export interface ReadTiersOptions {
  readonly columns: readonly RowColumn[]
  readonly conflicts: ConflictPolicy
  /** Rows of the table that are read at once. */
  readonly pageRows: number
}

const MICROS_PER_MS = 1000

/**
 * All readings of a device in a span of time, in the order of their times, each once, wherever they
 * are. No transaction is open meanwhile, so nothing waits for the reader: if a day went to the
 * archive, or its file was replaced, the page that was read is read again, from both.
 */
export async function* readTiers(
  tiers: Tiers,
  span: Span,
  { columns, conflicts, pageRows }: ReadTiersOptions,
): AsyncGenerator<readonly Row[]> {
  const time = columns.findIndex(({ name }) => name === 'ts')
  let { fromMicros } = span
  while (fromMicros < span.toMicros) {
    const [day, toMicros] = nextPart(await tiers.archived(), fromMicros, span.toMicros)
    const part = { ...span, fromMicros, toMicros }
    const known = signature(day === undefined ? [] : [day])
    const merge = new TierMerge(columns, conflicts, day === undefined ? nothing() : tiers.archive(day, part))
    try {
      for (let whole = false; !whole; ) {
        const page = await tiers.table({ ...part, fromMicros }, pageRows)
        // What was archived before this is asked is in the page, or in the archive that is known.
        if (signature(within(await tiers.archived(), fromMicros, toMicros)) !== known) break
        whole = page.length < pageRows
        const upTo = whole ? toMicros : (page.at(-1)?.[time] as number) + 1
        for await (const rows of merge.page(page, upTo)) yield rows
        fromMicros = upTo
      }
    } finally {
      await merge.close()
    }
  }
}

async function* nothing(): AsyncGenerator<readonly Row[]> {}

/** The archived day that comes next, or what is before it. */
function nextPart(days: readonly ArchivedDay[], fromMicros: number, toMicros: number): [ArchivedDay | undefined, number] {
  const next = within(days, fromMicros, toMicros)[0]
  if (next === undefined) return [undefined, toMicros]
  const begin = beginOf(next)
  return begin > fromMicros ? [undefined, begin] : [next, Math.min(toMicros, begin + DAY_MS * MICROS_PER_MS)]
}

/** A day that is being archived for the first time is in the table still. */
function within(days: readonly ArchivedDay[], fromMicros: number, toMicros: number): readonly ArchivedDay[] {
  return days.filter((each) => {
    const begin = beginOf(each)
    return each.state !== 'placing' && begin < toMicros && begin + DAY_MS * MICROS_PER_MS > fromMicros
  })
}

function signature(days: readonly ArchivedDay[]): string {
  return days.map(({ day, generation }) => `${day}/${generation}`).join()
}

function beginOf({ day }: ArchivedDay): number {
  return Date.parse(`${day}T00:00:00Z`) * MICROS_PER_MS
}
