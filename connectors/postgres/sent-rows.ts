import { quoted } from './readings-table.ts'
import type { Session } from './session.ts'

/** A key of table `readings`. */
export interface RowKey {
  readonly device: string
  /** Microseconds since 1970. */
  readonly tsMicros: number
}

/** Values that were refused: of these quantities, or of all if there are none. */
export interface RefusedValues extends RowKey {
  readonly quantities: readonly string[]
}

/** A file compared with the table. */
export interface ComparedRows {
  /** How many keys of the file are in the table. */
  readonly rows: number
  /** Rows of these keys with a value that no line has for their key. */
  readonly wrong: number
  /** Lines with another value than the row of their key has. */
  readonly conflicts: number
  /**
   * Lines that contradict nothing, and have a value for a column that no earlier line of their key
   * has a value for.
   */
  readonly merged: number
}

/** A file that was sent, to be compared with the table. */
export interface SentRows {
  /** Takes whole lines of the file: time, device, then the quantities. */
  add(lines: Buffer): Promise<unknown>
  /** Ends the input: data lines, and distinct (device, time) keys. */
  finish(): Promise<{ readonly lines: number; readonly keys: number; readonly devices: readonly string[] }>
  /** @param refused values that the table need not have */
  compare(refused?: readonly RefusedValues[]): Promise<ComparedRows>
  /** How many of these keys, each counted once, are the file's and not in the table. */
  absent(keys: readonly RowKey[]): Promise<number>
}

/**
 * Compares a CSV file with table `readings`, in temporary tables of the session. Times are ISO 8601
 * or milliseconds since 1970, values decimal numbers, as the simulated fleet takes them; anything
 * else counts as null.
 * @param quantities the file's columns from the third on
 */
