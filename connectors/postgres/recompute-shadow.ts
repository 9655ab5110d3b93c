import type { Readable } from 'node:stream'
import { type Day, dayStart, instant } from './days.ts'
import { literal, quoted } from './readings-table.ts'
import type { Session } from './session.ts'

/**
 * Schema of the tables of a recomputation. `readings`: rows as they are recomputed.
 * `reading_conflict`: conflicts among them. `archived`: rows of days that are in the archive.
 * `unbacked`: what the line's rows have that no frame gives. There is one recomputation at a time.
 */
export const SHADOW = 'millrace_recompute'

/** Names without a schema are those of this one, if it has them. */
export async function lookFirstIn(session: Session, schema: string): Promise<void> {
  await session.query(
    'looking first in a schema',
    "SELECT set_config('search_path', $1 || ', ' || current_setting('search_path'), false)",
    [quoted(schema)],
  )
}

/** Makes the tables anew, empty, in the transaction that the session is in. */
export async function createShadow(session: Session): Promise<void> {
  await session.script(
    'making the tables of a recomputation',
    `DROP SCHEMA IF EXISTS ${SHADOW} CASCADE; CREATE SCHEMA ${SHADOW};
     CREATE TABLE ${SHADOW}.readings (LIKE readings INCLUDING CONSTRAINTS INCLUDING COMMENTS, PRIMARY KEY (device_id, ts));
     CREATE TABLE ${SHADOW}.reading_conflict (LIKE reading_conflict INCLUDING DEFAULTS INCLUDING INDEXES);
     CREATE TABLE ${SHADOW}.archived (LIKE readings, PRIMARY KEY (device_id, ts));
     CREATE TABLE ${SHADOW}.unbacked (device_id text COLLATE "C" NOT NULL, ts timestamptz NOT NULL, quantities text[], PRIMARY KEY (device_id, ts))`,
  )
}

export async function dropShadow(session: Session): Promise<void> {
  await session.script('dropping the tables of a recomputation', `DROP SCHEMA IF EXISTS ${SHADOW} CASCADE`)
}

/** What is recomputed. */
export interface Scope {
  /** Each with its channels. */
  readonly devices: readonly string[]
  /** Milliseconds since 1970; `toMs` is not included. */
  readonly fromMs: number
  readonly toMs: number
}

/**
 * SQL: whether a row is of the scope and the day. Bounds are constants, so that one partition or
 * chunk is looked at. In the order of bytes, a device's channels are what comes from `device/` on
 * and before `device0`. DuckDB, which reads the archive, understands it too.
 * @param alias of the table, if it has one
 */
export function within({ devices, fromMs, toMs }: Scope, alias: string | undefined, day: Day): string {
  const [ts, id] = ['ts', 'device_id'].map((name) => (alias === undefined ? name : `${alias}.${name}`))
  const [from, to] = [Math.max(fromMs, Date.parse(dayStart(day))), Math.min(toMs, Date.parse(dayStart(day + 1)))].map(
    (ms) => `TIMESTAMPTZ ${literal(instant(ms))}`,
  )
  const own = devices.map(
    (device) => `${id} = ${literal(device)} OR (${id} >= ${literal(`${device}/`)} AND ${id} < ${literal(`${device}0`)})`,
  )
  return `${ts} >= ${from} AND ${ts} < ${to} AND (${own.join(' OR ')})`
}

/**
 * Loads rows of the archive.
 * @param csv in the order of the columns; null is \\N, and times are UTC
 */
export async function loadArchived(session: Session, columns: readonly string[], csv: Readable): Promise<void> {
  const doing = 'loading rows of the archive'
  await session.script(doing, "SET datestyle = 'ISO'; SET timezone = 'UTC'")
  await session.copyIn(doing, `COPY ${SHADOW}.archived (${columns.map(quoted).join(', ')}) FROM STDIN (FORMAT csv, NULL '\\N')`, csv)
}

/** Empties what was loaded of the archive, and, if asked for, what was noted as unbacked. */
export async function emptyNotes(session: Session, which: 'archived' | 'all'): Promise<void> {
  await session.script(
    'emptying the tables of a recomputation',
    `TRUNCATE ${SHADOW}.archived${which === 'all' ? `, ${SHADOW}.unbacked` : ''}`,
  )
}

/** Days (UTC), as in 2026-11-23, that recomputed rows fall on. */
export async function recomputedDays(session: Session, { fromMs, toMs }: Scope): Promise<readonly string[]> {
  const rows = await session.query<{ day: string }>(
    'listing days of recomputed rows',
    `SELECT DISTINCT to_char(ts AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day FROM ${SHADOW}.readings WHERE ts >= $1 AND ts < $2 ORDER BY 1`,
    [instant(fromMs), instant(toMs)],
  )
  return rows.map(({ day }) => day)
}

/** Quantities that the recomputed rows have values of. */
export async function recomputedQuantities(session: Session): Promise<readonly string[]> {
  const names = await quantityColumns(session)
  await session.script('looking at recomputed rows', `ANALYZE ${SHADOW}.readings`)
  const [row] = await session.query<Record<string, boolean>>(
    'looking at recomputed rows',
    `SELECT ${names.map((name) => `count(${quoted(name)}) > 0 AS ${quoted(name)}`).join(', ')} FROM ${SHADOW}.readings`,
  )
  return names.filter((name) => row?.[name] === true)
}

/** Columns of table readings that are values, also those of a deployment's own quantities. */
export async function quantityColumns(session: Session): Promise<readonly string[]> {
  const rows = await session.query<{ name: string }>(
    'reading the columns of readings',
    `SELECT attname AS name FROM pg_attribute WHERE attrelid = 'readings'::regclass AND attnum > 0 AND NOT attisdropped
       AND atttypid = 'double precision'::regtype ORDER BY attnum`,
  )
  return rows.map(({ name }) => name)
}

/** Days (UTC) whose rows went by retention, so that nobody knows what was there. */
export async function droppedDays(session: Session): Promise<ReadonlySet<string>> {
  const rows = await session.query<{ day: string }>(
    'listing dropped days',
    "SELECT to_char(day AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day FROM rollup_dropped",
  )
  return new Set(rows.map(({ day }) => day))
}
