import type { ConsumerName, Topic } from '../../processors/contract.ts'
import type { Claim, ClaimedPosition, FirstPosition, OffsetMove, OffsetStore, Position, TopicPartition } from '../contract.ts'
import type { Database } from './database.ts'
import { literal } from './readings-table.ts'
import type { Session } from './session.ts'

/** What one partition's offsets were when they were looked at. */
interface OffsetRow {
  readonly topic: string
  readonly partition: number
  readonly nextOffset: bigint
  readonly epoch: bigint
}

/** `topic_id` of a row whose consumer has read nothing yet. */
const NO_TOPIC = ''

/** A position as it was committed. */
export interface StoredPosition extends Position {
  /** ID of the topic of its offset. If today's topic has another ID, the position says nothing. */
  readonly topicId: string
}

/** The offsets of a database's consumers. */
export function offsetStore(database: Database): OffsetStore {
  return {
    claim: (consumer, topicId, partitions) => database.use((session) => claimPartitions(session, consumer, topicId, partitions)),
    reposition: (consumer, positions) => database.use((session) => repositionPartitions(session, consumer, positions)),
    lost: (consumer, positions) => database.use(async (session) => lostPositions(positions, await readRows(session, consumer, positions))),
  }
}

/** How far a consumer has come on a topic. */
export function readPositions(session: Session, consumer: ConsumerName, topic: Topic): Promise<readonly StoredPosition[]> {
  return session.query<StoredPosition & Record<string, unknown>>(
    'reading offsets',
    `SELECT topic, partition, topic_id AS "topicId", next_offset AS "nextOffset", leader_epoch AS "leaderEpoch"
     FROM consumer_offset WHERE consumer = $1 AND topic = $2`,
    [consumer, topic],
  )
}

/** A position as it was committed, and under which owner. */
export interface OwnedPosition extends StoredPosition {
  readonly epoch: bigint
}

/** How far a consumer has come on a topic, and its owners. */
export function readOwnedPositions(session: Session, consumer: ConsumerName, topic: Topic): Promise<readonly OwnedPosition[]> {
  return session.query<OwnedPosition & Record<string, unknown>>(
    'reading offsets',
    `SELECT topic, partition, topic_id AS "topicId", next_offset AS "nextOffset", leader_epoch AS "leaderEpoch", epoch
     FROM consumer_offset WHERE consumer = $1 AND topic = $2`,
    [consumer, topic],
  )
}

/**
 * Puts the positions of a consumer back, durably, and takes them from whoever may still have them:
 * the epochs are raised. False if one is not as it was read: then nothing was changed. It waits for
 * a transaction that is under way no longer than for a lock.
 */
export async function rewindPositions(
  session: Session,
  consumer: ConsumerName,
  moves: readonly { readonly position: OwnedPosition; readonly to: bigint }[],
): Promise<boolean> {
  const values = moves.map(
    ({ position: { topic, partition, topicId, nextOffset, epoch }, to }) =>
      `(${literal(topic)}, ${partition}, ${literal(topicId)}, ${nextOffset}::bigint, ${epoch}::bigint, ${to}::bigint)`,
  )
  const affected = await session.script(
    'putting positions back',
    `BEGIN; SET LOCAL synchronous_commit = on;
     UPDATE consumer_offset AS o SET next_offset = m.until, leader_epoch = -1, epoch = o.epoch + 1
     FROM (VALUES ${values.join(', ')}) AS m (topic, partition, topic_id, since, epoch, until)
     WHERE o.consumer = ${literal(consumer)} AND o.topic = m.topic AND o.partition = m.partition
       AND o.topic_id = m.topic_id AND o.next_offset = m.since AND o.epoch = m.epoch`,
  )
  if (affected[2] !== moves.length) {
    await session.script('leaving the positions', 'ROLLBACK')
    return false
  }
  await session.commit('putting positions back')
  return true
}

/** A move of offsets, with its counts. */
export interface CountedMove extends Omit<OffsetMove, 'rows'> {
  /** Rows that are stored, unless they turn out to be repeats. */
  readonly stored: number
}

