import { ConnectorError, type KafkaLogs } from '../../connectors/contract.ts'
import type { RecordReader } from '../../connectors/kafka/record-reader.ts'
import type { KafkaRecord, Topic } from '../../processors/contract.ts'
import type { ThroughOutagesOptions } from '../../services/through-outages.ts'
import { throughOutages } from '../../services/through-outages.ts'

/** A range of one partition. `end` is not in it. */
export interface LogRange {
  readonly partition: number
  readonly next: bigint
  readonly end: bigint
}

/** What came of a range next. */
export interface LogPart {
  readonly records: readonly KafkaRecord[]
  /** Offset to go on from. */
  readonly next: bigint
  /** Offsets that Kafka had at the start and does not have any more: deleted, or cut off. */
  readonly missing: bigint
}

export interface PartitionLogOptions extends ThroughOutagesOptions {
  readonly reader: RecordReader
  readonly logs: Pick<KafkaLogs, 'extents'>
  readonly topic: Topic
}

/**
 * Reads a range to its end, through outages, without a consumer group: nobody's place is touched.
 * If Kafka loses records of it meanwhile, it says how many, and goes on behind them.
 */
export async function* readLog(options: PartitionLogOptions, range: LogRange): AsyncGenerator<LogPart> {
  const { reader, topic, signal } = options
  const { partition, end } = range
  let { next } = range
  while (next < end && !signal.aborted) {
    let outage: unknown
    try {
      for await (const records of reader.readRange(topic, partition, next, end)) {
        const first = records[0]?.offset ?? next
        const missing = first > next ? await lost(options, partition, next, first) : 0n
        next = (records.at(-1)?.offset ?? next) + 1n
        yield { records, next, missing }
        if (signal.aborted) return
      }
    } catch (cause) {
      if (!(cause instanceof ConnectorError) || !cause.transient) throw cause
      outage = cause
    }
    if (outage !== undefined) {
      // Asks until Kafka answers: the outage is over then.
      await throughOutages(`reading ${topic}/${partition}`, () => options.logs.extents(topic), options)
      continue
    }
    // No record follows: what is left are control records, or it is gone.
    if (next < end) yield { records: [], next: end, missing: await lost(options, partition, next, end) }
    next = end
  }
}

/**
 * How many of these offsets, at which there is no record, Kafka has no more. The others are those
 * of control records, or were compacted.
 */
async function lost(options: PartitionLogOptions, partition: number, from: bigint, to: bigint): Promise<bigint> {
  const { logs, topic } = options
  const extents = await throughOutages(`asking where ${topic} begins`, () => logs.extents(topic), options)
  const extent = extents.find((each) => each.partition === partition)
  if (extent === undefined) return to - from
  const before = min(extent.earliest, to) - from
  const behind = to - max(extent.end, from)
  return max(before, 0n) + max(behind, 0n)
}

function min(one: bigint, other: bigint): bigint {
  return one < other ? one : other
}

function max(one: bigint, other: bigint): bigint {
  return one > other ? one : other
}
