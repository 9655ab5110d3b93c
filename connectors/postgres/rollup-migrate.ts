import { createHash } from 'node:crypto'
import { type Column, quoted } from './readings-table.ts'
import { readingsOf } from './rollup-questions.ts'
import { type RollupQuantity, rollupTables } from './rollup-tables.ts'
import { rollupViews } from './rollup-views.ts'
import { ROLLUP_LOCK, rollupWork } from './rollup-work.ts'
import type { Session } from './session.ts'
import { NOTE_ALL_SITES } from './site-devices.ts'

const TRIGGER = 'rollup_mark'

/**
 * Gives the roll-ups the columns that readings has or is to have, with their views and functions.
 * Inside the transaction that gives readings its columns: so no value of a new column is stored
 * before the job knows of it.
 * @param columns that readings is to have
 */
export async function migrateRollups(session: Session, columns: readonly Column[]): Promise<void> {
  const planned = await planRollups(session, columns)
  if (planned === undefined) return
  const { statements, checksum } = planned
  // A job that is under way has the functions of before, and must not meet values of the columns of
  // afterwards.
  await session.script('waiting for the job of the roll-ups', `SELECT pg_advisory_xact_lock(${ROLLUP_LOCK})`)
  await session.script('making the roll-ups', `SET LOCAL check_function_bodies = off; ${statements}`)
  await session.query(
    'noting the shape of the roll-ups',
    'INSERT INTO rollup_shape (checksum) VALUES ($1) ON CONFLICT (one) DO UPDATE SET checksum = excluded.checksum',
    [checksum],
  )
}

/** What `migrateRollups` would run; undefined if nothing. Table readings is there. */
export async function planRollups(
  session: Session,
  columns: readonly Column[],
): Promise<{ readonly statements: string; readonly checksum: string } | undefined> {
  const there = await exists(session)
  const quantities = await rollupQuantities(session, there, columns)
  const statements = [rollupTables(quantities), rollupViews(quantities), readingsOf(quantities), rollupWork(quantities)].join(';\n')
  const checksum = createHash('sha256').update(statements).digest('hex')
  const [shape] = there
    ? await session.query<{ checksum: string }>('reading the shape of the roll-ups', 'SELECT checksum FROM rollup_shape')
    : []
  return shape?.checksum === checksum ? undefined : { statements, checksum }
}

/** Gives table readings the trigger for writers that do not mark themselves. */
export async function watchReadings(session: Session): Promise<void> {
  if (!(await triggered(session)))
    await session.script(
      'adding the trigger of the roll-ups',
      `CREATE TRIGGER ${TRIGGER} AFTER INSERT OR UPDATE OR DELETE ON readings FOR EACH ROW
       WHEN (current_setting('millrace.marks', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION rollup_mark_row()`,
    )
}

/**
 * Once: marks each hour of readings that are older than the roll-ups. It reads the table. From the
 * moment on that it is done, the views are right.
 * @returns how many hours of devices
 */
export async function fillRollups(session: Session): Promise<number> {
  await session.script('filling the roll-ups', 'BEGIN')
  const unfilled = await session.query('looking whether the roll-ups are filled', 'SELECT FROM rollup_shape WHERE NOT filled FOR UPDATE')
  const [marked] = unfilled.length === 0 ? [0] : await session.script('filling the roll-ups', MARK_ALL)
  await session.commit('filling the roll-ups', 'UPDATE rollup_shape SET filled = true WHERE NOT filled')
  return marked ?? 0
}

/**
 * Once: notes at which sites the devices of older readings were. It reads the table, after the job
 * has learned to note what comes. So nothing is missed between.
 * @returns how many devices of sites
 */
export async function fillSiteDevices(session: Session): Promise<number> {
  const doing = 'noting the devices of sites'
  await session.script(doing, 'BEGIN')
  const unfilled = await session.query(doing, 'SELECT FROM rollup_shape WHERE NOT sites_filled FOR UPDATE')
  const [noted] = unfilled.length === 0 ? [0] : await session.script(doing, NOTE_ALL_SITES)
  await session.commit(doing, 'UPDATE rollup_shape SET sites_filled = true WHERE NOT sites_filled')
  return noted ?? 0
}

const MARK_ALL = `INSERT INTO rollup_pending AS p (device_id, hour, from_ts, to_ts, due_at)
  SELECT device_id, hour, hour, hour + interval '1 hour', now() FROM readings, date_bin('1 hour', ts, 'epoch') AS hour
  WHERE isfinite(ts) GROUP BY device_id, hour ORDER BY device_id, hour
  ON CONFLICT (device_id, hour) DO UPDATE SET from_ts = excluded.from_ts, to_ts = excluded.to_ts`

async function exists(session: Session): Promise<boolean> {
  const [row] = await session.query<{ there: boolean }>(
    'looking for the roll-ups',
    "SELECT to_regclass('readings_hourly_kept') IS NOT NULL AS there",
  )
  return row?.there === true
}

async function triggered(session: Session): Promise<boolean> {
  const rows = await session.query(
    'looking for the trigger of the roll-ups',
    "SELECT FROM pg_trigger WHERE tgrelid = 'readings'::regclass AND tgname = $1",
    [TRIGGER],
  )
  return rows.length > 0
}

/**
 * The columns of numbers of readings, in the order in which the roll-ups have them: views and
 * functions grow at their end. What readings had once, and has no longer, stays.
 */
async function rollupQuantities(session: Session, there: boolean, expected: readonly Column[]): Promise<readonly RollupQuantity[]> {
  const columns = await session.query<{ name: string; comment: string | null }>(
    'reading the quantities of readings',
    `SELECT attname AS name, col_description(attrelid, attnum) AS comment FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
     WHERE attrelid = 'readings'::regclass AND attnum > 0 AND NOT attisdropped
       AND (CASE typtype WHEN 'd' THEN typbasetype ELSE atttypid END) = 'double precision'::regtype ORDER BY attnum`,
  )
  const known = there
    ? await session.query<{ name: string }>(
        'reading the quantities of the roll-ups',
        `SELECT left(attname, -length('_last_at')) AS name FROM pg_attribute
         WHERE attrelid = 'readings_hourly_kept'::regclass AND attnum > 4 AND NOT attisdropped AND right(attname, 8) = '_last_at' ORDER BY attnum`,
      )
    : []
  const present = new Map(columns.map(({ name, comment }) => [name, comment]))
  for (const { name, type, comment } of expected) if (type === 'double precision') present.set(name, comment)
  const names = [...new Set([...known.map(({ name }) => name), ...present.keys()])]
  return names.map((name) => ({
    name,
    present: present.has(name),
    comment: present.get(name) ?? `Table readings has no column ${quoted(name)} now.`,
  }))
}
