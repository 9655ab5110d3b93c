import type { Kafka as KafkaClient } from 'kafkajs'
import type { ConsumedBatch, Log } from '../../connectors/contract.ts'
import { type Extent, scanTopic, topicExtents } from '../../connectors/kafka/scan.ts'
import { groupLag } from '../../connectors/kafka/topics.ts'
import { readPositions } from '../../connectors/postgres/offsets.ts'
import type { Session } from '../../connectors/postgres/session.ts'
import { CONTINUITY, continuityTopics } from '../../processors/continuity/topics.ts'
import type { ConsumerName, Topic } from '../../processors/contract.ts'
import { topics } from '../../processors/topics.ts'

/** What the ledger in the database does not know yet: records between its offsets, or a processor's, and the topics' ends. */
export interface Tails {
  /** By topic: the readings and the dead letters from the ledger's offsets on, the frames from those of standardise. */
  readonly extents: ReadonlyMap<Topic, readonly Extent[]>
  /** Up to where the store has committed the readings of each partition. */
  readonly stored: ReadonlyMap<number, bigint>
  /** Records in all of them. */
  readonly records: bigint
  /** Records that Kafka deleted before the ledger had them: what became of their frames is not known. */
  readonly lost: bigint
}

const STORE = 'store' as ConsumerName
const FRAMES_READER = 'standardise'

/**
 * Measures the tails so that no frame can slip through between them, though the line goes on meanwhile: where a step's input begins is read before
 * where its output ends, and the frames' end last. A frame that was seen anywhere is then in the ledger or in a tail, and so is each one before it.
 * @param begin begins the snapshot that the session's queries see
 * @returns undefined where the ledger was never begun
 */
export async function measureTails(kafka: KafkaClient, session: Session, begin: () => Promise<void>): Promise<Tails | undefined> {
  const admin = kafka.admin()
  await admin.connect()
  const framesFrom = await groupLag(admin, FRAMES_READER, [topics.frames]).finally(() => admin.disconnect())
  await begin()
  const extents = new Map<Topic, readonly Extent[]>()
  let [records, lost] = [0n, 0n]
  let begun = false
  const measure = async (topic: Topic, from: ReadonlyMap<number, bigint | null>): Promise<void> => {
    const tails = (await topicExtents(kafka, topic)).map(({ partition, earliest, end }) => {
      const known = from.get(partition) ?? null
      if (known !== null && known < earliest && topic !== topics.frames) lost += earliest - known
      const start = known === null || known < earliest ? earliest : known
      return { partition, earliest: start, end }
    })
    for (const { earliest, end } of tails) if (end > earliest) records += end - earliest
    extents.set(topic, tails)
  }
  for (const topic of continuityTopics) {
    const positions = await readPositions(session, CONTINUITY, topic)
    begun ||= positions.length > 0
    await measure(topic, new Map(positions.map(({ partition, nextOffset }) => [partition, nextOffset])))
  }
  await measure(topics.frames, new Map(framesFrom.map(({ partition, committed }) => [partition, committed])))
  const stored = new Map(
    (await readPositions(session, STORE, topics.readings)).map(({ partition, nextOffset }) => [partition, nextOffset ?? 0n]),
  )
  return begun ? { extents, stored, records, lost } : undefined
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
