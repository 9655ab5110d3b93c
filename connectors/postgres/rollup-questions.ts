import { literal, quoted } from './readings-table.ts'
import type { RollupQuantity } from './rollup-tables.ts'

/** Monday: so that weeks begin on it; hours and days (UTC) begin where they do anyway. */
const ORIGIN = "timestamptz '2001-01-01 00:00:00+00'"

/**
 * Function readings_of: a row for each time bucket and quantity, from the coarsest tier that
 * answers exactly: days, hours, or readings.
 */
export function readingsOf(quantities: readonly RollupQuantity[]): string {
  const rolled = quantities.map(({ name }) => {
    const parts = ['count', 'sum', 'min', 'max', 'first', 'first_at', 'last', 'last_at'].map((part) => `t.${quoted(`${name}_${part}`)}`)
    return `(${literal(name)}, ${parts.join(', ')})`
  })
  const raw = quantities.filter(({ present }) => present).map(({ name }) => `(${literal(name)}, t.${quoted(name)})`)
  const fromTier = (view: string, column: string): string => `RETURN QUERY
      SELECT date_bin(every, t.${column}, origin), v.name, sum(v.count)::bigint, sum(v.sum) / sum(v.count), min(v.min), max(v.max), sum(v.sum),
        (array_agg(v.first ORDER BY v.first_at))[1], (array_agg(v.last ORDER BY v.last_at DESC))[1]
      FROM ${view} AS t CROSS JOIN LATERAL (VALUES ${rolled.join(',\n        ')}) AS v (name, count, sum, min, max, first, first_at, last, last_at)
      WHERE t.device_id = device AND t.${column} >= starts AND t.${column} < ends AND v.count > 0
      GROUP BY 1, 2 ORDER BY 1, 2`
  return `CREATE OR REPLACE FUNCTION readings_of(device text, since timestamptz, until timestamptz, every interval)
RETURNS TABLE (bucket timestamptz, quantity text, count bigint, avg double precision, min double precision, max double precision, sum double precision, first double precision, last double precision)
LANGUAGE plpgsql STABLE SET jit = off AS $rollup$
#variable_conflict use_column
DECLARE
  origin CONSTANT timestamptz := ${ORIGIN};
  micros numeric;
  starts timestamptz;
  ends timestamptz;
BEGIN
  IF device IS NULL OR since IS NULL OR until IS NULL OR every IS NULL THEN
    RAISE EXCEPTION 'readings_of: expected a device, two times and an interval, got NULL' USING ERRCODE = '22004';
  END IF;
  IF extract(year FROM every) <> 0 OR extract(month FROM every) <> 0 OR every <= interval '0' THEN
    RAISE EXCEPTION 'readings_of: every is %: expected a positive interval of weeks, days, hours, minutes or seconds', every
      USING ERRCODE = '22023', HINT = 'Months and years differ in length: take readings_daily and date_trunc.';
  END IF;
  IF NOT isfinite(since) OR NOT isfinite(until) THEN
    RAISE EXCEPTION 'readings_of: expected finite times, got % and %', since, until USING ERRCODE = '22023';
  END IF;
  micros := extract(epoch FROM every) * 1000000;
  starts := date_bin(every, since, origin);
  ends := date_bin(every, until, origin);
  IF ends < until THEN ends := ends + every; END IF;
  IF micros % 86400000000 = 0 THEN
      ${fromTier('readings_daily', 'day')};
  ELSIF micros % 3600000000 = 0 THEN
      ${fromTier('readings_hourly', 'hour')};
  ELSE
    RETURN QUERY
      SELECT date_bin(every, t.ts, origin), v.name, count(*), avg(v.value), min(v.value), max(v.value), sum(v.value),
        (array_agg(v.value ORDER BY t.ts))[1], (array_agg(v.value ORDER BY t.ts DESC))[1]
      FROM readings AS t CROSS JOIN LATERAL (VALUES ${raw.join(', ')}) AS v (name, value)
      WHERE t.device_id = device AND t.ts >= starts AND t.ts < ends AND v.value IS NOT NULL
      GROUP BY 1, 2 ORDER BY 1, 2;
  END IF;
END $rollup$;
COMMENT ON FUNCTION readings_of IS 'The readings of a device in time buckets of a length: a row for each bucket and quantity that has a value. Buckets begin at whole multiples of it (weeks on Monday, UTC); those that since and until fall into are whole. Multiples of a day come from readings_daily, of an hour from readings_hourly, others from readings.'`
}
