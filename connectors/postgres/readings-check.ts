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
  const found = await session.query<{ name: string; type: string; preset: boolean; comment: string | null }>(
    'reading the columns of readings',
    `SELECT attname AS name, col_description(attrelid, attnum) AS comment, format_type(CASE typtype WHEN 'd' THEN typbasetype ELSE atttypid END, NULL) AS type,
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
        `column ${name} of table readings is ${there}, expected ${type}: change it back (ALTER TABLE readings ALTER COLUMN ${name} TYPE ${type}), or, if it is a column of your own that a quantity now has the name of, rename it or the quantity`,
      )
    if (preset.has(name))
      throw new BackendError(
        `column ${name} of table readings has a default, which would stand for a value that no device sent: drop it (ALTER TABLE readings ALTER COLUMN ${name} DROP DEFAULT)`,
      )
  }
  checkUnits(columns, new Map(found.map(({ name, comment }) => [name, comment])))
  const own = new Set(columns.map(({ name }) => name))
  return found.filter(({ name, type }) => type === 'double precision' && !own.has(name)).map(({ name }) => name)
}

const UNIT = /Unit: (\S+)$/

/**
 * Checks that no quantity has another unit than the values that are stored: in a column of both
 * nobody could tell them apart. What a column's unit is, its comment says.
 * @param present comments of the columns of readings
 * @throws BackendError
 */
export function checkUnits(columns: readonly Column[], present: ReadonlyMap<string, string | null>): void {
  for (const { name, comment } of columns) {
    const [stored, wanted] = [present.get(name), comment].map((text) => UNIT.exec(text ?? '')?.[1])
    if (stored !== undefined && wanted !== undefined && stored !== wanted)
      throw new BackendError(
        `column ${name} of table readings has values in ${stored}, and quantity ${name} is in ${wanted} now: give the quantity another name; if both are the same unit, COMMENT ON COLUMN readings.${name} can say so`,
      )
  }
}

/** In words, for what `checkColumns` returned. */
export function describeForeign(columns: readonly string[]): string {
  return `table readings also has ${columns.join(', ')}, which this configuration has no quantity for: what is there stays, and new rows have no value there`
}
