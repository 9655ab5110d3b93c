import type { Quantity } from '../../schemas/quantities.ts'

/** Storage settings. Rows are never updated: freeze them when vacuum first meets their page, so that no page is rewritten for its age. */
export const APPEND_ONLY = 'autovacuum_freeze_min_age = 0'

/** A column of table `readings`. */
export interface Column {
  readonly name: string
  /** Type and constraint as in CREATE TABLE. */
  readonly definition: string
  readonly comment: string
}

/**
 * The columns of table `readings`, in the order in which rows are encoded for COPY. `device_id` sorts by its bytes: no locale's rules
 * on each step down the primary key, which makes COPY 9 % faster (docs/adr/0006-storage.md).
 */
export function readingsTable(quantities: readonly Quantity[]): readonly Column[] {
  return [
    { name: 'device_id', definition: 'text COLLATE "C" NOT NULL', comment: 'Device ID.' },
    { name: 'ts', definition: 'timestamptz NOT NULL', comment: 'Time of the sample.' },
    {
      name: 'time_estimated',
      definition: 'boolean NOT NULL',
      comment: 'True where the device had no time of day, and ts was derived from the moment of receipt.',
    },
    { name: 'account_id', definition: 'bigint', comment: 'Account that the device was assigned to at ts.' },
    { name: 'site_id', definition: 'bigint', comment: 'Site that the device was assigned to at ts.' },
    ...quantities.map(({ name, doc, unit }) => ({ name, definition: 'double precision', comment: `${doc} Unit: ${unit}` })),
  ]
}

/** Names of the columns, in the order in which rows are encoded for COPY. */
export function readingsColumns(quantities: readonly Quantity[]): readonly string[] {
  return readingsTable(quantities).map(({ name }) => name)
}

/** COPY that takes what the store encodes: whole rows, in the order of `readingsColumns`. */
export function copyStatement(table: string, columns: readonly string[]): string {
  return `COPY ${table} (${columns.map(quoted).join(', ')}) FROM STDIN (FORMAT binary)`
}

/** The body of CREATE TABLE. */
export function columnDefinitions(columns: readonly Column[]): string {
  return columns.map(({ name, definition }) => `${quoted(name)} ${definition}`).join(', ')
}

/**
 * Statements that give the table the columns and comments that it lacks. Nothing is ever dropped: a quantity that left the schema keeps its column.
 */
export function missingColumns(columns: readonly Column[], present: ReadonlyMap<string, string | null>): readonly string[] {
  return columns.flatMap(({ name, definition, comment }) => [
    ...(present.has(name) ? [] : [`ALTER TABLE readings ADD COLUMN IF NOT EXISTS ${quoted(name)} ${definition}`]),
    ...(present.get(name) === comment ? [] : [`COMMENT ON COLUMN readings.${quoted(name)} IS ${literal(comment)}`]),
  ])
}

/** An identifier for SQL. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** A string constant for SQL; standard_conforming_strings is on since PostgreSQL 9.1. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
