import type { ConsumedBatch, Extent, Log, Position } from '../../connectors/contract.ts'
import { type KafkaClient, openAdmin } from '../../connectors/kafka/client.ts'
import { committedOffsets } from '../../connectors/kafka/committed-positions.ts'
import { scanTopic } from '../../connectors/kafka/scan.ts'
import { openTopicLogs } from '../../connectors/kafka/topic-logs.ts'
import { readPositions } from '../../connectors/postgres/offsets.ts'
import type { Session } from '../../connectors/postgres/session.ts'
import { declareContinuity, isOnTheWay } from '../../processors/continuity/declaration.ts'
import type { ConsumerName, Topic } from '../../processors/contract.ts'
import type { DeclaredService } from '../../processors/declaration.ts'
import { store } from '../../processors/store/declaration.ts'
import { topics } from '../../processors/topics.ts'

/**
 * What the ledger in the database does not know yet: records between the offsets of the ledger, or
 * of standardise, and the ends of the topics.
 */
export interface Tails {
  /**
   * By topic: the readings and the dead letters from the ledger's offsets on, the frames from those
   * of who makes readings of them.
   */
  readonly extents: ReadonlyMap<Topic, readonly Extent[]>
  /** Up to where the store has committed the readings of each partition. */
  readonly stored: ReadonlyMap<number, bigint>
  /** Records in all of them. */
  readonly records: bigint
  /**
   * Records that Kafka deleted before the ledger had read them. Nobody knows what became of their
   * frames.
   */
  readonly lost: bigint
}

/**
 * Measures the tails so that no frame can slip through between them, though the line goes on
 * meanwhile. It reads where the input of a step begins before it reads where its output ends, and
 * the end of the frames last. So a frame that was seen anywhere is in the ledger or in a tail, and
 * so is each one before it.
 * @param begin begins the snapshot that the session's queries see
 * @returns undefined if the ledger was never begun
 */
export async function measureTails(
  kafka: KafkaClient,
  session: Session,
  services: readonly DeclaredService[],
  begin: () => Promise<void>,
): Promise<Tails | undefined> {
  const ledger = declareContinuity(services.filter(({ kind }) => kind !== 'continuity'))
  const readers = services.filter((service) => service.reads.includes(topics.frames) && isOnTheWay(service)).map(({ name }) => name)
  await using logs = openTopicLogs(kafka)
  const states = await logs.topics([topics.frames, ...ledger.reads])
  const framesFrom = await committedFrames(kafka, readers)
  await begin()
  const extents = new Map<Topic, readonly Extent[]>()
  let [records, lost] = [0n, 0n]
  /**
   * Where positions are in today's logs. A position in another topic of the name is left out; one
   * beyond a cut is moved to it.
   */
  const standing = async (positions: readonly Stored[]): Promise<ReadonlyMap<number, bigint>> => {
    const current = positions.filter(({ topic, topicId }) => topicId === undefined || topicId === states.get(topic)?.id)
    return new Map(
      (await logs.check(current)).map(({ position: { partition, nextOffset }, change }) => {
        // What retention took is counted below.
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
  for (const topic of ledger.reads) {
    const positions = await readPositions(session, ledger.name, topic)
    begun ||= positions.length > 0
    await measure(topic, await standing(positions))
  }
  await measure(topics.frames, earliestOf(await Promise.all(framesFrom.map(standing))))
  const stored = await standing(await readPositions(session, store.name, topics.readings))
  return begun ? { extents, stored, records, lost } : undefined
}

/** A position, and the ID of its topic, if that was written down. */
type Stored = Position & { readonly topicId: string | undefined }

/** Of each consumer group. */
async function committedFrames(kafka: KafkaClient, groups: readonly ConsumerName[]): Promise<readonly (readonly Stored[])[]> {
  await using admin = openAdmin(kafka)
  return await Promise.all(
    groups.map(async (group) =>
      [...(await committedOffsets(admin, group, topics.frames))].map(([partition, offset]) => ({
        ...offset,
        topic: topics.frames,
        partition,
      })),
    ),
  )
}

/**
 * By partition, the first of several; absent if one of them has none: it begins at the beginning.
 */
function earliestOf([first = new Map(), ...others]: readonly ReadonlyMap<number, bigint>[]): ReadonlyMap<number, bigint> {
  return new Map(
    [...first].flatMap(([partition, offset]) => {
      const offsets = [offset, ...others.map((positions) => positions.get(partition))]
      return offsets.includes(undefined) ? [] : [[partition, (offsets as bigint[]).reduce((a, b) => (a < b ? a : b))] as const]
    }),
  )
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
