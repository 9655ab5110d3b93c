import type pg from 'pg'

/** Quantities that the rows of tests have. */
export const CHECKED = ['temperature', 'humidity', 'weight'] as const

/**
 * Compares the roll-ups with what readings has, in one snapshot. Written another way than the
 * roll-ups are: one quantity after the other, with aggregates that sort.
 * @returns what differs, in words; empty if all is equal
 */
export async function differences(client: pg.Client): Promise<readonly string[]> {
  const found: string[] = []
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL jit = off')
  for (const [view, bucket, width] of [
    ['readings_hourly', 'hour', '1 hour'],
    ['readings_daily', 'day', '1 day'],
  ] as const) {
    for (const quantity of CHECKED) {
      const { rows } = await client.query(
        `SELECT coalesce(o.device_id, v.device_id) AS device, coalesce(o.bucket, v.bucket) AS bucket, to_jsonb(o) AS expected, to_jsonb(v) AS got FROM (
           SELECT device_id, date_bin('${width}', ts, 'epoch') AS bucket, count(*) AS rows, count(${quantity}) AS count, sum(${quantity}) AS sum,
             min(${quantity}) AS min, max(${quantity}) AS max,
             (array_agg(${quantity} ORDER BY ts) FILTER (WHERE ${quantity} IS NOT NULL))[1] AS first,
             (array_agg(ts ORDER BY ts) FILTER (WHERE ${quantity} IS NOT NULL))[1] AS first_at,
             (array_agg(${quantity} ORDER BY ts DESC) FILTER (WHERE ${quantity} IS NOT NULL))[1] AS last,
             (array_agg(ts ORDER BY ts DESC) FILTER (WHERE ${quantity} IS NOT NULL))[1] AS last_at
           FROM readings GROUP BY 1, 2) AS o
         FULL JOIN (
           SELECT device_id, ${bucket} AS bucket, rows, coalesce(${quantity}_count, 0) AS count, ${quantity}_sum AS sum, ${quantity}_min AS min,
             ${quantity}_max AS max, ${quantity}_first AS first, ${quantity}_first_at AS first_at, ${quantity}_last AS last, ${quantity}_last_at AS last_at
           FROM ${view}) AS v ON v.device_id = o.device_id AND v.bucket = o.bucket
         WHERE (o.rows, o.count, o.min, o.max, o.first, o.first_at, o.last, o.last_at)
             IS DISTINCT FROM (v.rows, v.count, v.min, v.max, v.first, v.first_at, v.last, v.last_at)
           OR (o.sum IS NULL) <> (v.sum IS NULL) OR abs(o.sum - v.sum) > 1e-9 * greatest(1, abs(o.sum))`,
      )
      found.push(...rows.map((row) => `${view} ${quantity}: ${JSON.stringify(row)}`))
    }
  }
  for (const quantity of CHECKED) {
    const { rows } = await client.query(
      `SELECT o AS expected, v AS got FROM (
         SELECT DISTINCT ON (device_id) device_id, ${quantity} AS value, ts FROM readings WHERE ${quantity} IS NOT NULL ORDER BY device_id, ts DESC) AS o
       FULL JOIN (SELECT device_id, ${quantity} AS value, ${quantity}_at AS ts FROM latest_readings WHERE ${quantity}_at IS NOT NULL) AS v USING (device_id)
       WHERE (o.value, o.ts) IS DISTINCT FROM (v.value, v.ts)`,
    )
    found.push(...rows.map((row) => `latest_readings ${quantity}: ${JSON.stringify(row)}`))
  }
  await client.query('COMMIT')
  return found
}
