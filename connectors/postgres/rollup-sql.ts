import { literal, quoted } from './readings-table.ts'
import type { RollupQuantity } from './rollup-tables.ts'

const HOUR = "interval '1 hour'"
type Names = Readonly<Record<'count' | 'sum' | 'min' | 'max' | 'first' | 'first_at' | 'last' | 'last_at', string>>

function names(quantity: string): Names {
  const of = (part: string): string => quoted(`${quantity}_${part}`)
  return {
    count: of('count'),
    sum: of('sum'),
    min: of('min'),
    max: of('max'),
    first: of('first'),
    first_at: of('first_at'),
    last: of('last'),
    last_at: of('last_at'),
  }
}

/** Columns of a roll-up's quantities, in their order. */
export function partColumns(quantities: readonly RollupQuantity[]): readonly string[] {
  return quantities.flatMap(({ name }) => Object.values(names(name)))
}

const value = ({ name, present }: RollupQuantity): string => (present ? `r.${quoted(name)}` : 'NULL::double precision')

/**
 * Roll-ups of hours, computed from readings: device_id, hour, upto, rows, then `partColumns`.
 *
 * If the kept roll-up ends before the first reading that was changed, only what comes after is read
 * and added to it; else the whole hour, and what `readings_hourly_base` has of it: readings that
 * were dropped since. The first and last values are looked up by the key, once
 * their times are known: an aggregate that carries the value along costs a sort or a function call
 * for each reading.
 * @param pairs SQL of a relation with device_id, hour, from_ts and to_ts, each hour of a device
 *   once. Readings after to_ts that were not kept before are left out: they have marks of their
 *   own, which would otherwise be taken for late ones
 */
export function freshHours(pairs: string, quantities: readonly RollupQuantity[]): string {
  const aggregates = quantities.flatMap((quantity) => {
    const [of, its] = [value(quantity), names(quantity.name)]
    const there = `FILTER (WHERE ${of} IS NOT NULL)`
    return [
      `count(${of}) AS ${its.count}`,
      `sum(${of}) AS ${its.sum}`,
      `min(${of}) AS ${its.min}`,
      `max(${of}) AS ${its.max}`,
      `min(r.ts) ${there} AS ${its.first_at}`,
      `max(r.ts) ${there} AS ${its.last_at}`,
    ]
  })
  const ends = quantities.flatMap((quantity) => {
    const [of, its] = [value(quantity), names(quantity.name)]
    return [
      `max(${of}) FILTER (WHERE r.ts = a.${its.first_at}) AS ${its.first}`,
      `max(${of}) FILTER (WHERE r.ts = a.${its.last_at}) AS ${its.last}`,
    ]
  })
  const times = quantities.flatMap(({ name }) => [`a.${names(name).first_at}`, `a.${names(name).last_at}`])
  const of = (alias: string): string => ['upto', 'rows', ...partColumns(quantities)].map((name) => `${alias}.${name}`).join(', ')
  const merged = quantities.flatMap(({ name }) => {
    const { count, sum, min, max, first, first_at, last, last_at } = names(name)
    return [
      `nullif(coalesce(k.${count}, 0) + a.${count}, 0) AS ${count}`,
      `coalesce(k.${sum} + a.${sum}, k.${sum}, a.${sum}) AS ${sum}`,
      `least(k.${min}, a.${min}) AS ${min}`,
      `greatest(k.${max}, a.${max}) AS ${max}`,
      `CASE WHEN a.${first_at} IS NULL OR k.${first_at} <= a.${first_at} THEN k.${first} ELSE v.${first} END AS ${first}`,
      `least(k.${first_at}, a.${first_at}) AS ${first_at}`,
      `CASE WHEN a.${last_at} IS NULL OR k.${last_at} > a.${last_at} THEN k.${last} ELSE v.${last} END AS ${last}`,
      `greatest(k.${last_at}, a.${last_at}) AS ${last_at}`,
    ]
  })
  return `SELECT ${['p.device_id, p.hour, greatest(k.upto, a.upto) AS upto, coalesce(k.rows, 0) + a.rows AS rows', ...merged].join(',\n  ')}
FROM ${pairs} AS p
LEFT JOIN readings_hourly_kept AS o ON o.device_id = p.device_id AND o.hour = p.hour
LEFT JOIN LATERAL (
  SELECT true AS appended, ${of('k')} FROM readings_hourly_kept AS k WHERE k.device_id = p.device_id AND k.hour = p.hour AND k.upto < p.from_ts
  UNION ALL
  SELECT false, ${of('b')} FROM readings_hourly_base AS b WHERE b.device_id = p.device_id AND b.hour = p.hour
  UNION ALL
  SELECT false, ${of('d')} FROM readings_hourly_kept AS d WHERE d.device_id = p.device_id AND d.hour = p.hour
    AND EXISTS (SELECT FROM rollup_dropped AS g WHERE g.day = date_bin('1 day', p.hour, 'epoch'))
    AND NOT EXISTS (SELECT FROM readings_hourly_base AS b WHERE b.device_id = p.device_id AND b.hour = p.hour)
  ORDER BY appended DESC LIMIT 1
) AS k ON true
CROSS JOIN LATERAL (
  SELECT ${['count(*) AS rows', 'max(r.ts) AS upto', ...aggregates].join(',\n  ')}
  FROM readings AS r
  WHERE r.device_id = p.device_id AND r.ts >= CASE WHEN k.appended THEN p.from_ts ELSE p.hour END AND r.ts < p.hour + ${HOUR} AND r.ts <= greatest(p.to_ts, o.upto)
) AS a
CROSS JOIN LATERAL (
  SELECT ${['count(*) AS ends', ...ends].join(',\n  ')}
  FROM readings AS r
  WHERE r.device_id = p.device_id AND r.ts = ANY (ARRAY[${times.join(', ')}]::timestamptz[]) AND r.ts >= p.hour AND r.ts < p.hour + ${HOUR}
) AS v`
}

