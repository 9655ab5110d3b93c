import type { ConsumerName } from '../../processors/contract.ts'
import type { Session } from './session.ts'

export interface RewindRun {
  readonly consumer: ConsumerName
  /** The place that was asked for. */
  readonly asked: string
  /** Who runs it. */
  readonly by: string
  readonly positions: readonly {
    readonly topic: string
    readonly partition: number
    readonly topicId: string
    readonly from: bigint
    readonly to: bigint
  }[]
}

export type RewindEnding = 'moved' | 'refused' | 'failed'

/** Writes down that a rewind begins. @returns its number */
export async function beginRewind(session: Session, { consumer, asked, by, positions }: RewindRun): Promise<bigint> {
  const list = positions.map(({ topic, partition, topicId, from, to }) => ({
    topic,
    partition,
    topic_id: topicId,
    from: String(from),
    to: String(to),
  }))
  const [row] = await session.query<{ id: bigint }>(
    'beginning a rewind',
    'INSERT INTO rewind_run (consumer, asked, started_by, positions) VALUES ($1, $2, $3, $4) RETURNING id',
    [consumer, asked, by, JSON.stringify(list)],
  )
  if (row === undefined) throw new RangeError('beginning a rewind: the database returned no number')
  return row.id
}

export async function endRewind(session: Session, run: bigint, ending: RewindEnding): Promise<void> {
  await session.query('ending a rewind', 'UPDATE rewind_run SET ended_at = now(), ending = $2 WHERE id = $1', [run, ending])
}
