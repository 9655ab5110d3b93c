import type { ConsumerName } from '../../processors/contract.ts'
import type { Claim, OffsetMove, TopicPartition } from '../contract.ts'
import { literal } from './readings-table.ts'
import type { Session } from './session.ts'

/** What one partition's offsets were when they were looked at. */
interface OffsetRow {
  readonly topic: string
  readonly partition: number
  readonly nextOffset: bigint | null
  readonly epoch: bigint
}

/** A move of offsets, with the counts that go along. */
export interface CountedMove extends Omit<OffsetMove, 'rows'> {
  /** Rows that are stored, unless they turn out to be repeats. */
  readonly stored: number
}

/**
 * Takes ownership of partitions: raises each one's epoch. It waits for a transaction of an earlier owner that is under way, so that what it
 * returns is final. Durable at once: an epoch that a crash took back could be given out twice.
 */
export async function claimPartitions(
  session: Session,
  consumer: ConsumerName,
  topicId: string,
  partitions: readonly TopicPartition[],
): Promise<readonly Claim[]> {
  const topics = partitions.map(({ topic }) => topic)
  const numbers = partitions.map(({ partition }) => partition)
  const ours = '(topic, partition) IN (SELECT * FROM unnest($2::text[], $3::integer[]))'
  await session.script('claiming partitions', 'BEGIN; SET LOCAL synchronous_commit = on')
  await session.query(
    'claiming partitions',
    `INSERT INTO consumer_offset (consumer, topic, partition, topic_id, epoch, claimed_at)
     SELECT $1, topic, partition, $4, 0, now() FROM unnest($2::text[], $3::integer[]) AS claimed (topic, partition)
     ORDER BY topic, partition ON CONFLICT DO NOTHING`,
    [consumer, topics, numbers, topicId],
  )
  const before = await session.query<{ topic: string; partition: number; topicId: string }>(
    'claiming partitions',
    `SELECT topic, partition, topic_id AS "topicId" FROM consumer_offset WHERE consumer = $1 AND ${ours} ORDER BY topic, partition FOR UPDATE`,
    [consumer, topics, numbers],
  )
  const rows = await session.query<OffsetRow & Record<string, unknown>>(
    'claiming partitions',
    `UPDATE consumer_offset
     SET epoch = epoch + 1, claimed_at = now(), topic_id = $4, next_offset = CASE WHEN topic_id = $4 THEN next_offset END
     WHERE consumer = $1 AND ${ours} RETURNING topic, partition, next_offset AS "nextOffset", epoch`,
    [consumer, topics, numbers, topicId],
  )
  await session.commit('claiming partitions')
  const recreated = new Set(before.filter((row) => row.topicId !== topicId).map(key))
  const claimed = new Map(rows.map((row) => [key(row), row]))
  return partitions.map(({ topic, partition }) => {
    const row = claimed.get(key({ topic, partition }))
    if (row === undefined) throw new RangeError(`claiming ${topic}/${partition}: the database returned no row for it`)
    return { topic, partition, epoch: row.epoch, nextOffset: row.nextOffset, recreated: recreated.has(key(row)) }
  })
}

/**
 * The compare-and-set, as SQL: it must affect as many rows as there are moves. Sorted, so that two transactions lock in the same order.
 * @throws RangeError where a move does not go on: nothing could tell afterwards whether it was committed
 */
export function moveOffsets(consumer: ConsumerName, moves: readonly CountedMove[]): string {
  if (moves.length === 0) throw new RangeError('moving offsets: expected at least one partition')
  const values = [...moves].sort(byPartition).map(({ topic, partition, from, to, epoch, stored, dead }) => {
    if (to <= from) throw new RangeError(`moving offsets of ${topic}/${partition}: expected to go on from ${from}, not to ${to}`)
    return `(${literal(topic)}, ${partition}, ${from}::bigint, ${to}::bigint, ${epoch}::bigint, ${stored}::bigint, ${dead}::bigint)`
  })
  return `UPDATE consumer_offset AS o
    SET next_offset = m.until, stored = o.stored + m.stored, dead = o.dead + m.dead, committed_at = now()
    FROM (VALUES ${values.join(', ')}) AS m (topic, partition, since, until, epoch, stored, dead)
    WHERE o.consumer = ${literal(consumer)} AND o.topic = m.topic AND o.partition = m.partition
      AND o.epoch = m.epoch AND coalesce(o.next_offset, m.since) = m.since`
}

/** Why moves were refused. */
export type Refusal =
  /** Every partition is where the moves lead, under the same epoch: this very batch was committed before. */
  { readonly tag: 'done-before' } | { readonly tag: 'fenced'; readonly partitions: readonly TopicPartition[] }

/** Looks at what refused the moves. */
export async function explainRefusal(session: Session, consumer: ConsumerName, moves: readonly CountedMove[]): Promise<Refusal> {
  const rows = await session.query<OffsetRow & Record<string, unknown>>(
    'reading the offsets',
    `SELECT topic, partition, next_offset AS "nextOffset", epoch FROM consumer_offset
     WHERE consumer = $1 AND (topic, partition) IN (SELECT * FROM unnest($2::text[], $3::integer[]))`,
    [consumer, moves.map(({ topic }) => topic), moves.map(({ partition }) => partition)],
  )
  return refusal(moves, rows)
}

/** Why moves were refused, from the rows as they are. */
export function refusal(moves: readonly CountedMove[], rows: readonly OffsetRow[]): Refusal {
  const present = new Map(rows.map((row) => [key(row), row]))
  const done = moves.every((move) => {
    const row = present.get(key(move))
    return row !== undefined && row.epoch === move.epoch && row.nextOffset === move.to
  })
  if (done) return { tag: 'done-before' }
  const partitions = moves.filter((move) => {
    const row = present.get(key(move))
    return row === undefined || row.epoch !== move.epoch || (row.nextOffset ?? move.from) !== move.from
  })
  return { tag: 'fenced', partitions: partitions.map(({ topic, partition }) => ({ topic, partition })) }
}

function key({ topic, partition }: { readonly topic: string; readonly partition: number }): string {
  return `${topic}/${partition}`
}

function byPartition(a: TopicPartition, b: TopicPartition): number {
  return a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition
}
