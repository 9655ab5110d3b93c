/**
 * SQL that widens site_devices_kept by what hours of devices have. The rows that are read were
 * changed just now. The table may name a device too many, so nothing is ever taken away: a
 * deletion or a correction costs a look-up that finds nothing.
 * @param changed SQL of a relation t with device_id, from_ts and to_ts, both inclusive
 */
export function noteSites(changed: string): string {
  return `INSERT INTO site_devices_kept AS s (site_id, device_id, from_day, to_day)
  SELECT r.site_id, t.device_id, date_bin('1 day', min(r.ts), 'epoch'), date_bin('1 day', max(r.ts), 'epoch') + interval '1 day'
  FROM ${changed} CROSS JOIN LATERAL (
    SELECT site_id, ts FROM readings WHERE device_id = t.device_id AND ts >= t.from_ts AND ts <= t.to_ts AND site_id IS NOT NULL
    OFFSET 0
  ) AS r
  GROUP BY 1, 2
  ${WIDEN}`
}

const WIDEN = `ON CONFLICT (site_id, device_id) DO UPDATE SET from_day = least(s.from_day, excluded.from_day), to_day = greatest(s.to_day, excluded.to_day)
  WHERE excluded.from_day < s.from_day OR excluded.to_day > s.to_day`

/** The same for all that readings has: one pass over the table. */
export const NOTE_ALL_SITES = `INSERT INTO site_devices_kept AS s (site_id, device_id, from_day, to_day)
  SELECT site_id, device_id, date_bin('1 day', min(ts), 'epoch'), date_bin('1 day', max(ts), 'epoch') + interval '1 day'
  FROM readings WHERE site_id IS NOT NULL AND isfinite(ts) GROUP BY 1, 2 ORDER BY 1, 2
  ${WIDEN}`
