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
