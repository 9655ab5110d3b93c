import type pg from 'pg'
import { quantities } from '../../schemas/generated/readings.ts'

/** More than this of one kind tell nothing new. */
const MOST_OF_A_KIND = 20
/** Doubles add up to other sums in another order: a share of the sum of absolute values. */
const TOLERANCE = 1e-9

const values = (of: (quantity: string) => string): string =>
  `(VALUES ${quantities.map(({ name }) => `('${name}', ${of(name)})`).join(', ')})`
/** One row for each value of each reading: device_id, ts, quantity, value. */
const READ = `(SELECT device_id, ts, quantity, value FROM readings, LATERAL ${values((name) => `"${name}"`)} AS v (quantity, value)
  WHERE value IS NOT NULL) AS r`
/** A value with its time, so that the least and the greatest are the first and the last. */
const TIMED = `ARRAY[date_part('epoch', ts), value]`

/**
 * Compares roll-ups and newest readings with a recomputation from table readings, in one snapshot.
 * It is written another way than the roll-ups are: each value is a row of its own, and brings its
 * time along.
 * @returns what differs, in words; empty if all is equal: rows, counts, first, last, smallest and
 *   largest values exactly, sums to 1e-9
 */
export async function differences(client: pg.Client): Promise<readonly string[]> {
  const found: string[] = []
  const compare = async (what: string, key: string, expected: string, got: string, equal: string): Promise<void> => {
    const { rows } = await client.query(
      `SELECT to_jsonb(o) AS expected, to_jsonb(v) AS got FROM (${expected}) AS o
       FULL JOIN (${got}) AS v USING (${key}) WHERE (${equal}) IS NOT TRUE LIMIT ${MOST_OF_A_KIND}`,
    )
    found.push(...rows.map((row) => `${what}: ${JSON.stringify(row)}`))
  }
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL jit = off')
  for (const [view, bucket, width] of [
    ['readings_hourly', 'hour', '1 hour'],
    ['readings_daily', 'day', '1 day'],
  ] as const) {
    const time = `date_bin('${width}', ts, 'epoch')`
    await compare(
      `${view}, rows`,
      `device_id, ${bucket}`,
      `SELECT device_id, ${time} AS ${bucket}, count(*) AS rows FROM readings GROUP BY 1, 2`,
      `SELECT device_id, ${bucket}, rows FROM ${view}`,
      'o.rows = v.rows',
    )
    await compare(
      view,
      `device_id, ${bucket}, quantity`,
      `SELECT device_id, ${time} AS ${bucket}, quantity, count(*) AS count, sum(value) AS sum, sum(abs(value)) AS magnitude,
         min(value) AS min, max(value) AS max, min(${TIMED}) AS first, max(${TIMED}) AS last FROM ${READ} GROUP BY 1, 2, 3`,
      `SELECT device_id, ${bucket}, quantity, q.count, q.sum, q.min, q.max,
         ARRAY[date_part('epoch', first_at), q.first] AS first, ARRAY[date_part('epoch', last_at), q.last] AS last
       FROM ${view}, LATERAL ${values((name) => ['count', 'sum', 'min', 'max', 'first', 'first_at', 'last', 'last_at'].map((part) => `${name}_${part}`).join(', '))}
         AS q (quantity, count, sum, min, max, first, first_at, last, last_at) WHERE q.count > 0 OR q.sum IS NOT NULL OR q.last_at IS NOT NULL`,
      `(o.count, o.min, o.max, o.first, o.last) = (v.count, v.min, v.max, v.first, v.last) AND abs(o.sum - v.sum) <= ${TOLERANCE} * o.magnitude`,
    )
  }
  await compare(
    'latest_readings',
    'device_id, quantity',
    `SELECT device_id, quantity, max(${TIMED}) AS last FROM ${READ} GROUP BY 1, 2`,
    `SELECT device_id, quantity, ARRAY[date_part('epoch', at), value] AS last
     FROM latest_readings, LATERAL ${values((name) => `"${name}", ${name}_at`)} AS q (quantity, value, at) WHERE at IS NOT NULL`,
    'o.last = v.last',
  )
  await client.query('COMMIT')
  return found
}
