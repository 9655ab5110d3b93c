import type { Log } from '../../connectors/contract.ts'
import type { KafkaClient } from '../../connectors/kafka/client.ts'
import { createKafkaClock } from '../../connectors/kafka/clock.ts'
import { topics } from '../../processors/topics.ts'

/**
 * The time by Kafka's clock, in milliseconds since 1970: the clock of the machine that redrives may
 * be wrong, too.
 */
export async function kafkaTime(kafka: KafkaClient, log: Log): Promise<() => number> {
  await using clock = createKafkaClock(kafka, topics.clock)
  const askedAtMs = performance.now()
  try {
    const theirsMs = await clock.read()
    const originMs = theirsMs - (askedAtMs + performance.now()) / 2
    return () => Math.round(originMs + performance.now())
  } catch (cause) {
    log.warn("Kafka does not tell its time; this machine's clock is taken to be right", { cause: String(cause) })
    return () => Date.now()
  }
}
