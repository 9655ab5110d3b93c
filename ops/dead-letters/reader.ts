import type { Log } from '../../connectors/contract.ts'
import { openAdmin } from '../../connectors/kafka/client.ts'
import { type Extent, scanTopic, topicExtents } from '../../connectors/kafka/scan.ts'
import { topicId, topicNames } from '../../connectors/kafka/topics.ts'
import { createRedriveLog, type Settled } from '../../connectors/postgres/redrive-log.ts'
import type { Topic } from '../../processors/contract.ts'
import { createDeadLetterCodec, type DeadLetterCodec } from '../../processors/dead-letter.ts'
import type { FoundDeadLetter } from '../../processors/found-dead-letters.ts'
import { readSchema } from '../../schemas/files.ts'
import type { Config } from '../../services/config.ts'
import { kafkaClient } from '../../services/kafka.ts'
import { decoded } from '../redrive/run.ts'

/** Reads the topics of dead letters. It commits nothing and changes nothing. */
export interface DeadLetters {
  /** Every topic of dead letters that Kafka has, by name. */
  topics(): Promise<readonly Topic[]>
  /**
   * Reads a topic's dead letters, or those of some extents; null for a record that is no dead
   * letter. Waits for what `each` returns. If that rejects, reading ends.
   */
  read(topic: Topic, each: (deadLetter: FoundDeadLetter | null) => Promise<void> | undefined, extents?: readonly Extent[]): Promise<void>
  extents(topic: Topic): Promise<readonly Extent[]>
  /**
   * Outcomes of the dead letters that redrives have settled; undefined, with a line in the log,
   * while the database does not say.
   */
  settled(topic: Topic): Promise<Settled | undefined>
}

const SUFFIX = '.dead'

export function openDeadLetters(config: Config, log: Log, signal: AbortSignal): DeadLetters {
  const kafka = kafkaClient(config, 'millrace-dead', log)
  // It only decodes, so the ID for encoding does not matter.
  const codec: DeadLetterCodec = createDeadLetterCodec(readSchema('dead-letter').json, 0)
  return {
    async topics() {
      await using admin = openAdmin(kafka)
      return (await topicNames(admin)).filter((name) => name.endsWith(SUFFIX)).sort()
    },
    extents: (topic) => topicExtents(kafka, topic),
    async read(topic, each, extents) {
      await scanTopic({
        kafka,
        topic,
        extents: extents ?? (await topicExtents(kafka, topic)),
        log,
        signal,
        handle: async ({ partition, records }) => {
          for (const { offset, value, headers } of records) {
            const deadLetter = value === null ? undefined : decoded(codec, value)
            const taken = each(deadLetter === undefined ? null : { topic, partition, offset, deadLetter, headers })
            if (taken !== undefined) await taken
          }
        },
      })
    },
    async settled(topic) {
      await using redrives = createRedriveLog(config.env.TELEMETRY_DATABASE_URL)
      try {
        return await redrives.settled(topic, await topicId(kafka, topic))
      } catch (cause) {
        log.warn('what redrives have settled is not known', { topic, cause: String(cause) })
        return undefined
      }
    },
  }
}