export async function compareSentRows(session: Session, quantities: readonly string[]): Promise<SentRows> {
  const columns = quantities.map(quoted)
  await session.script(
    'preparing tables for the file',
    `SET work_mem = '256MB';
     CREATE TEMP TABLE sent_text (time text, device text, ${columns.map((column) => `${column} text`).join(', ')})`,
  )

  return {
    add: (lines) => session.copy('reading the file into the database', 'COPY sent_text FROM STDIN (FORMAT csv)', lines),

    async finish() {
      await session.script(
        'finding the keys of the file',
        `CREATE TEMP TABLE sent AS SELECT device_id, ts, ${columns.join(', ')}, count(*) OVER earlier > 0 AND (${columns.map(first).join(' OR ')}) AS adds
           FROM (SELECT row_number() OVER () AS line, device COLLATE "C" AS device_id, ${TIME} AS ts, ${columns.map(value).join(', ')} FROM sent_text) AS lines
           WINDOW earlier AS (PARTITION BY device_id, ts ORDER BY line ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING);
         DROP TABLE sent_text;
         CREATE TEMP TABLE sent_key AS SELECT DISTINCT device_id, ts FROM sent;
         ANALYZE sent; ANALYZE sent_key`,
      )
      const [counts] = await session.query<{ lines: bigint; keys: bigint }>(
        'counting the keys of the file',
        'SELECT (SELECT count(*) FROM sent) AS lines, (SELECT count(*) FROM sent_key) AS keys',
      )
      const devices = await session.query<{ device: string }>(
        'listing the devices of the file',
        'SELECT DISTINCT device_id AS device FROM sent_key ORDER BY 1',
      )
      return { lines: Number(counts?.lines ?? 0n), keys: Number(counts?.keys ?? 0n), devices: devices.map(({ device }) => device) }
    },

    async compare(refused = []) {
      // A refused value counts as absent, unless its row has it after all.
      const taken = quantities.map(
        (quantity, index) =>
          `CASE WHEN NOT coalesce('${quantity}' = ANY (refused.quantities), false) OR sent.${columns[index]} = stored.${columns[index]} THEN sent.${columns[index]} END AS ${columns[index]}, stored.${columns[index]} AS stored_${index}`,
      )
      // Rows of one key merge by column. So each value must be that of a line, and null only if no
      // line has one.
      const same = columns
        .map(
          (column, index) =>
            `CASE WHEN bool_or(stored_${index} IS NULL) THEN bool_and(${column} IS NULL) ELSE coalesce(bool_or(${column} = stored_${index}), false) END`,
        )
        .join(' AND ')
      const differs = columns.map((column, index) => `coalesce(${column} <> stored_${index}, false)`).join(' OR ')
      const values = refused.flatMap(({ device, tsMicros, quantities: some }) =>
        (some.length === 0 ? quantities : some).map((quantity) => ({ device, tsMicros, quantity })),
      )
      const [counts] = await session.query<{ rows: bigint; wrong: bigint; conflicts: bigint; merged: bigint }>(
        'comparing the file with the table',
        `SELECT count(*) AS rows, count(*) FILTER (WHERE NOT right_value) AS wrong,
           coalesce(sum(conflicts), 0)::bigint AS conflicts, coalesce(sum(merged), 0)::bigint AS merged FROM (
           SELECT ${same} AS right_value, count(*) FILTER (WHERE ${differs}) AS conflicts, count(*) FILTER (WHERE adds AND NOT (${differs})) AS merged
           FROM (
             SELECT device_id, ts, adds, ${taken.join(', ')} FROM sent JOIN readings AS stored USING (device_id, ts)
             LEFT JOIN (
               SELECT device COLLATE "C" AS device_id, 'epoch'::timestamptz + micros * interval '1 microsecond' AS ts, array_agg(quantity) AS quantities
               FROM unnest($1::text[], $2::bigint[], $3::text[]) AS dead (device, micros, quantity) GROUP BY 1, 2
             ) AS refused USING (device_id, ts)
             WHERE ${await span()}
           ) AS lines GROUP BY device_id, ts
         ) AS keys`,
        [values.map(({ device }) => device), values.map(({ tsMicros }) => tsMicros), values.map(({ quantity }) => quantity)],
      )
      const { rows = 0n, wrong = 0n, conflicts = 0n, merged = 0n } = counts ?? {}
      return { rows: Number(rows), wrong: Number(wrong), conflicts: Number(conflicts), merged: Number(merged) }
    },

    async absent(keys) {
      const [count] = await session.query<{ count: bigint }>(
        'looking for dead letters in the table',
        `SELECT count(DISTINCT (device_id, ts)) AS count
         FROM unnest($1::text[], $2::bigint[]) AS dead (device, micros)
         JOIN sent_key ON device_id = device AND ts = 'epoch'::timestamptz + micros * interval '1 microsecond'
         WHERE NOT EXISTS (SELECT FROM readings AS stored WHERE (stored.device_id, stored.ts) = (sent_key.device_id, sent_key.ts))`,
        [keys.map(({ device }) => device), keys.map(({ tsMicros }) => tsMicros)],
      )
      return Number(count?.count ?? 0n)
    },
  }

  /** The times as constants, so that only the days of the file are looked at. */
  async function span(): Promise<string> {
    const [ends] = await session.query<{ span: string | null }>(
      'finding the days of the file',
      `SELECT format('stored.ts BETWEEN %L AND %L', min(ts), max(ts)) AS span FROM sent_key`,
    )
    return ends?.span ?? 'true'
  }
}

const TIME = `CASE WHEN time ~ '^-?[0-9]+$' THEN 'epoch'::timestamptz + time::bigint * interval '1 ms'
  WHEN time ~ '^[0-9]{4}-' THEN time::timestamptz END`

function value(column: string): string {
  return `CASE WHEN ${column} ~ '^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)$' THEN ${column}::double precision END AS ${column}`
}

/** Whether no earlier line of the key has a value. */
function first(column: string): string {
  return `${column} IS NOT NULL AND count(${column}) OVER earlier = 0`
}
