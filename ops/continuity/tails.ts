import type { ConsumedBatch, Extent, Log, Position } from '../../connectors/contract.ts'
import { type KafkaClient, openAdmin } from '../../connectors/kafka/client.ts'
import { committedOffsets } from '../../connectors/kafka/committed-positions.ts'
import { scanTopic } from '../../connectors/kafka/scan.ts'
import { openTopicLogs } from '../../connectors/kafka/topic-logs.ts'
import { readPositions } from '../../connectors/postgres/offsets.ts'
import type { Session } from '../../connectors/postgres/session.ts'
import { CONTINUITY, continuityTopics } from '../../processors/continuity/topics.ts'
import type { ConsumerName, Topic } from '../../processors/contract.ts'
import { topics } from '../../processors/topics.ts'

/**
 * What the ledger in the database does not know yet: records between its offsets, or a processor's,
 * and the topics' ends.
 */
export interface Tails {
  /**
   * By topic: the readings and the dead letters from the ledger's offsets on, the frames from those
   * of standardise.
   */
  readonly extents: ReadonlyMap<Topic, readonly Extent[]>
  /** Up to where the store has committed the readings of each partition. */
  readonly stored: ReadonlyMap<number, bigint>
  /** Records in all of them. */
  readonly records: bigint
  /**
   * Records that Kafka deleted before the ledger had them: what became of their frames is not
   * known.
   */
  readonly lost: bigint
}

const STORE = 'store' as ConsumerName
const FRAMES_READER = 'standardise'

/**
 * Measures the tails so that no frame can slip through between them, though the line goes on
 * meanwhile: where a step's input begins is read before where its output ends, and the frames' end
 * last. A frame that was seen anywhere is then in the ledger or in a tail, and so is each one
 * before it.
 * @param begin begins the snapshot that the session's queries see
 * @returns undefined if the ledger was never begun
 */
export async function measureTails(kafka: KafkaClient, session: Session, begin: () => Promise<void>): Promise<Tails | undefined> {
  await using logs = openTopicLogs(kafka)
  const states = await logs.topics([topics.frames, ...continuityTopics])
  const framesFrom = await committedFrames(kafka)
  await begin()
  const extents = new Map<Topic, readonly Extent[]>()
  let [records, lost] = [0n, 0n]
  /**
   * Where positions are in the logs that there are: what is of another topic, or beyond a cut, says
   * nothing.
   */
  const standing = async (positions: readonly Stored[]): Promise<ReadonlyMap<number, bigint>> => {
    const current = positions.filter(({ topic, topicId }) => topicId === undefined || topicId === states.get(topic)?.id)
    return new Map(
      (await logs.check(current)).map(({ position: { partition, nextOffset }, change }) => {
        // What retention took is told below.
        return [partition, change?.tag === 'deleted' ? change.from : nextOffset]
      }),
    )
  }
  const measure = async (topic: Topic, from: ReadonlyMap<number, bigint>): Promise<void> => {
    const tails = (await logs.extents(topic)).map(({ partition, earliest, end }) => {
      const known = from.get(partition)
      if (known !== undefined && known < earliest && topic !== topics.frames) lost += earliest - known
      return { partition, earliest: known === undefined || known < earliest ? earliest : known, end }
    })
    for (const { earliest, end } of tails) if (end > earliest) records += end - earliest
    extents.set(topic, tails)
  }
  let begun = false
  for (const topic of continuityTopics) {
    const positions = await readPositions(session, CONTINUITY, topic)
    begun ||= positions.length > 0
    await measure(topic, await standing(positions))
  }
  await measure(topics.frames, await standing(framesFrom))
  const stored = await standing(await readPositions(session, STORE, topics.readings))
  return begun ? { extents, stored, records, lost } : undefined
}

/** A position, and of which topic it is, where that was written down. */
type Stored = Position & { readonly topicId: string | undefined }

async function committedFrames(kafka: KafkaClient): Promise<readonly Stored[]> {
  await using admin = openAdmin(kafka)
  const committed = await committedOffsets(admin, FRAMES_READER, [topics.frames])
  return [...committed].map(([place, offset]) => ({
    ...offset,
    topic: topics.frames,
    partition: Number(place.slice(topics.frames.length + 1)),
  }))
}

/** Reads the tail of one topic. */
export async function readTail(
  kafka: KafkaClient,
  { extents }: Tails,
  topic: Topic,
  { log, signal }: { readonly log: Log; readonly signal: AbortSignal },
  handle: (batch: ConsumedBatch) => Promise<void>,
): Promise<void> {
  await scanTopic({ kafka, topic, extents: extents.get(topic) ?? [], log, signal, handle })
}
