import { quoted } from './readings-table.ts'
import { baseOfDays, freshDays, freshHours, freshLatest, partColumns } from './rollup-sql.ts'
import { type RollupQuantity, rollupComments } from './rollup-tables.ts'

/**
 * What analysts query. Each view is a kept roll-up where that is up to date, and a computed one
 * where it is not, in one snapshot. The computing parts are functions whose bodies are text, so
 * that nothing depends on table readings, which may be renamed or changed; the planner puts their
 * query in place of the call, so that conditions on device and time reach the keys.
 */
export function rollupViews(quantities: readonly RollupQuantity[]): string {
  const parts = partColumns(quantities)
  const of = (alias: string, ...first: readonly string[]): string => [...first, ...parts].map((name) => `${alias}.${name}`).join(', ')
  const latest = quantities.flatMap(({ name }) => [quoted(name), quoted(`${name}_at`)])
  const times = quantities.map(({ name }) => quoted(`${name}_at`)).join(', ')
  return [
    `CREATE OR REPLACE VIEW rollup_dirty_hours AS
SELECT d.device_id, d.hour, min(d.from_ts) AS from_ts, timestamptz 'infinity' AS to_ts
FROM (SELECT device_id, hour, from_ts FROM rollup_pending UNION ALL SELECT device_id, hour, from_ts FROM rollup_marked) AS d
GROUP BY d.device_id, d.hour`,
    `CREATE OR REPLACE FUNCTION rollup_fresh_hours() RETURNS SETOF readings_hourly_kept LANGUAGE sql STABLE ROWS 100 AS $rollup$
SELECT f.device_id, f.hour, f.upto, f.rows, ${of('f')} FROM (
${freshHours('rollup_dirty_hours', quantities)}
) AS f WHERE f.rows > 0
$rollup$`,
    `CREATE OR REPLACE VIEW readings_hourly AS
SELECT ${of('k', 'device_id', 'hour', 'rows')} FROM readings_hourly_kept AS k
WHERE NOT EXISTS (SELECT FROM rollup_pending AS p WHERE p.device_id = k.device_id AND p.hour = k.hour)
  AND NOT EXISTS (SELECT FROM rollup_marked AS m WHERE m.device_id = k.device_id AND m.hour = k.hour)
UNION ALL
SELECT ${of('f', 'device_id', 'hour', 'rows')} FROM rollup_fresh_hours() AS f`,
    `CREATE OR REPLACE VIEW rollup_dirty_days AS
SELECT device_id, day FROM rollup_pending_day
UNION SELECT device_id, date_bin('1 day', hour, 'epoch') AS day FROM rollup_pending
UNION SELECT device_id, date_bin('1 day', hour, 'epoch') AS day FROM rollup_marked`,
    `CREATE OR REPLACE VIEW readings_daily AS
SELECT ${of('k', 'device_id', 'day', 'rows')} FROM readings_daily_kept AS k
WHERE NOT EXISTS (SELECT FROM rollup_dirty_days AS d WHERE d.device_id = k.device_id AND d.day = k.day)
UNION ALL
${freshDays(
  `(${hoursOfDirtyDays(of)}
UNION ALL
${baseOfDays('rollup_dirty_days', quantities)})`,
  quantities,
)}`,
    searchFunction('rollup_search_time', 'timestamptz', 'last_at'),
    searchFunction('rollup_search_value', 'double precision', 'last'),
    `CREATE OR REPLACE FUNCTION rollup_fresh_latest() RETURNS SETOF latest_readings_kept LANGUAGE sql STABLE ROWS 100 AS $rollup$
SELECT f.device_id, ${latest.map((name) => `f.${name}`).join(', ')} FROM (
${freshLatest(`(SELECT d.device_id, d.hour, ${of('c')} FROM rollup_dirty_hours AS d LEFT JOIN rollup_fresh_hours() AS c ON c.device_id = d.device_id AND c.hour = d.hour)`, quantities)}
) AS f
$rollup$`,
    `CREATE OR REPLACE VIEW latest_readings AS
SELECT l.device_id, greatest(${times}) AS ts, ${latest.map((name) => `l.${name}`).join(', ')} FROM (
  SELECT k.device_id, ${latest.map((name) => `k.${name}`).join(', ')} FROM latest_readings_kept AS k
  WHERE NOT EXISTS (SELECT FROM rollup_pending AS p WHERE p.device_id = k.device_id)
    AND NOT EXISTS (SELECT FROM rollup_marked AS m WHERE m.device_id = k.device_id)
  UNION ALL
  SELECT f.device_id, ${latest.map((name) => `f.${name}`).join(', ')} FROM rollup_fresh_latest() AS f
) AS l WHERE greatest(${times}) IS NOT NULL`,
    `COMMENT ON VIEW readings_hourly IS 'Readings of each device by the hour (UTC): number of rows, and of each quantity count, sum, smallest, largest, first and last value. Equal to what readings has, at any time.'`,
    `COMMENT ON VIEW readings_daily IS 'As readings_hourly, by the day (UTC).'`,
    `COMMENT ON VIEW latest_readings IS 'The newest value of each quantity of each device, with its time; ts is that of the newest of them. Equal to what readings has, at any time.'`,
    ...rollupComments(quantities),
  ].join(';\n')
}

/**
 * The hours of days that are not up to date. Those that are kept are looked up by the key: a join
 * with readings_hourly would compute it for all of time, for the range of an outer day is no
 * condition that reaches into a view of several parts.
 */
function hoursOfDirtyDays(of: (alias: string, ...first: readonly string[]) => string): string {
  return `SELECT d.day, d.device_id, ${of('k', 'rows')} FROM rollup_dirty_days AS d CROSS JOIN LATERAL (
  SELECT * FROM readings_hourly_kept WHERE device_id = d.device_id AND hour >= d.day AND hour < d.day + interval '1 day' OFFSET 0
) AS k
WHERE NOT EXISTS (SELECT FROM rollup_pending AS p WHERE p.device_id = d.device_id AND p.hour = k.hour)
  AND NOT EXISTS (SELECT FROM rollup_marked AS m WHERE m.device_id = d.device_id AND m.hour = k.hour)
UNION ALL
SELECT date_bin('1 day', f.hour, 'epoch'), ${of('f', 'device_id', 'rows')} FROM rollup_fresh_hours() AS f`
}

/**
 * Looks for the newest value of a quantity in all hours of a device: for one whose newest was
 * deleted.
 */
function searchFunction(name: string, type: string, part: string): string {
  return `CREATE OR REPLACE FUNCTION ${name}(device text, quantity text) RETURNS ${type} LANGUAGE plpgsql STABLE AS $rollup$
DECLARE
  found_value ${type};
BEGIN
  EXECUTE format('SELECT %I FROM readings_hourly WHERE device_id = $1 AND %I > 0 ORDER BY hour DESC LIMIT 1', quantity || '_${part}', quantity || '_count')
    INTO found_value USING device;
  RETURN found_value;
END $rollup$`
}
