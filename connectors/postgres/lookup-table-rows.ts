import { type Columns, type ColumnType, columnType, type LookupTable, type TableRows, tableRows } from '../../processors/lookup-table.ts'
import { ConnectorError } from '../contract.ts'
import type { Session } from './session.ts'

/** Name of the trigger by which a table tells its changes. `millrace migrate` makes it. */
export const LOOKUP_TRIGGER = 'millrace_lookup'

/** What the catalog says of a declared table. */
export interface TableState {
  /** Undefined if there is no such table. */
  readonly oid: string | undefined
  /** Whether its trigger is there and enabled. */
  readonly notifies: boolean
}

/** Types of PostgreSQL that each type of a column is read from. */
const READ_FROM: Readonly<Record<ColumnType, readonly string[]>> = {
  text: ['text', 'varchar', 'uuid'],
  number: ['int2', 'int4', 'float4', 'float8', 'numeric'],
  bigint: ['int2', 'int4', 'int8'],
  boolean: ['bool'],
  micros: ['timestamptz'],
}
const KEYS: readonly string[] = ['text', 'varchar', 'uuid', 'int2', 'int4', 'int8']
/** A table, and one of several partitions: what a trigger can be made for. */
const TABLES: readonly string[] = ['r', 'p']

/** For SQL, whatever is in it. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** For SQL. */
export function quotedTable({ schema, name }: Pick<LookupTable, 'schema' | 'name'>): string {
  return schema === null ? identifier(name) : `${identifier(schema)}.${identifier(name)}`
}

/** As its declaration has it. */
export function shownTable({ schema, name }: Pick<LookupTable, 'schema' | 'name'>): string {
  return schema === null ? name : `${schema}.${name}`
}

/** One round trip, in the order of the tables. */
export async function tableStates(session: Session, tables: readonly LookupTable[]): Promise<readonly TableState[]> {
  const found = await session.query<{ oid: string | null; notifies: boolean }>(
    'asking which tables there are',
    `SELECT to_regclass(quoted)::oid::text AS oid,
       EXISTS (SELECT FROM pg_trigger WHERE tgrelid = to_regclass(quoted) AND tgname = $2 AND tgenabled IN ('O', 'A')) AS notifies
     FROM unnest($1::text[]) WITH ORDINALITY AS wanted(quoted, place) ORDER BY place`,
    [tables.map(quotedTable), LOOKUP_TRIGGER],
  )
  return found.map(({ oid, notifies }) => ({ oid: oid ?? undefined, notifies }))
}

interface FoundColumn extends Record<string, unknown> {
  readonly name: string
  /** As SQL has it. */
  readonly type: string
  /** Internal name; of a domain, that of what it restricts. */
  readonly base: string
  readonly filled: boolean
  readonly unique: boolean
  readonly kind: string
}

/**
 * Checks that a table is as declared.
 * @param oid of the table; undefined if there is none
 * @throws ConnectorError `lookup-table`, which names the table, what was found and what is expected
 */
export async function checkTable(session: Session, table: LookupTable, oid: string | undefined): Promise<void> {
  const names = [...new Set([table.key, ...Object.keys(table.columns)])]
  if (oid === undefined)
    throw refused(table, `the app database has no such table: create it, with columns ${names.join(', ')}, and run millrace migrate`)
  const found = await session.query<FoundColumn>(
    `reading the columns of ${shownTable(table)}`,
    `SELECT attname AS name, format_type(atttypid, atttypmod) AS type, base.typname AS base, attnotnull OR own.typnotnull AS filled,
       relkind AS kind, EXISTS (
         SELECT FROM pg_index WHERE indrelid = attrelid AND indisunique AND indisvalid AND indpred IS NULL
         AND indnkeyatts = 1 AND indkey[0] = attnum
       ) AS unique
     FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid JOIN pg_type own ON own.oid = atttypid
       JOIN pg_type base ON base.oid = CASE own.typtype WHEN 'd' THEN own.typbasetype ELSE own.oid END
     WHERE attrelid = $1::oid AND attnum > 0 AND NOT attisdropped`,
    [oid],
  )
  const columns = new Map(found.map((column) => [column.name, column]))
  const kind = found[0]?.kind
  if (kind !== undefined && !TABLES.includes(kind)) throw refused(table, 'expected a table, found a view or something else')
  for (const name of names) if (!columns.has(name)) throw refused(table, `it has no column ${JSON.stringify(name)}`)
  const key = columns.get(table.key) as FoundColumn
  const ofKey = `key ${JSON.stringify(table.key)}`
  if (!KEYS.includes(key.base)) throw refused(table, `${ofKey}: expected text, uuid or an integer, found ${key.type}`)
  if (!key.unique || !key.filled)
    throw refused(table, `${ofKey}: expected a primary key, or NOT NULL with a unique index, on this column alone`)
  for (const [name, declared] of Object.entries(table.columns)) checkColumn(table, columns.get(name) as FoundColumn, declared)
}

function checkColumn(table: LookupTable, { name, type, base, filled }: FoundColumn, declared: Columns[string]): void {
  const expected = columnType(declared)
  if (!READ_FROM[expected].includes(base))
    throw refused(
      table,
      `column ${JSON.stringify(name)}: expected ${expected} (one of ${READ_FROM[expected].join(', ')} in the database), found ${type}`,
    )
  if (declared === expected && !filled)
    throw refused(
      table,
      `column ${JSON.stringify(name)}: expected NOT NULL, found that it may be null: declare it as '${expected}?', or alter it`,
    )
}

/**
 * Reads all rows of a table that was checked.
 * @throws ConnectorError `lookup-table` if it has more than it may have
 */
export async function readTable(session: Session, table: LookupTable): Promise<TableRows<Readonly<Record<string, unknown>>>> {
  const columns = Object.entries(table.columns).map(([name, declared], place) => ({ name, type: columnType(declared), alias: `c${place}` }))
  const selected = columns.map(({ name, type, alias }) => `${selection(identifier(name), type)} AS ${alias}`)
  const rows = await session.query<Record<string, string | null>>(
    `reading table ${shownTable(table)}`,
    `SELECT ${[`${identifier(table.key)}::text AS key`, ...selected].join(', ')} FROM ${quotedTable(table)} LIMIT ${table.mostRows + 1}`,
  )
  if (rows.length > table.mostRows)
    throw refused(table, `it has more than ${table.mostRows} rows: delete some, or declare more as mostRows`)
  const entries = rows.map((row): readonly [string, Record<string, unknown>] => [
    row.key as string,
    Object.fromEntries(columns.map(({ name, type, alias }) => [name, decoded(row[alias] ?? null, type)])),
  ])
  return tableRows(entries)
}

/** As text, because the driver's numbers and dates are not exact. */
function selection(column: string, type: ColumnType): string {
  if (type !== 'micros') return `${column}::text`
  return `CASE WHEN isfinite(${column}) THEN (extract(epoch FROM ${column}) * 1000000)::bigint::text ELSE ${column}::text END`
}

function decoded(text: string | null, type: ColumnType): unknown {
  if (text === null) return null
  switch (type) {
    case 'text':
      return text
    case 'number':
      return Number(text)
    case 'bigint':
      return BigInt(text)
    case 'boolean':
      return text === 'true'
    case 'micros':
      return text === 'infinity' ? Number.POSITIVE_INFINITY : text === '-infinity' ? Number.NEGATIVE_INFINITY : Number(text)
  }
}

function refused(table: LookupTable, what: string): ConnectorError {
  return new ConnectorError('lookup-table', false, `lookup table ${JSON.stringify(shownTable(table))}: ${what}`)
}