/**
 * Takes ownership of partitions: raises each one's epoch. It waits for a transaction of an earlier
 * owner that is under way, so what it returns is final. Epochs and positions are durable at once.
 * If a crash took back an epoch, it could be given out twice. If no first position were written
 * down, nobody would notice that a crash took back the first commit.
 */
async function claimPartitions(
  session: Session,
  consumer: ConsumerName,
  topicId: string,
  partitions: readonly FirstPosition[],
): Promise<readonly Claim[]> {
  const columns = [
    consumer,
    partitions.map(({ topic }) => topic),
    partitions.map(({ partition }) => partition),
    partitions.map(({ earliest }) => earliest),
  ]
  const claimed = 'unnest($2::text[], $3::integer[], $4::bigint[]) AS c (topic, partition, earliest)'
  await session.script('claiming partitions', 'BEGIN; SET LOCAL synchronous_commit = on')
  await session.query(
    'claiming partitions',
    `INSERT INTO consumer_offset (consumer, topic, partition, topic_id, next_offset, epoch, claimed_at)
     SELECT $1, topic, partition, '${NO_TOPIC}', earliest, 0, now() FROM ${claimed} ORDER BY topic, partition ON CONFLICT DO NOTHING`,
    columns,
  )
  const before = await session.query<{ topic: string; partition: number; topicId: string }>(
    'claiming partitions',
    `SELECT o.topic, o.partition, topic_id AS "topicId" FROM consumer_offset AS o JOIN ${claimed} USING (topic, partition)
     WHERE consumer = $1 ORDER BY o.topic, o.partition FOR UPDATE OF o`,
    columns,
  )
  const rows = await session.query<OffsetRow & { readonly leaderEpoch: number } & Record<string, unknown>>(
    'claiming partitions',
    `UPDATE consumer_offset AS o
     SET epoch = epoch + 1, claimed_at = now(), topic_id = $5,
       next_offset = CASE WHEN topic_id = $5 THEN next_offset ELSE earliest END,
       leader_epoch = CASE WHEN topic_id = $5 THEN leader_epoch ELSE -1 END
     FROM ${claimed} WHERE o.consumer = $1 AND o.topic = c.topic AND o.partition = c.partition
     RETURNING o.topic, o.partition, next_offset AS "nextOffset", leader_epoch AS "leaderEpoch", epoch`,
    [...columns, topicId],
  )
  await session.commit('claiming partitions')
  const earlier = new Map(before.map((row) => [key(row), row.topicId]))
  const byKey = new Map(rows.map((row) => [key(row), row]))
  return partitions.map(({ topic, partition }) => {
    const row = byKey.get(key({ topic, partition }))
    if (row === undefined) throw new RangeError(`claiming ${topic}/${partition}: the database returned no row for it`)
    const known = earlier.get(key(row))
    const origin = known === topicId ? 'kept' : known === NO_TOPIC ? 'first' : 'recreated'
    return { topic, partition, epoch: row.epoch, nextOffset: row.nextOffset, leaderEpoch: row.leaderEpoch, origin }
  })
}

/**
 * Puts positions elsewhere, durably. False if an epoch differs from its row's: then nothing was
 * changed.
 */
async function repositionPartitions(
  session: Session,
  consumer: ConsumerName,
  positions: readonly (Position & { readonly epoch: bigint })[],
): Promise<boolean> {
  if (positions.length === 0) return true
  const values = [...positions]
    .sort(byPartition)
    .map(
      ({ topic, partition, nextOffset, leaderEpoch, epoch }) =>
        `(${literal(topic)}, ${partition}, ${nextOffset}::bigint, ${leaderEpoch}::integer, ${epoch}::bigint)`,
    )
  const affected = await session.script(
    'putting positions elsewhere',
    `BEGIN; SET LOCAL synchronous_commit = on;
     UPDATE consumer_offset AS o SET next_offset = p.next_offset, leader_epoch = p.leader_epoch
     FROM (VALUES ${values.join(', ')}) AS p (topic, partition, next_offset, leader_epoch, epoch)
     WHERE o.consumer = ${literal(consumer)} AND o.topic = p.topic AND o.partition = p.partition AND o.epoch = p.epoch`,
  )
  if (affected[2] !== positions.length) {
    await session.script('leaving the positions', 'ROLLBACK')
    return false
  }
  await session.commit('putting positions elsewhere')
  return true
}

