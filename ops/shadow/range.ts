import { setTimeout as delay } from 'node:timers/promises'
import { isTransient, type Log } from '../../connectors/contract.ts'
import type { RecordReader } from '../../connectors/kafka/record-reader.ts'
import type { KafkaRecord, Topic } from '../../processors/contract.ts'

export interface RangeOptions {
  readonly reader: Pick<RecordReader, 'readRange'>
  readonly log: Log
  readonly signal: AbortSignal
}

/** Records of one partition from one offset up to, not including, another. */
export type ReadRange = (topic: Topic, partition: number, from: bigint, to: bigint) => AsyncGenerator<readonly KafkaRecord[]>

const RETRY_MS = 1_000

/**
 * Where a slice ends that begins at `begin`. If a record before it has a later time, Kafka has its
 * end before its beginning: then it is looked for up to the end of the log.
 * @param end the first offset whose time is not in the slice any more; undefined if there is none
 */
export function sliceEnd(begin: bigint, end: bigint | undefined, log: bigint): bigint {
  return end === undefined || end < begin ? log : end
}

/** Reads without a consumer group. After an outage of Kafka it goes on where it was. */
export function createRange({ reader, log, signal }: RangeOptions): ReadRange {
  return async function* range(topic, partition, from, to) {
    for (let next = from; ; ) {
      try {
        for await (const records of reader.readRange(topic, partition, next, to)) {
          signal.throwIfAborted()
          yield records
          next = (records.at(-1)?.offset ?? next) + 1n
        }
        return
      } catch (cause) {
        if (!isTransient(cause)) throw cause
        log.warn('waiting for Kafka', { topic, partition, cause: String(cause) })
        await delay(RETRY_MS, undefined, { signal })
      }
    }
  }
}
