import type pg from 'pg'
import type { BackendName } from '../../connectors/postgres/backend.ts'
import { createPostgresBackend } from '../../connectors/postgres/postgres-backend.ts'
import { freshDays, freshLatest, partColumns } from '../../connectors/postgres/rollup-sql.ts'
import type { RollupQuantity } from '../../connectors/postgres/rollup-tables.ts'
import { openSession } from '../../connectors/postgres/session.ts'
import { DAY_MS } from '../../processors/store/time-ranges.ts'

/** A history of hives that send at a fixed interval, with an hour in a hundred missing. */
export interface HistoryShape {
  readonly devices: number
  /** Days that are over. Today, up to now, comes on top. */
  readonly days: number
  /** Seconds from a reading to the next; a divisor of an hour. */
  readonly periodS: number
}

/** 20 devices are at a site, 25 sites in an account. */
export const DEVICES_OF_SITE = 20
const SITES_OF_ACCOUNT = 25
/** A device in 50 goes to the next site and back, every so many hours. */
const MOVES_AFTER_HOURS = 180
const FILLED: readonly RollupQuantity[] = ['temperature', 'humidity', 'weight', 'battery_voltage', 'sound_level'].map((name) => ({
  name,
  present: true,
  comment: '',
}))
const NAMES = FILLED.map(({ name }) => name)

export interface HistoryFill {
  /** Of a telemetry database that is migrated. */
  readonly url: string
  readonly backend: BackendName
  readonly shape: HistoryShape
  /** Connections of its owner, each of which fills one day at a time. */
  readonly clients: readonly pg.Client[]
  /** Called once a day is there, with how many are not. */
  readonly filled?: (left: number) => void
}

/**
 * Fills what a telemetry database lacks of a history that ends now, all of it server-side: readings
 * as the store's batches leave them on the disk (an hour of a device in a row), and roll-ups as the
 * job leaves them. A day is there with all that belongs to it, or not at all. Today is made anew.
 */
export async function fillHistory({ url, backend, shape, clients, filled }: HistoryFill): Promise<void> {
  const [first] = clients
  if (first === undefined) throw new Error('fillHistory: expected a client')
  const { rows } = await first.query<{ now: Date }>('SELECT now() AS now')
  const now = rows[0]?.now ?? new Date()
  const today = Math.floor(now.getTime() / DAY_MS)
  const past = Array.from({ length: shape.days }, (_, ago) => today - shape.days + ago)
  await removeNewest(first, backend, today)
  const done = await first.query<{ day: number }>(
    'SELECT DISTINCT (extract(epoch FROM day) / 86400)::integer AS day FROM readings_daily_kept',
  )
  const there = new Set(done.rows.map(({ day }) => day))
  if (backend === 'postgres') {
    const session = await openSession({ url, applicationName: 'history-fill' })
    try {
      // With those that the store keeps ready.
      await createPostgresBackend().ensureDays(session, [...past, ...Array.from({ length: 8 }, (_, ahead) => today + ahead)])
    } finally {
      await session.close()
    }
  }
  const queue = [...past.filter((day) => !there.has(day)), today]
  let left = queue.length
  await Promise.all(
    clients.map(async (client) => {
      await client.query("SET millrace.marks = 'on'; SET work_mem = '256MB'; SET jit = off")
      for (let day = queue.shift(); day !== undefined; day = queue.shift()) {
        // A table that is emptied in the transaction that fills it needs no WAL.
        const empty = backend === 'postgres' ? `TRUNCATE ${partition(day)};` : ''
        await client.query(
          `BEGIN; ${empty} ${fillReadings(shape, day, now)}; ${wholeDay('off')}; ${fillHours(day)}; ${wholeDay('on')}; ${fillDays(day)}; ${fillSites(day)}; COMMIT`,
        )
        left--
        filled?.(left)
      }
    }),
  )
  await first.query(fillLatest(today, now))
  await first.query('ANALYZE')
}

/** Off: a day is read as a whole, which the planner cannot know before it has statistics. */
const wholeDay = (by: 'on' | 'off'): string =>
  ['nestloop', 'mergejoin', 'indexscan', 'bitmapscan'].map((way) => `SET LOCAL enable_${way} = ${by}`).join('; ')
/** A literal, so that the planner leaves out other days, which may be locked. */
const at = (day: number): string => `timestamptz '${new Date(day * DAY_MS).toISOString()}'`
const within = (day: number, column: string): string => `${column} >= ${at(day)} AND ${column} < ${at(day + 1)}`
const partition = (day: number): string => `readings_${new Date(day * DAY_MS).toISOString().slice(0, 10).replaceAll('-', '')}`

/** The day that an earlier fill ended in, which may be today, and what it left not up to date. */
async function removeNewest(client: pg.Client, backend: BackendName, today: number): Promise<void> {
  const { rows } = await client.query<{ day: number | null }>(
    'SELECT (extract(epoch FROM max(day)) / 86400)::integer AS day FROM readings_daily_kept',
  )
  const from = at(Math.min(today, rows[0]?.day ?? today))
  if (backend === 'timescaledb') await client.query(`SELECT drop_chunks('readings', newer_than => ${from})`)
  await client.query(`
    DELETE FROM readings_hourly_kept WHERE hour >= ${from};
    DELETE FROM readings_daily_kept WHERE day >= ${from};
    TRUNCATE latest_readings_kept, rollup_pending, rollup_mark, rollup_pending_day`)
}

