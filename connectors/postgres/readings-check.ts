import { BackendError } from './backend-choice.ts'
import type { Column } from './readings-table.ts'
import type { Session } from './session.ts'

/** Types that take the same bytes as the expected one. */
const AS_GOOD: ReadonlyMap<string, string> = new Map([['character varying', 'text']])

/**
 * Checks that table `readings` has the columns that rows are encoded for, with their types, and
 * without defaults: a quantity that no row of a batch has is not copied, and must be null. A domain
 * counts as the type that it is based on.
 * @returns columns of numbers that rows are not encoded for: those of quantities that this
 *   configuration, or this version, does not have. Rows written from now on have no value there.
 * @throws BackendError that names the column, what is there and what was expected
 */
export async function checkColumns(session: Session, columns: readonly Column[]): Promise<readonly string[]> {
  const found = await session.query<{ name: string; type: string; preset: boolean }>(
    'reading the columns of readings',
    `SELECT attname AS name, format_type(CASE typtype WHEN 'd' THEN typbasetype ELSE atttypid END, NULL) AS type,
       atthasdef OR typdefault IS NOT NULL AS preset
     FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid WHERE attrelid = 'readings'::regclass AND attnum > 0 AND NOT attisdropped`,
  )
  const types = new Map(found.map(({ name, type }) => [name, type]))
  const preset = new Set(found.filter((column) => column.preset).map(({ name }) => name))
  for (const { name, type } of columns) {
    const there = types.get(name)
    if (there === undefined) throw new BackendError(`table readings has no column ${name}: run \`millrace migrate\``)
    if (there !== type && AS_GOOD.get(there) !== type)
      throw new BackendError(
        `column ${name} of table readings is ${there}, expected ${type}: change it back (ALTER TABLE readings ALTER COLUMN ${name} TYPE ${type})`,
      )
    if (preset.has(name))
      throw new BackendError(
        `column ${name} of table readings has a default, which would stand for a value that no device sent: drop it (ALTER TABLE readings ALTER COLUMN ${name} DROP DEFAULT)`,
      )
  }
  const own = new Set(columns.map(({ name }) => name))
  return found.filter(({ name, type }) => type === 'double precision' && !own.has(name)).map(({ name }) => name)
}

/** In words, for what `checkColumns` returned. */
export function describeForeign(columns: readonly string[]): string {
  return `table readings also has ${columns.join(', ')}, which this configuration has no quantity for: what is there stays, and new rows have no value there`
}
