import { leadingColumns } from '../../schemas/generated/readings.ts'
import type { Quantity } from '../../schemas/quantities.ts'

/**
 * Storage settings. Rows are hardly ever updated. So vacuum freezes them when it first meets their
 * page, and no page is rewritten for its age.
 */
export const APPEND_ONLY = 'autovacuum_freeze_min_age = 0'

/** A column of table `readings`. */
export interface Column {
  readonly name: string
  /** As PostgreSQL writes it, without modifiers. */
  readonly type: string
  /** What follows the type in CREATE TABLE. */
  readonly constraint: string
  readonly comment: string
}

/**
 * `device_id` sorts by its bytes. So no step down the primary key needs a locale's rules, which
 * makes COPY 9 % faster (docs/adr/0006-storage.md).
 */
const LEADING: Readonly<Record<(typeof leadingColumns)[number], Omit<Column, 'name'>>> = {
  device_id: { type: 'text', constraint: 'COLLATE "C" NOT NULL', comment: 'Device ID; device/channel for a channel of the device.' },
  ts: { type: 'timestamp with time zone', constraint: 'NOT NULL', comment: 'Time of the sample.' },
  time_estimated: {
    type: 'boolean',
    constraint: 'NOT NULL',
    comment: 'True where the device had no time of day, and ts was derived from the moment of receipt.',
  },
  account_id: { type: 'bigint', constraint: '', comment: 'Account that the device was assigned to at ts.' },
  site_id: { type: 'bigint', constraint: '', comment: 'Site that the device was assigned to at ts.' },
}

/** Columns that are no values to be merged: device_id, ts, time_estimated. */
export const KEY_COLUMNS = leadingColumns.indexOf('account_id')

/** The columns of table `readings`, in the order of readings.avsc, in which rows are encoded. */
export function readingsTable(quantities: readonly Quantity[]): readonly Column[] {
  return [
    ...leadingColumns.map((name) => ({ name, ...LEADING[name] })),
    ...quantities.map(({ name, doc, unit }) => ({ name, type: 'double precision', constraint: '', comment: `${doc} Unit: ${unit}` })),
  ]
}

/** The COPY for what the store encodes: whole rows, in the order of `readingsTable`. */
export function copyStatement(table: string, columns: readonly string[]): string {
  return `COPY ${table} (${columns.map(quoted).join(', ')}) FROM STDIN (FORMAT binary)`
}

/** The body of CREATE TABLE. */
export function columnDefinitions(columns: readonly Column[]): string {
  return columns.map(definition).join(', ')
}

function definition({ name, type, constraint }: Column): string {
  return `${quoted(name)} ${type} ${constraint}`.trimEnd()
}

/**
 * Statements that give the table the columns and comments that it lacks. Nothing is ever dropped:
 * if a quantity leaves the schema, its column stays.
 */
export function missingColumns(columns: readonly Column[], present: ReadonlyMap<string, string | null>): readonly string[] {
  return columns.flatMap((column) => [
    ...(present.has(column.name) ? [] : [`ALTER TABLE readings ADD COLUMN IF NOT EXISTS ${definition(column)}`]),
    ...(present.get(column.name) === column.comment
      ? []
      : [`COMMENT ON COLUMN readings.${quoted(column.name)} IS ${literal(column.comment)}`]),
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