/** Values have the digits of the sensors, and change over a day. */
function fillReadings({ devices, periodS }: HistoryShape, day: number, now: Date): string {
  const wave = (middle: number, swing: number, noise: number, digits: number): string =>
    `round((${middle} + ${swing} * wave + ${noise} * random()) * 1e${digits}) / 1e${digits}`
  return `INSERT INTO readings (device_id, ts, time_estimated, account_id, site_id, ${NAMES.join(', ')})
    SELECT 'hive-' || d, ts, false, (site - 1) / ${SITES_OF_ACCOUNT} + 1, site,
      ${[wave(20, 8, 0.3, 2), wave(60, 15, 1, 1), wave(42, 0.5, 0.05, 2), wave(3.7, 0.1, 0.01, 3), wave(45, 5, 6, 1)].join(', ')}
    FROM (
      SELECT d, wave, site, ${at(day)} + h * interval '1 hour' + s * interval '${periodS} seconds' + d % ${periodS} * interval '1 second' + d % 1000 * interval '1 ms' AS ts
      FROM (
        SELECT h, d, generate_series(0, ${3600 / periodS - 1}) AS s, sin(2 * pi() * (h / 24.0 + d % 97 / 97.0))::float8 AS wave,
          (d - 1) / ${DEVICES_OF_SITE} + 1 + (d % 50 = 0 AND (${day * 24} + h) / ${MOVES_AFTER_HOURS} % 2 = 1)::int AS site
        FROM (SELECT h, generate_series(1, ${devices}) AS d FROM generate_series(0, 23) AS h) AS hours
        WHERE (d * 31 + ${day * 7} + h * 17) % 97 <> 0
      ) AS samples
    ) AS timed WHERE ts < '${now.toISOString()}'`
}

/** As the job of the roll-ups leaves hours. All rows have all quantities, so it is this plain. */
function fillHours(day: number): string {
  const sums = NAMES.map((name) => `sum(${name}) AS ${name}_sum, min(${name}) AS ${name}_min, max(${name}) AS ${name}_max`)
  const parts = NAMES.map((name) => `g.rows, g.${name}_sum, g.${name}_min, g.${name}_max, f.${name}, g.starts, l.${name}, g.upto`)
  return `INSERT INTO readings_hourly_kept (device_id, hour, upto, rows, ${partColumns(FILLED).join(', ')})
    SELECT g.device_id, g.hour, g.upto, g.rows, ${parts.join(', ')}
    FROM (
      SELECT device_id, date_bin('1 hour', ts, 'epoch') AS hour, min(ts) AS starts, max(ts) AS upto, count(*) AS rows, ${sums.join(', ')}
      FROM readings WHERE ${within(day, 'ts')} GROUP BY 1, 2
    ) AS g
    JOIN readings AS f ON f.device_id = g.device_id AND f.ts = g.starts AND ${within(day, 'f.ts')}
    JOIN readings AS l ON l.device_id = g.device_id AND l.ts = g.upto AND ${within(day, 'l.ts')}
    ORDER BY g.hour, g.device_id`
}

function fillDays(day: number): string {
  const hours = `(SELECT ${at(day)} AS day, * FROM readings_hourly_kept WHERE ${within(day, 'hour')})`
  return `INSERT INTO readings_daily_kept (device_id, day, rows, ${partColumns(FILLED).join(', ')}) ${freshDays(hours, FILLED)}`
}

function fillSites(day: number): string {
  return `INSERT INTO site_devices_kept AS s (site_id, device_id, from_day, to_day)
    SELECT site_id, device_id, ${at(day)}, ${at(day + 1)} FROM readings WHERE ${within(day, 'ts')} GROUP BY site_id, device_id ORDER BY 1, 2
    ON CONFLICT (site_id, device_id) DO UPDATE SET from_day = least(s.from_day, excluded.from_day), to_day = greatest(s.to_day, excluded.to_day)`
}

/**
 * The newest values; and as at any moment of a line that runs: a tenth of the devices has an hour
 * that is not up to date, a fiftieth a mark that was not taken, a fiftieth got late readings of
 * yesterday, and of all the day goes on.
 */
function fillLatest(today: number, now: Date): string {
  const hour = `date_bin('1 hour', timestamptz '${now.toISOString()}' - interval '15 minutes', 'epoch')`
  const newest = `(SELECT * FROM readings_hourly_kept WHERE hour >= ${at(today - 1)})`
  return `INSERT INTO latest_readings_kept (device_id, ${NAMES.flatMap((name) => [name, `${name}_at`]).join(', ')}) ${freshLatest(newest, FILLED)};
    INSERT INTO rollup_pending (device_id, hour, from_ts, to_ts, due_at)
      SELECT device_id, hour, upto, upto, now() + interval '1 minute' FROM readings_hourly_kept
      WHERE hour = ${hour} AND hashtextextended(device_id, 0) % 10 = 0 ORDER BY 1;
    INSERT INTO rollup_mark (hour, devices, firsts, lasts)
      SELECT ${hour}, array_agg(device_id), array_agg(0), array_agg(3599999999) FROM readings_hourly_kept
      WHERE hour = ${hour} AND hashtextextended(device_id, 1) % 50 = 0 HAVING count(*) > 0;
    INSERT INTO rollup_pending_day (device_id, day, due_at)
      SELECT device_id, day, day + interval '1 day 10 minutes' FROM readings_daily_kept
      WHERE day = ${at(today)} OR day = ${at(today - 1)} AND hashtextextended(device_id, 2) % 50 = 0 ORDER BY 1, 2`
}
