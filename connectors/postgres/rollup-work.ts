import { quoted } from './readings-table.ts'
import { baseOfDays, freshDays, freshHours, freshLatest, partColumns } from './rollup-sql.ts'
import type { RollupQuantity } from './rollup-tables.ts'
import { noteSites } from './site-devices.ts'

/** The lock of whoever works on the roll-ups, or changes their shape. */
export const ROLLUP_LOCK = "hashtextextended('millrace rollups', 0)"

/**
 * Functions of the job. They are in the database, so that a store of another version than the
 * roll-ups does not leave out their newest columns. They are volatile: each statement has a
 * snapshot of its own, taken after the statement before it.
 *
 * Nothing is missed: a mark is deleted by one statement, and readings are read by a later one. So
 * the readings that came with the mark are seen. Those that are committed after that snapshot have
 * a mark of their own, which is still there.
 */
export function rollupWork(quantities: readonly RollupQuantity[]): string {
  const parts = partColumns(quantities)
  const latest = quantities.flatMap(({ name }) => [quoted(name), quoted(`${name}_at`)])
  const at = quantities.map(({ name }) => `l.${quoted(`${name}_at`)}`).join(', ')
  const those = (alias: string): string => `unnest(devices, hours) AS ${alias} (device_id, hour)`
  return [
    `CREATE OR REPLACE FUNCTION rollup_take_marks(most integer, settle interval, open_every interval) RETURNS bigint LANGUAGE plpgsql AS $rollup$
DECLARE
  taken bigint;
BEGIN
  WITH gone AS (
    DELETE FROM rollup_mark WHERE ctid = ANY (ARRAY(SELECT ctid FROM rollup_mark LIMIT most)) RETURNING hour, devices, firsts, lasts
  ), pairs AS (
    SELECT u.device_id, g.hour, g.hour + min(u.first) * interval '1 microsecond' AS from_ts, g.hour + max(u.last) * interval '1 microsecond' AS to_ts
    FROM gone AS g, unnest(g.devices, g.firsts, g.lasts) AS u (device_id, first, last) GROUP BY u.device_id, g.hour
  ), kept AS (
    INSERT INTO rollup_pending AS p (device_id, hour, from_ts, to_ts, due_at)
    SELECT device_id, hour, from_ts, to_ts, CASE WHEN hour + interval '1 hour' > now() THEN now() + open_every ELSE now() + settle END
    FROM pairs ORDER BY device_id, hour
    ON CONFLICT (device_id, hour) DO UPDATE SET from_ts = least(p.from_ts, excluded.from_ts), to_ts = greatest(p.to_ts, excluded.to_ts)
    WHERE excluded.from_ts < p.from_ts OR excluded.to_ts > p.to_ts
  )
  SELECT count(*) INTO taken FROM gone;
  RETURN taken;
END $rollup$`,
    `CREATE OR REPLACE FUNCTION rollup_hours(most integer) RETURNS bigint LANGUAGE plpgsql AS $rollup$
DECLARE
  devices text[]; hours timestamptz[]; firsts timestamptz[]; lasts timestamptz[];
BEGIN
  WITH gone AS (
    DELETE FROM rollup_pending WHERE ctid = ANY (ARRAY(SELECT ctid FROM rollup_pending WHERE due_at <= now() ORDER BY due_at LIMIT most))
    RETURNING device_id, hour, from_ts, to_ts
  )
  SELECT array_agg(device_id), array_agg(hour), array_agg(from_ts), array_agg(to_ts) INTO devices, hours, firsts, lasts FROM gone;
  IF devices IS NULL THEN RETURN 0; END IF;
  INSERT INTO readings_hourly_base (device_id, hour, upto, rows, ${parts.join(', ')})
  SELECT k.device_id, k.hour, k.upto, k.rows, ${parts.map((name) => `k.${name}`).join(', ')}
  FROM ${those('t')} JOIN readings_hourly_kept AS k ON k.device_id = t.device_id AND k.hour = t.hour
  JOIN rollup_dropped AS g ON g.day = date_bin('1 day', t.hour, 'epoch')
  ON CONFLICT (device_id, hour) DO NOTHING;
  INSERT INTO readings_hourly_kept (device_id, hour, upto, rows, ${parts.join(', ')})
  SELECT f.device_id, f.hour, coalesce(f.upto, f.hour), f.rows, ${parts.map((name) => `f.${name}`).join(', ')} FROM (
${freshHours('unnest(devices, hours, firsts, lasts)', quantities).replace('AS p\n', 'AS p (device_id, hour, from_ts, to_ts)\n')}
  ) AS f
  ON CONFLICT (device_id, hour) DO UPDATE SET (upto, rows, ${parts.join(', ')}) =
    ROW (excluded.upto, excluded.rows, ${parts.map((name) => `excluded.${name}`).join(', ')});
  INSERT INTO latest_readings_kept AS k (device_id, ${latest.join(', ')})
  SELECT f.device_id, ${latest.map((name) => `f.${name}`).join(', ')} FROM (
${freshLatest(`(SELECT c.* FROM readings_hourly_kept AS c JOIN ${those('t')} ON c.device_id = t.device_id AND c.hour = t.hour)`, quantities)}
  ) AS f
  ON CONFLICT (device_id) DO UPDATE SET (${latest.join(', ')}) = ROW (${latest.map((name) => `excluded.${name}`).join(', ')});
  ${noteSites('unnest(devices, firsts, lasts) AS t (device_id, from_ts, to_ts)')};
  DELETE FROM readings_hourly_kept AS k USING ${those('t')} WHERE k.device_id = t.device_id AND k.hour = t.hour AND k.rows = 0;
  DELETE FROM latest_readings_kept AS l USING (SELECT DISTINCT unnest(devices) AS device_id) AS t
    WHERE l.device_id = t.device_id AND coalesce(${at}) IS NULL;
  INSERT INTO rollup_pending_day (device_id, day, due_at)
  SELECT DISTINCT t.device_id, d.day, greatest(d.day + interval '1 day 10 minutes', now() + interval '1 minute')
  FROM ${those('t')}, date_bin('1 day', t.hour, 'epoch') AS d (day)
  ON CONFLICT (device_id, day) DO NOTHING;
  RETURN cardinality(devices);
END $rollup$`,
    `CREATE OR REPLACE FUNCTION rollup_days(most integer) RETURNS bigint LANGUAGE plpgsql AS $rollup$
DECLARE
  devices text[]; days timestamptz[];
BEGIN
  WITH gone AS (
    DELETE FROM rollup_pending_day
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM rollup_pending_day WHERE due_at <= now() ORDER BY due_at LIMIT most)) RETURNING device_id, day
  )
  SELECT array_agg(device_id), array_agg(day) INTO devices, days FROM gone;
  IF devices IS NULL THEN RETURN 0; END IF;
  INSERT INTO readings_daily_base (device_id, day, rows, ${parts.join(', ')})
  SELECT b.device_id, b.day, b.rows, ${parts.map((name) => `b.${name}`).join(', ')} FROM (
${baseOfDays('(SELECT * FROM unnest(devices, days) AS u (device_id, day))', quantities)}
  ) AS b
  ON CONFLICT (device_id, day) DO NOTHING;
  DELETE FROM readings_daily_kept AS k USING unnest(devices, days) AS t (device_id, day) WHERE k.device_id = t.device_id AND k.day = t.day;
  INSERT INTO readings_daily_kept (device_id, day, rows, ${parts.join(', ')})
  SELECT f.device_id, f.day, f.rows, ${parts.map((name) => `f.${name}`).join(', ')} FROM (
${freshDays(
  `(SELECT d.day, d.device_id, k.rows, ${parts.map((name) => `k.${name}`).join(', ')} FROM unnest(devices, days) AS d (device_id, day)
JOIN readings_hourly_kept AS k ON k.device_id = d.device_id AND k.hour >= d.day AND k.hour < d.day + interval '1 day'
UNION ALL
${baseOfDays('(SELECT * FROM unnest(devices, days) AS u (device_id, day))', quantities)})`,
  quantities,
)}
  ) AS f;
  RETURN cardinality(devices);
END $rollup$`,
    `CREATE OR REPLACE FUNCTION rollup_old(keep_days integer) RETURNS timestamptz LANGUAGE sql STABLE AS $rollup$
  SELECT date_bin('1 day', least(now(), max(hour) + interval '1 day'), 'epoch') - keep_days * interval '1 day' FROM readings_hourly_kept
$rollup$`,
    `CREATE OR REPLACE FUNCTION rollup_changing(its timestamptz) RETURNS boolean LANGUAGE sql VOLATILE AS $rollup$
  SELECT EXISTS (SELECT FROM rollup_pending WHERE hour >= its AND hour < its + interval '1 day')
    OR EXISTS (SELECT FROM rollup_mark WHERE hour >= its AND hour < its + interval '1 day')
    OR EXISTS (SELECT FROM rollup_pending_day WHERE day = its)
$rollup$`,
    `CREATE OR REPLACE FUNCTION rollup_drop_hours(keep_days integer) RETURNS bigint LANGUAGE plpgsql AS $rollup$
DECLARE
  its timestamptz;
  readings_left boolean;
BEGIN
  FOR its IN SELECT g.day FROM rollup_dropped AS g
    WHERE g.day < rollup_old(keep_days) AND EXISTS (SELECT FROM readings_hourly_kept AS k WHERE k.hour >= g.day AND k.hour < g.day + interval '1 day')
    ORDER BY g.day
  LOOP
    CONTINUE WHEN rollup_changing(its);
    -- A reading that is there would be added to the day again with the next one of its hour.
    EXECUTE format('SELECT EXISTS (SELECT FROM readings WHERE ts >= %L AND ts < %L)', its, its + interval '1 day') INTO readings_left;
    CONTINUE WHEN readings_left;
    DELETE FROM readings_hourly_kept WHERE hour >= its AND hour < its + interval '1 day';
    DELETE FROM readings_hourly_base WHERE hour >= its AND hour < its + interval '1 day';
    -- The next late reading makes a base of what is kept then.
    DELETE FROM readings_daily_base WHERE day = its;
    INSERT INTO rollup_hours_dropped VALUES (its) ON CONFLICT DO NOTHING;
    RETURN 1;
  END LOOP;
  RETURN 0;
END $rollup$`,
    `CREATE OR REPLACE FUNCTION rollup_drop_days(keep_days integer) RETURNS bigint LANGUAGE plpgsql AS $rollup$
DECLARE
  its timestamptz;
BEGIN
  FOR its IN SELECT g.day FROM rollup_hours_dropped AS g
    WHERE g.day < rollup_old(keep_days) AND EXISTS (SELECT FROM readings_daily_kept AS k WHERE k.day = g.day)
      AND NOT EXISTS (SELECT FROM readings_hourly_kept AS k WHERE k.hour >= g.day AND k.hour < g.day + interval '1 day')
    ORDER BY g.day
  LOOP
    CONTINUE WHEN rollup_changing(its);
    DELETE FROM readings_daily_kept WHERE day = its;
    DELETE FROM readings_daily_base WHERE day = its;
    RETURN 1;
  END LOOP;
  RETURN 0;
END $rollup$`,
    `CREATE OR REPLACE FUNCTION rollup_lock() RETURNS void LANGUAGE sql AS $rollup$ SELECT pg_advisory_xact_lock(${ROLLUP_LOCK}) $rollup$`,
    `CREATE OR REPLACE FUNCTION rollup_settle(since timestamptz, until timestamptz) RETURNS boolean LANGUAGE plpgsql AS $rollup$
BEGIN
  IF since = '-infinity' THEN SELECT date_bin('1 day', min(hour), 'epoch') INTO since FROM readings_hourly_kept; END IF;
  IF since <> date_bin('1 day', since, 'epoch') OR NOT isfinite(until) OR until <> date_bin('1 day', until, 'epoch') THEN
    RAISE EXCEPTION 'rollup_settle: expected whole days (UTC), got % to %', since, until USING ERRCODE = '22023';
  END IF;
  IF EXISTS (SELECT FROM rollup_pending WHERE hour >= since AND hour < until) OR EXISTS (SELECT FROM rollup_mark WHERE hour >= since AND hour < until) THEN
    RETURN false;
  END IF;
  -- The next late reading makes a base of what is kept then.
  DELETE FROM readings_hourly_base WHERE hour >= since AND hour < until;
  INSERT INTO rollup_dropped SELECT generate_series(date_bin('1 day', since, 'epoch'), until - interval '1 microsecond', interval '1 day') ON CONFLICT DO NOTHING;
  RETURN true;
END $rollup$`,
    `CREATE OR REPLACE FUNCTION rollup_reopen(since timestamptz, until timestamptz, mark boolean) RETURNS void LANGUAGE plpgsql AS $rollup$
BEGIN
  DELETE FROM rollup_dropped WHERE day >= since AND day < until;
  DELETE FROM rollup_hours_dropped WHERE day >= since AND day < until;
  DELETE FROM readings_daily_base WHERE day >= since AND day < until;
  DELETE FROM readings_hourly_base WHERE hour >= since AND hour < until;
  IF NOT mark THEN RETURN; END IF;
  INSERT INTO rollup_pending AS p (device_id, hour, from_ts, to_ts, due_at)
  SELECT device_id, hour, hour, hour + interval '1 hour' - interval '1 microsecond', now() FROM (
    SELECT device_id, hour FROM readings_hourly_kept WHERE hour >= since AND hour < until
    UNION SELECT device_id, date_bin('1 hour', ts, 'epoch') FROM readings WHERE ts >= since AND ts < until
  ) AS h ORDER BY device_id, hour
  ON CONFLICT (device_id, hour) DO UPDATE SET from_ts = excluded.from_ts, to_ts = excluded.to_ts, due_at = excluded.due_at;
END $rollup$`,
    `COMMENT ON FUNCTION rollup_lock IS 'Keeps the job of the roll-ups away until the transaction is over: before partitions are locked that are to be dropped.'`,
    `COMMENT ON FUNCTION rollup_settle IS 'Makes the roll-ups of these hours (UTC, whole days) final, so that their readings may be dropped in the same transaction; readings that come later are added to them. After rollup_lock(), and once nobody can write to the partition. False, with nothing done, if roll-ups of these hours are not up to date: try again later.'`,
    `COMMENT ON FUNCTION rollup_reopen IS 'Undoes rollup_settle for these hours (UTC, whole days), once all of their readings are back, in the same transaction: their roll-ups are computed from readings again. After rollup_lock(). Without mark the roll-ups stay as they are, where none are kept.'`,
  ].join(';\n')
}
