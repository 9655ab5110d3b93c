import type { ContinuityFilter } from './continuity-question.ts'
import type { Session } from './session.ts'

/** Rows of a device, or of its channels, that had another value than the row of their time. */
export interface ReadingConflicts {
  readonly device: string
  readonly rows: number
  /**
   * When the store met the last one, milliseconds since 1970. The fields below describe that one.
   */
  readonly lastMs: number
  /** Time of the row, as in 2026-11-29T12:00:00.000001Z. */
  readonly ts: string
  /** Column of readings that differed first; after its channel and a slash, if it has one. */
  readonly quantity: string
  readonly kept: number
  readonly refused: number
}

/** What the store has counted of devices that send two values for one time. */
export async function readingConflicts(session: Session, { device, sinceMs }: ContinuityFilter): Promise<readonly ReadingConflicts[]> {
  return session.query<ReadingConflicts & Record<string, unknown>>(
    'reading the conflicts of devices',
    `SELECT DISTINCT ON (device) device, sum(conflicts) OVER (PARTITION BY device)::double precision AS rows,
       round(extract(epoch FROM last_at) * 1000)::double precision AS "lastMs",
       to_char(ts, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS ts, concat(nullif(channel, '') || '/', quantity) AS quantity, kept, refused
     FROM (SELECT *, split_part(device_id, '/', 1) AS device, split_part(device_id, '/', 2) AS channel FROM reading_conflict) AS c
     WHERE ($1::text IS NULL OR device = $1) AND ($2::float8 IS NULL OR last_at >= to_timestamp($2 / 1000.0)) ORDER BY device, last_at DESC`,
    [device, sinceMs],
  )
}
