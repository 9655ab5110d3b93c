import { openAdmin } from '../../../connectors/kafka/client.ts'
import { kafkaError } from '../../../connectors/kafka/outage.ts'
import { openTopicTail } from '../../../connectors/kafka/topic-tail.ts'
import { partitionCounts } from '../../../connectors/kafka/topics.ts'
import { createRegistry } from '../../../connectors/registry/registry.ts'
import { topics } from '../../../processors/topics.ts'
import { kafkaClient } from '../../../services/kafka.ts'
import type { OpenSection, PageParts } from '../section.ts'
import { deviceFeed, siteFeed, siteLiveFeed } from './feeds.ts'
import { createLiveTail, type LiveTail } from './live-tail.ts'
import { deviceRoutes } from './routes.ts'

/** An idle partition is asked about so often. Who begins to look waits for it, too. */
const WAIT_MS = 250
/** A batch of records is smaller unless the topic's limit was raised. */
const PARTITION_BYTES = 1_048_576
/** Some seconds of a full partition; what is older than that is read from history. */
const MOST_BEHIND = 20_000n

/** Devices and sites: lists, live readings, history. */
export const openDevices: OpenSection = async (parts) => {
  const app = parts.database('app')
  const telemetry = parts.database('telemetry')
  const sessions = { app: app.use, telemetry: telemetry.use }
  const tail = openLiveTail(parts)
  return {
    name: 'devices',
    router: deviceRoutes(sessions),
    feeds: [deviceFeed(tail), siteFeed(sessions), siteLiveFeed(sessions, tail)],
    async [Symbol.asyncDispose]() {
      await Promise.allSettled([tail, app, telemetry].map((each) => each[Symbol.asyncDispose]()))
    },
  }
}

function openLiveTail({ config, log }: PageParts): LiveTail {
  const kafka = kafkaClient(config, 'millrace-ops-devices', log)
  return createLiveTail({
    tail: openTopicTail(kafka, topics.readings, { waitMs: WAIT_MS, partitionBytes: PARTITION_BYTES, mostBehind: MOST_BEHIND }),
    registry: createRegistry(config.env.REGISTRY_URL),
    async partitions() {
      await using admin = openAdmin(kafka)
      try {
        const counts = await partitionCounts(admin, [topics.readings])
        return counts.get(topics.readings) ?? 1
      } catch (cause) {
        throw kafkaError(`asking Kafka for the partitions of ${topics.readings}`, cause)
      }
    },
  })
}
