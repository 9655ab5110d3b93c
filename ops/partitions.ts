import type { BackendName, Partitions, StorageBackend, StrayDay } from '../connectors/postgres/backend.ts'
import type { Day } from '../connectors/postgres/days.ts'
import type { Session } from '../connectors/postgres/session.ts'
import { whole } from './figures.ts'
import { table } from './text-table.ts'

const MS_PER_DAY = 86_400_000
/** Days listed; the rest are counted. */
const MOST_DAYS = 100

/** The partitions and the rows outside them, as lines for people. */
export function partitionLines(backend: BackendName, { count, first, last }: Partitions, strays: readonly StrayDay[]): readonly string[] {
  const what = backend === 'timescaledb' ? 'chunks of TimescaleDB' : 'partitions of a day'
  const span = first === null || last === null ? '' : `, ${dateOf(first)} to ${dateOf(last)}`
  const lines = [`readings has ${whole(count)} ${what}${span}`]
  if (strays.length === 0)
    return [...lines, backend === 'timescaledb' ? 'No row can lie outside them.' : 'No row lies in the default partition.']
  const rows = strays.reduce((sum, each) => sum + each.rows, 0)
  lines.push(
    `${whole(rows)} rows lie in the default partition, where queries of any time look at them and old data is not dropped:`,
    ...table(
      strays
        .slice(0, MOST_DAYS)
        .map(({ day, rows: count, devices }) => [
          day === null ? 'no day' : dateOf(day),
          `${whole(count)} rows`,
          `${whole(devices)} devices`,
          day === null ? 'their time is infinite or beyond the year 9999: correct or delete them by hand' : '',
        ]),
      ['left', 'right', 'right', 'left'],
    ).map((line) => `  ${line}`),
  )
  if (strays.length > MOST_DAYS) lines.push(`  … and ${whole(strays.length - MOST_DAYS)} more days`)
  lines.push(
    '`millrace partitions drain` gives each of these days a partition. Writers wait while the rows of a day are moved: 0.3 s for 100,000.',
  )
  return lines
}

/**
 * Gives stray rows partitions, day by day, and says what became of each day.
 * @returns how many rows have to stay
 */
export async function drainStrays(backend: StorageBackend, session: Session, say: (line: string) => void): Promise<number> {
  const strays = await backend.strayDays(session)
  if (strays.length === 0) say('no row lies in the default partition')
  let left = 0
  for (const { day, rows } of strays) {
    const why = day === null ? 'they have no day that a partition could be made of' : await backend.drainDay(session, day)
    if (why === undefined && day !== null) say(`${dateOf(day)}: ${whole(rows)} rows moved`)
    else {
      left += rows
      say(`${day === null ? 'no day' : dateOf(day)}: ${whole(rows)} rows stay: ${why}`)
    }
  }
  return left
}

function dateOf(day: Day): string {
  return new Date(day * MS_PER_DAY).toISOString().slice(0, 10)
}
