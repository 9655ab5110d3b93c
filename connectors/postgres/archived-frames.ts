import type { FrameFile } from '../../processors/store/frame-file.ts'
import type { Session } from './session.ts'

export type FrameFileState = 'placing' | 'archived' | 'removing' | 'removed'

/** A file as the database knows it. */
export interface KnownFrameFile extends FrameFile {
  readonly location: string
  readonly state: FrameFileState
}

const LOCK = "hashtextextended('millrace frames archive', 0)"
const COLUMNS = `topic, topic_id AS "topicId", partition, from_offset AS "from", next_offset AS "next", day::text, location, records::float8, unreadable::float8,
  (extract(epoch FROM first_received) * 1000)::float8 AS "firstMs", (extract(epoch FROM last_received) * 1000)::float8 AS "lastMs", bytes::float8, sha256, state`
const KEY = 'topic = $1 AND topic_id = $2 AND partition = $3 AND from_offset = $4'

/** One at a time: the turn goes with the session. False if another has it. */
export async function takeFramesTurn(session: Session): Promise<boolean> {
  const [row] = await session.query<{ mine: boolean }>('asking for the turn', `SELECT pg_try_advisory_lock(${LOCK}) AS mine`)
  return row?.mine === true
}

/** In the order of offsets. None if the database has no such table: it is of a version before. */
export async function frameFiles(session: Session, topic: string): Promise<readonly KnownFrameFile[]> {
  const [found] = await session.query<{ there: boolean }>(
    'looking for archived frames',
    "SELECT to_regclass('archived_frames') IS NOT NULL AS there",
  )
  if (found?.there !== true) return []
  return await session.query<KnownFrameFile & Record<string, unknown>>(
    'listing archived frames',
    `SELECT ${COLUMNS} FROM archived_frames WHERE topic = $1 ORDER BY topic_id, partition, from_offset`,
    [topic],
  )
}

/**
 * Before the file gets its name. Of one that was never whole, in another archive perhaps, nothing
 * is left.
 */
export async function notePlacing(session: Session, file: FrameFile, location: string): Promise<void> {
  const { topic, topicId, partition, from, next, day, records, unreadable, firstMs, lastMs, bytes, sha256 } = file
  await session.query(
    'noting a file of frames',
    `INSERT INTO archived_frames (topic, topic_id, partition, from_offset, next_offset, day, location, records, unreadable, first_received, last_received,
       bytes, sha256, state) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'placing')
     ON CONFLICT (topic, topic_id, partition, from_offset) DO UPDATE SET (next_offset, day, location, records, unreadable, first_received, last_received, bytes, sha256)
       = (excluded.next_offset, excluded.day, excluded.location, excluded.records, excluded.unreadable, excluded.first_received, excluded.last_received,
          excluded.bytes, excluded.sha256) WHERE archived_frames.state = 'placing'`,
    [
      ...[topic, topicId, partition, from, next, day, location, records, unreadable],
      ...[new Date(firstMs).toISOString(), new Date(lastMs).toISOString(), bytes, sha256],
    ],
  )
}

export async function setFrameState(session: Session, file: FrameFile, state: FrameFileState): Promise<void> {
  await session.query('noting the state of a file of frames', `UPDATE archived_frames SET state = $5, changed_at = now() WHERE ${KEY}`, [
    ...keyOf(file),
    state,
  ])
}

/** Of a file that was never whole in its place: its records are taken again. */
export async function forgetFrameFile(session: Session, file: FrameFile): Promise<void> {
  await session.query('forgetting a file of frames', `DELETE FROM archived_frames WHERE ${KEY}`, keyOf(file))
}

function keyOf({ topic, topicId, partition, from }: FrameFile): readonly unknown[] {
  return [topic, topicId, partition, from]
}
