/**
 * A table of the app database that a processor or a process looks up: what it declares of it, and
 * what it gets.
 */

interface Values {
  readonly text: string
  readonly number: number
  readonly bigint: bigint
  readonly boolean: boolean
  /** Microseconds since 1970; Infinity and -Infinity too. */
  readonly micros: number
}

/** What the values of a column are. */
export type ColumnType = keyof Values

/** With a question mark, null too. Without, the column must be NOT NULL. */
export type DeclaredColumn = ColumnType | `${ColumnType}?`

/** Columns by their names in the database. */
export type Columns = Readonly<Record<string, DeclaredColumn>>

type ValueOf<Declared> = Declared extends `${infer Type extends ColumnType}?`
  ? Values[Type] | null
  : Declared extends ColumnType
    ? Values[Declared]
    : never

/** A row, by its columns. It is frozen. */
export type RowOf<Own extends Columns> = { readonly [Name in keyof Own]: ValueOf<Own[Name]> }

/** What is declared of a table. */
export interface LookupTable<Own extends Columns = Columns> {
  /** Null if the search path of the connection finds it. */
  readonly schema: string | null
  readonly name: string
  /** Column that rows are found by. */
  readonly key: string
  readonly columns: Own
  readonly mostRows: number
}

/** Tables by the names that the code has for them. */
export type LookupTables = Readonly<Record<string, LookupTable>>

/** The rows of a table as of one moment. */
export interface TableRows<Row> {
  /**
   * @param key as the database writes it: a number without sign or leading zeros, a UUID in lower
   *   case
   */
  get(key: string | number | bigint): Row | undefined
  readonly size: number
}

/** The rows of each declared table. */
export type RowsOf<Tables extends LookupTables> = {
  readonly [Name in keyof Tables]: TableRows<RowOf<Tables[Name]['columns']>>
}

/** Most rows of a table if it does not say. */
const MOST_ROWS = 100_000
/** So many take 1.4 s to read, and 160 MB. A statement has 5 s, and the machine may be busy. */
const MOST_ROWS_EVER = 500_000
/** PostgreSQL cuts longer names off. */
const MOST_NAME_BYTES = 63

const TYPES: ReadonlySet<string> = new Set<ColumnType>(['text', 'number', 'bigint', 'boolean', 'micros'])

/** What a table is declared with. */
export interface TableDeclaration<Own extends Columns> {
  /**
   * `thresholds` or `schema.thresholds`, as the database keeps it: in lower case, unless it was
   * created in quotes.
   */
  readonly name: string
  /** Column that rows are found by: text, uuid or an integer, with a unique index of its own. */
  readonly key: string
  readonly columns: Own
  /** A table of more rows is not looked up at all. Default: 100,000; at most 500,000. */
  readonly mostRows?: number
}

/**
 * Declares a table.
 * @throws RangeError that names what cannot be declared so
 */
export function table<const Own extends Columns>({ name, key, columns, mostRows = MOST_ROWS }: TableDeclaration<Own>): LookupTable<Own> {
  const parts = name.split('.')
  const own = parts.pop() ?? ''
  const schema = parts.length === 0 ? null : parts.join('.')
  const what = `lookup table ${JSON.stringify(name)}`
  if (parts.length > 1 || !isName(own) || (schema !== null && !isName(schema)))
    throw new RangeError(`${what}: expected the name of a table, or schema.table`)
  for (const column of [key, ...Object.keys(columns)])
    if (!isName(column)) throw new RangeError(`${what}: ${JSON.stringify(column)} is no name of a column`)
  for (const [column, type] of Object.entries(columns))
    if (!TYPES.has(columnType(type)))
      throw new RangeError(
        `${what}, column ${JSON.stringify(column)}: expected one of ${[...TYPES].join(', ')}, with or without ?, got ${JSON.stringify(type)}`,
      )
  if (!Number.isInteger(mostRows) || mostRows < 1 || mostRows > MOST_ROWS_EVER)
    throw new RangeError(`${what}: expected from 1 to ${MOST_ROWS_EVER} as mostRows, got ${mostRows}`)
  return { schema, name: own, key, columns, mostRows }
}

/** Without the question mark. */
export function columnType(declared: DeclaredColumn): ColumnType {
  return declared.replace(/\?$/, '') as ColumnType
}

/** Rows by key, as a processor gets them. They are frozen. */
export function tableRows<Row extends object>(rows: Iterable<readonly [key: string, row: Row]>): TableRows<Row> {
  const byKey = new Map<string, Row>()
  for (const [key, row] of rows) byKey.set(key, Object.freeze(row))
  return {
    get: (key) => byKey.get(String(key)),
    get size() {
      return byKey.size
    },
  }
}

function isName(text: string): boolean {
  return text !== '' && !text.includes('\0') && Buffer.byteLength(text) <= MOST_NAME_BYTES
}
