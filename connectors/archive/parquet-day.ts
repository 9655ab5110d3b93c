import { open } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import {
  type ArchiveColumn,
  type ArchiveKind,
  addFigures,
  type DayFigures,
  type FigureDialect,
  figureList,
  readFigures,
  withoutFigures,
} from '../../processors/store/archive-figures.ts'
import type { LateRows } from '../../processors/store/archive-manifest.ts'
import type { ConflictPolicy } from '../../processors/store/merge-columns.ts'
import { ConnectorError } from '../contract.ts'
import { type Duck, literal, quotedName } from './duckdb.ts'
import { conflict, mergedColumns, onlyAdds } from './merge-sql.ts'

/**
 * Rows of a day, in the order of device (by bytes) and time, as CSV in the order of the columns.
 */
export interface DayRows {
  readonly columns: readonly ArchiveColumn[]
  readonly csv: Readable
}

/** What is in the archive of the day already. */
export interface ArchivedRows {
  readonly columns: readonly ArchiveColumn[]
  readonly path: string
  readonly figures: DayFigures
}

/** A day that was merged: what its file must hold. */
export interface MergedDay {
  readonly columns: readonly ArchiveColumn[]
  readonly figures: DayFigures
  readonly late: LateRows
  /** Of the late rows, as they were read. */
  readonly lateFigures: DayFigures
}

/**
 * Rows of a row group: DuckDB's own default, a multiple of its vectors. It reads a group if the
 * least and the greatest device in it admit the one that is looked for, and hands groups to its
 * threads.
 */
const ROW_GROUP_ROWS = 122_880

const TYPES: Readonly<Record<ArchiveKind, string>> = {
  text: 'VARCHAR',
  timestamp: 'TIMESTAMPTZ',
  boolean: 'BOOLEAN',
  whole: 'BIGINT',
  double: 'DOUBLE',
}
const DIALECT: FigureDialect = { micros: (ts) => `epoch_us(${ts})`, bytes: (text) => `strlen(${text})` }

/** Writes the file of a day. It is on the disk when this resolves. */
export async function writeDay(duck: Duck, { columns, csv }: DayRows, path: string): Promise<void> {
  await duck.reading('writing Parquet', csv, (pipe) => copyTo(`SELECT * FROM ${csvOf(pipe, columns)}`, columns, path))
  await sync(path)
}

/**
 * Writes a file that has the archived rows and the late ones, of one key merged by column as the
 * store does it (docs/adr/0012-merge-by-column.md): the late row is the one that came last. It is
 * on the disk when this resolves.
 */
export async function mergeDay(
  duck: Duck,
  archived: ArchivedRows,
  rows: DayRows,
  path: string,
  policy: ConflictPolicy,
): Promise<MergedDay> {
  const columns = together(archived.columns, rows.columns)
  const list = columns.map(({ name }) => quotedName(name)).join(', ')
  await duck.run(
    'opening the archived day',
    `CREATE TEMP VIEW archived AS SELECT ${selected(columns, archived.columns)} FROM ${parquetOf(archived.path)}`,
  )
  await duck.reading(
    'reading late rows',
    rows.csv,
    (pipe) => `CREATE TEMP TABLE late AS SELECT ${selected(columns, rows.columns)} FROM ${csvOf(pipe, rows.columns)}`,
  )
  const pairs = columns.flatMap(({ name }, index) => [`a.${quotedName(name)} AS a${index}`, `l.${quotedName(name)} AS l${index}`])
  await duck.run(
    'looking for late rows that are archived',
    `CREATE TEMP TABLE met AS SELECT ${pairs.join(', ')} FROM late AS l JOIN archived AS a ON a.device_id = l.device_id AND a.ts = l.ts`,
  )
  const key = ['device_id', 'ts'].map((name) => columns.findIndex((column) => column.name === name))
  const known = (side: 'a' | 'l'): string => `SELECT 1 FROM met AS m WHERE m.${side}${key[0]} = r.device_id AND m.${side}${key[1]} = r.ts`
  const added = `SELECT ${list} FROM late AS r WHERE NOT EXISTS (${known('l')}) UNION ALL SELECT ${mergedColumns(columns, policy)} FROM met`
  await duck.run(
    'writing the merged day as Parquet',
    copyTo(
      `SELECT ${list} FROM (SELECT ${list} FROM archived AS r WHERE NOT EXISTS (${known('a')}) UNION ALL ${added}) ORDER BY device_id, ts`,
      columns,
      path,
    ),
  )
  await sync(path)
  const originals = columns.map(({ name }, index) => `a${index} AS ${quotedName(name)}`).join(', ')
  const replaced = await figuresOf(duck, columns, `(SELECT ${originals} FROM met)`)
  const figures = addFigures(withoutFigures(archived.figures, replaced), await figuresOf(duck, columns, `(${added})`))
  const [counts] = await duck.rows(
    'counting what became of late rows',
    `SELECT count(*) FILTER (WHERE ${conflict(columns)}) AS conflicts, count(*) FILTER (WHERE ${onlyAdds(columns)}) AS merged,
       count(*) AS rows FROM met`,
  )
  const [conflicts, merged, all] = [counts?.conflicts, counts?.merged, counts?.rows].map(Number) as [number, number, number]
  const lateFigures = await figuresOf(duck, rows.columns, 'late')
  return { columns, figures, lateFigures, late: { conflicts, merged, repeated: all - conflicts - merged } }
}