/**
 * The compare-and-set, as SQL: it must affect as many rows as there are moves. Sorted, so that two
 * transactions lock in the same order.
 * @throws RangeError if a move does not go forward: nobody could tell afterwards whether it was
 *   committed
 */
export function moveOffsets(consumer: ConsumerName, moves: readonly CountedMove[]): string {
  if (moves.length === 0) throw new RangeError('moving offsets: expected at least one partition')
  const values = [...moves].sort(byPartition).map(({ topic, partition, from, to, leaderEpoch, epoch, stored, dead }) => {
    if (to <= from) throw new RangeError(`moving offsets of ${topic}/${partition}: expected to go on from ${from}, not to ${to}`)
    const numbers = `${from}::bigint, ${to}::bigint, ${leaderEpoch}::integer, ${epoch}::bigint, ${stored}::bigint, ${dead}::bigint`
    return `(${literal(topic)}, ${partition}, ${numbers})`
  })
  return `UPDATE consumer_offset AS o
    SET next_offset = m.until, leader_epoch = m.leader_epoch, stored = o.stored + m.stored, dead = o.dead + m.dead, committed_at = now()
    FROM (VALUES ${values.join(', ')}) AS m (topic, partition, since, until, leader_epoch, epoch, stored, dead)
    WHERE o.consumer = ${literal(consumer)} AND o.topic = m.topic AND o.partition = m.partition
      AND o.epoch = m.epoch AND o.next_offset = m.since`
}

/** Why moves were refused. */
export type MoveRefusal =
  /**
   * Every partition is where the moves lead, under the same epoch. So this very batch was committed
   * before.
   */
  { readonly tag: 'done-before' } | { readonly tag: 'fenced'; readonly partitions: readonly TopicPartition[] }

/** Finds out why the moves were refused. */
export async function explainRefusal(session: Session, consumer: ConsumerName, moves: readonly CountedMove[]): Promise<MoveRefusal> {
  return refusal(moves, await readRows(session, consumer, moves))
}

function readRows(session: Session, consumer: ConsumerName, partitions: readonly TopicPartition[]): Promise<readonly OffsetRow[]> {
  return session.query<OffsetRow & Record<string, unknown>>(
    'reading the offsets',
    `SELECT topic, partition, next_offset AS "nextOffset", epoch FROM consumer_offset
     WHERE consumer = $1 AND (topic, partition) IN (SELECT * FROM unnest($2::text[], $3::integer[]))`,
    [consumer, partitions.map(({ topic }) => topic), partitions.map(({ partition }) => partition)],
  )
}

/** The partitions whose position or claim is gone, by the rows as they are. */
export function lostPositions(positions: readonly ClaimedPosition[], rows: readonly OffsetRow[]): readonly TopicPartition[] {
  const present = new Map(rows.map((row) => [key(row), row]))
  return positions
    .filter((position) => {
      const row = present.get(key(position))
      if (row === undefined || row.epoch < position.epoch) return true
      return row.epoch === position.epoch && row.nextOffset < position.nextOffset
    })
    .map(({ topic, partition }) => ({ topic, partition }))
}

/** Why moves were refused, from the rows as they are. */
export function refusal(moves: readonly CountedMove[], rows: readonly OffsetRow[]): MoveRefusal {
  const present = new Map(rows.map((row) => [key(row), row]))
  const done = moves.every((move) => {
    const row = present.get(key(move))
    return row !== undefined && row.epoch === move.epoch && row.nextOffset === move.to
  })
  if (done) return { tag: 'done-before' }
  const partitions = moves.filter((move) => {
    const row = present.get(key(move))
    return row === undefined || row.epoch !== move.epoch || row.nextOffset !== move.from
  })
  return { tag: 'fenced', partitions: partitions.map(({ topic, partition }) => ({ topic, partition })) }
}

function key({ topic, partition }: { readonly topic: string; readonly partition: number }): string {
  return `${topic}/${partition}`
}

function byPartition(a: TopicPartition, b: TopicPartition): number {
  return a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition
}
