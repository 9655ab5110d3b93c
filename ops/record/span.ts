import type { Log } from '../../connectors/contract.ts'
import { type KafkaClient, openAdmin } from '../../connectors/kafka/client.ts'
import { scanTopic, topicExtents } from '../../connectors/kafka/scan.ts'
import { offsetsAt } from '../../connectors/kafka/topics.ts'
import type { KafkaRecord, Topic } from '../../processors/contract.ts'

export interface SpanOptions {
  readonly kafka: KafkaClient
  readonly topic: Topic
  /** Keys of the records. */
  readonly devices: ReadonlySet<string>
  /** Received at or after this: milliseconds since 1970. */
  readonly fromMs: number
  /** Received before this. */
  readonly toMs: number
  /** Most records that are kept: the earliest. */
  readonly most: number
  readonly log: Log
  readonly signal: AbortSignal
}

/** Records of some devices, received in a span of time. */
export interface Span {
  /** By time of receipt; those of one time by partition and offset. */
  readonly records: readonly KafkaRecord[]
  /** How many there are, also those that are more than `most`. */
  readonly found: number
}

interface Placed {
  readonly record: KafkaRecord
  readonly partition: number
}

/**
 * Reads the records of a span, without a trace. It reads to the end of the topic: a device's
 * records may come late, and keep the time of their receipt. Waits through outages of Kafka.
 */
export async function readSpan({ kafka, topic, devices, fromMs, toMs, most, log, signal }: SpanOptions): Promise<Span> {
  const extents = await topicExtents(kafka, topic)
  await using admin = openAdmin(kafka)
  const begins = await offsetsAt(admin, topic, fromMs)
  let kept: Placed[] = []
  let found = 0
  await scanTopic({
    kafka,
    topic,
    extents: extents.map((extent) => {
      const begin = begins.get(extent.partition) ?? extent.earliest
      return { ...extent, earliest: begin > extent.earliest ? begin : extent.earliest }
    }),
    log,
    signal,
    handle: async ({ partition, records }) => {
      for (const record of records) {
        const { key, timestampMs } = record
        if (key === null || timestampMs < fromMs || timestampMs >= toMs || !devices.has(key.toString())) continue
        found++
        // What was fetched is a part of a larger buffer, which would stay for it.
        kept.push({
          partition,
          record: { ...record, key: Buffer.from(key), value: record.value === null ? null : Buffer.from(record.value) },
        })
      }
      if (kept.length > 2 * most) kept = earliest(kept, most)
    },
  })
  return { records: earliest(kept, most).map(({ record }) => record), found }
}

function earliest(placed: readonly Placed[], most: number): Placed[] {
  const order = (a: Placed, b: Placed): number =>
    a.record.timestampMs - b.record.timestampMs || a.partition - b.partition || (a.record.offset < b.record.offset ? -1 : 1)
  return [...placed].sort(order).slice(0, most)
}
