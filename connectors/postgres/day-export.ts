import type { Readable } from 'node:stream'
import {
  type ArchiveColumn,
  type ArchiveKind,
  type DayFigures,
  type FigureDialect,
  figureList,
  readFigures,
} from '../../processors/store/archive-figures.ts'
import { retryOnLock } from './lock-retry.ts'
import { LOCK_TIMEOUT_MS } from './partition-turns.ts'
import { literal, quoted } from './readings-table.ts'
import type { Session } from './session.ts'

/** On partitions and chunks that are being archived: says that a row of them changed. */
const TRIGGER = 'millrace_archiving'

const KINDS: ReadonlyMap<string, ArchiveKind> = new Map([
  ['timestamp with time zone', 'timestamp'],
  ['boolean', 'boolean'],
  ['smallint', 'whole'],
  ['integer', 'whole'],
  ['bigint', 'whole'],
  ['real', 'double'],
  ['double precision', 'double'],
])
const CASTS: Readonly<Record<ArchiveKind, string>> = {
  text: 'text',
  timestamp: 'timestamptz',
  boolean: 'boolean',
  whole: 'bigint',
  double: 'double precision',
}
export const FIGURES: FigureDialect = {
  micros: (ts) => `CAST(extract(epoch FROM ${ts}) * 1000000 AS bigint)`,
  bytes: (text) => `octet_length(${text})`,
}

/**
 * From now on, whatever changes rows of these tables is noted (`isTouched`). Who changed some
 * before has committed when this resolves: a snapshot that is taken later sees it.
 */
export async function watchDay(session: Session, tables: readonly string[], day: string): Promise<void> {
  const doing = `watching ${day} for changes`
  const triggers = tables.map(
    (table) => `CREATE OR REPLACE TRIGGER ${TRIGGER} AFTER INSERT OR UPDATE OR DELETE ON ${table} FOR EACH ROW
      EXECUTE FUNCTION archive_touched(${literal(day)})`,
  )
  await retryOnLock(session, async () => {
    // Readers may go on. The lock is that of CREATE TRIGGER.
    await session.script(
      doing,
      `BEGIN; SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}; LOCK TABLE ${tables.join(', ')} IN SHARE ROW EXCLUSIVE MODE; ${triggers.join('; ')}`,
    )
    await session.commit(doing, `DELETE FROM archive_touch WHERE day = ${literal(day)}`)
  })
}

/** Whether rows were changed since `watchDay`. Exact once nobody can write to the tables. */
export async function isTouched(session: Session, day: string): Promise<boolean> {
  const [found] = await session.query<{ touched: boolean }>(
    'looking for changes',
    'SELECT EXISTS (SELECT FROM archive_touch WHERE day = $1) AS touched',
    [day],
  )
  return found?.touched === true
}

/** The columns of readings, as the archive has them. Its quantities have their units. */
export async function archiveColumns(session: Session): Promise<readonly ArchiveColumn[]> {
  const found = await session.query<{ name: string; type: string; comment: string | null }>(
    'reading the columns of readings',
    `SELECT attname AS name, format_type(CASE typtype WHEN 'd' THEN typbasetype ELSE atttypid END, NULL) AS type,
       col_description(attrelid, attnum) AS comment
     FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
     WHERE attrelid = 'readings'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
  )
  return found.map(({ name, type, comment }) => ({
    name,
    kind: KINDS.get(type) ?? 'text',
    unit: /Unit: (\S+)$/.exec(comment ?? '')?.[1] ?? null,
  }))
}

/**
 * Gives all rows of these tables as CSV, by device (its bytes) and time, as they are in one
 * snapshot, and adds them up in the same one. It holds no lock that writers or readers meet.
 */
export async function exportDay(
  session: Session,
  tables: readonly string[],
  columns: readonly ArchiveColumn[],
  take: (csv: Readable) => Promise<void>,
): Promise<DayFigures> {
  const list = columns.map(({ name, kind }) => `${quoted(name)}::${CASTS[kind]} AS ${quoted(name)}`).join(', ')
  const rows = `(${tables.map((table) => `SELECT ${list} FROM ${table}`).join(' UNION ALL ')}) AS day`
  await session.script(
    'beginning an export',
    // Values are read as they were written, and the store has the other processors.
    `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL datestyle = 'ISO'; SET LOCAL timezone = 'UTC'; SET LOCAL extra_float_digits = 1;
     SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL work_mem = '32MB'`,
  )
  const [row] = await session.query('adding up the rows of a day', `SELECT ${figureList(columns, FIGURES)} FROM ${rows}`)
  await session.copyOut(
    'exporting the rows of a day',
    `COPY (SELECT * FROM ${rows} ORDER BY device_id COLLATE "C", ts) TO STDOUT (FORMAT csv)`,
    take,
  )
  await session.script('ending an export', 'COMMIT')
  return readFigures(row ?? {}, columns)
}