/**
 * Roll-ups of days, summed up from hours: device_id, day, rows, then `partColumns`.
 * @param hours SQL of a relation of roll-ups of hours, each with its day, and of what is to be
 *   added to them: `baseOfDays`
 */
export function freshDays(hours: string, quantities: readonly RollupQuantity[]): string {
  const parts = quantities.flatMap(({ name }) => {
    const { count, sum, min, max, first, first_at, last, last_at } = names(name)
    const there = `FILTER (WHERE h.${count} > 0)`
    return [
      `sum(h.${count})::bigint AS ${count}`,
      `sum(h.${sum}) AS ${sum}`,
      `min(h.${min}) AS ${min}`,
      `max(h.${max}) AS ${max}`,
      `(array_agg(h.${first} ORDER BY h.${first_at}) ${there})[1] AS ${first}`,
      `min(h.${first_at}) AS ${first_at}`,
      `(array_agg(h.${last} ORDER BY h.${last_at} DESC) ${there})[1] AS ${last}`,
      `max(h.${last_at}) AS ${last_at}`,
    ]
  })
  return `SELECT ${['h.device_id, h.day, sum(h.rows)::bigint AS rows', ...parts].join(',\n  ')}
FROM ${hours} AS h GROUP BY h.device_id, h.day`
}

/**
 * What is left of days whose hours were dropped: day, device_id, rows, then `partColumns`.
 * @param days SQL of a relation with device_id and day
 */
export function baseOfDays(days: string, quantities: readonly RollupQuantity[]): string {
  const of = (alias: string): string => [`${alias}.rows`, ...partColumns(quantities).map((name) => `${alias}.${name}`)].join(', ')
  return `SELECT d.day, d.device_id, ${of('b')} FROM ${days} AS d
JOIN readings_daily_base AS b ON b.device_id = d.device_id AND b.day = d.day
UNION ALL
SELECT d.day, d.device_id, ${of('k')} FROM ${days} AS d
JOIN readings_daily_kept AS k ON k.device_id = d.device_id AND k.day = d.day
JOIN rollup_hours_dropped AS g ON g.day = d.day
WHERE NOT EXISTS (SELECT FROM readings_daily_base AS b WHERE b.device_id = d.device_id AND b.day = d.day)`
}

/**
 * The newest value of each quantity: device_id, then value and time of each.
 *
 * What was kept stays unless the hours at hand have a newer value, or its own: that may have been
 * corrected. If its hour is at hand and no longer has it, it was deleted, and the hours before are
 * searched; unless the hours of that day were dropped, for then its hour is not whole.
 * @param hours SQL of a relation of roll-ups of hours; of a device all that changed
 */
export function freshLatest(hours: string, quantities: readonly RollupQuantity[]): string {
  const newest = quantities.flatMap(({ name }) => {
    const { count, last, last_at } = names(name)
    return [`(array_agg(h.${last} ORDER BY h.hour DESC) FILTER (WHERE h.${count} > 0))[1] AS ${last}`, `max(h.${last_at}) AS ${last_at}`]
  })
  const chosen = quantities.flatMap(({ name }) => {
    const { last, last_at } = names(name)
    const [own, at] = [quoted(name), quoted(`${name}_at`)]
    const choose = (fresh: string, kept: string, search: string): string =>
      `CASE WHEN k.${at} IS NULL OR f.${last_at} >= k.${at} THEN f.${fresh}
        WHEN date_bin('1 hour', k.${at}, 'epoch') = ANY (f.hours) THEN (${search}(f.device_id, ${literal(name)}))
        ELSE k.${kept} END`
    return [`${choose(last, own, 'rollup_search_value')} AS ${own}`, `${choose(last_at, at, 'rollup_search_time')} AS ${at}`]
  })
  return `SELECT ${['f.device_id', ...chosen].join(',\n  ')}
FROM (SELECT ${['h.device_id', `array_agg(h.hour) FILTER (WHERE NOT EXISTS (SELECT FROM rollup_hours_dropped AS g WHERE g.day = date_bin('1 day', h.hour, 'epoch'))) AS hours`, ...newest].join(',\n  ')} FROM ${hours} AS h GROUP BY h.device_id) AS f
LEFT JOIN latest_readings_kept AS k ON k.device_id = f.device_id`
}