/**
 * Reads a file back.
 * @throws ConnectorError if a key is there twice, or its rows are not in order
 */
export async function readDay(duck: Duck, columns: readonly ArchiveColumn[], path: string): Promise<DayFigures> {
  const ordered = `(SELECT *, lag(device_id) OVER () AS "millrace before", lag(ts) OVER () AS "millrace ts before" FROM ${parquetOf(path)})`
  const disorder = `count(*) FILTER (WHERE "millrace before" > device_id OR ("millrace before" = device_id AND "millrace ts before" >= ts)) AS disorder`
  const [row] = await duck.rows('reading the file back', `SELECT ${disorder}, ${figureList(columns, DIALECT)} FROM ${ordered}`)
  if (Number(row?.disorder ?? 1) > 0)
    throw new ConnectorError('archive-order', false, `${path}: ${row?.disorder} rows do not follow the one before by device and time`)
  return readFigures(row ?? {}, columns)
}

/**
 * Gives the rows of a file as CSV, in the order of the columns; null is \\N.
 * @param take reads the stream to its end
 * @param where SQL of DuckDB: only these rows
 */
export function exportRows(
  duck: Duck,
  columns: readonly ArchiveColumn[],
  path: string,
  take: (csv: Readable) => Promise<void>,
  where = 'true',
): Promise<void> {
  // Without a zone: DuckDB has its names from an extension. It is UTC.
  const list = columns.map(({ name, kind }) => (kind === 'timestamp' ? `make_timestamp(epoch_us(${quotedName(name)}))` : quotedName(name)))
  return duck.writing(
    'reading the rows of a day',
    (pipe) =>
      `COPY (SELECT ${list.join(', ')} FROM ${parquetOf(path)} WHERE ${where}) TO ${literal(pipe)} (FORMAT csv, HEADER false, NULLSTR '\\N', USE_TMP_FILE false)`,
    take,
  )
}

async function figuresOf(duck: Duck, columns: readonly ArchiveColumn[], rows: string): Promise<DayFigures> {
  const [row] = await duck.rows('adding up rows', `SELECT ${figureList(columns, DIALECT)} FROM ${rows}`)
  return readFigures(row ?? {}, columns)
}

/** Those of the table, and then what only the archive has: nothing is dropped. */
function together(archived: readonly ArchiveColumn[], ofTable: readonly ArchiveColumn[]): readonly ArchiveColumn[] {
  const kinds = new Map(ofTable.map(({ name, kind }) => [name, kind]))
  for (const { name, kind } of archived) {
    const now = kinds.get(name)
    if (now !== undefined && now !== kind)
      throw new ConnectorError(
        'archive-type',
        false,
        `column ${name} is ${kind} in the archive and ${now} in table readings: change it back`,
      )
  }
  return [...ofTable, ...archived.filter(({ name }) => !kinds.has(name))]
}

function selected(columns: readonly ArchiveColumn[], present: readonly ArchiveColumn[]): string {
  const names = new Set(present.map(({ name }) => name))
  return columns
    .map(({ name, kind }) => (names.has(name) ? quotedName(name) : `CAST(NULL AS ${TYPES[kind]}) AS ${quotedName(name)}`))
    .join(', ')
}

function csvOf(path: string, columns: readonly ArchiveColumn[]): string {
  const types = columns.map(({ name, kind }) => `${literal(name)}: ${literal(TYPES[kind])}`).join(', ')
  return `read_csv(${literal(path)}, auto_detect = false, header = false, delim = ',', quote = '"', escape = '"', nullstr = '',
    allow_quoted_nulls = false, parallel = false, columns = {${types}})`
}

/** The folder's name says the day; it must not become a column here. */
function parquetOf(path: string): string {
  return `read_parquet(${literal(path)}, hive_partitioning = false)`
}

function copyTo(select: string, columns: readonly ArchiveColumn[], path: string): string {
  const units = Object.fromEntries(columns.flatMap(({ name, unit }) => (unit === null ? [] : [[name, unit]])))
  return `COPY (${select}) TO ${literal(path)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE ${ROW_GROUP_ROWS},
    KV_METADATA {millrace_units: ${literal(JSON.stringify(units))}})`
}

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
