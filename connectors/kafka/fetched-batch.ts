import type { FetchedRecord, FetchedRecords } from './fetched-records.ts'

/** A transaction that its producer aborted. */
export interface AbortedTransaction {
  readonly producerId: string
  readonly firstOffset: string
}

/** A partition's part of a fetch response, as kafkajs hands it on. */
export interface PartitionData {
  readonly partition: number
  readonly highWatermark: string
  readonly abortedTransactions?: readonly AbortedTransaction[] | null
  readonly messages: FetchedRecords
}

/**
 * Takes the place of kafkajs's batch. A position follows the fetch and not its records. A fetch may
 * hold nothing but aborted transactions, markers or compacted batches: kafkajs tells nobody of
 * them, and its position stays if no record came.
 */
export class FetchedBatch {
  readonly topic: string
  readonly partition: number
  readonly highWatermark: string
  readonly fetchedFrom: bigint
  /** Where the next fetch goes on. */
  readonly nextOffset: bigint
  readonly firstLeaderEpoch: number
  readonly leaderEpoch: number
  /**
   * The records for consumers: from the offset that was asked for on, without markers, and without
   * those of aborted transactions.
   */
  readonly messages: readonly FetchedRecord[]

  constructor(topic: string, fetchedOffset: string, { partition, highWatermark, abortedTransactions, messages }: PartitionData) {
    this.topic = topic
    this.partition = partition
    this.highWatermark = highWatermark
    this.fetchedFrom = BigInt(fetchedOffset)
    this.nextOffset = messages.nextOffset ?? this.fetchedFrom
    this.firstLeaderEpoch = messages.firstLeaderEpoch
    this.leaderEpoch = messages.leaderEpoch
    const committed = messages.transactional ? withoutAborted(messages.records, abortedTransactions ?? []) : messages.records
    this.messages = fromOffset(committed, this.fetchedFrom)
  }

  /** Whether the fetch brought nothing to go on with. */
  isEmpty(): boolean {
    return this.nextOffset <= this.fetchedFrom
  }

  /** kafkajs passes over batches if this is true. Each of ours must reach its handler. */
  isEmptyDueToFiltering(): boolean {
    return false
  }

  firstOffset(): string | null {
    return this.messages[0]?.offset.toString() ?? null
  }

  lastOffset(): string {
    return (this.nextOffset - 1n).toString()
  }

  offsetLag(): string {
    return (BigInt(this.highWatermark) - this.nextOffset).toString()
  }

  offsetLagLow(): string {
    return (BigInt(this.highWatermark) - this.fetchedFrom - 1n).toString()
  }
}

/**
 * A fetch gives the whole batch that an offset is in. Its records before that offset are left out.
 */
function fromOffset(records: readonly FetchedRecord[], offset: bigint): readonly FetchedRecord[] {
  const [first] = records
  if (first === undefined || first.offset >= offset) return records
  const index = records.findIndex((record) => record.offset >= offset)
  return index < 0 ? [] : records.slice(index)
}

/**
 * As the Java consumer does it (Fetcher, `containsAbortMarker` and
 * `consumeAbortedTransactionsUpTo`): for each aborted transaction, its producer's transactional
 * batches are left out from its first offset to its marker.
 */
function withoutAborted(records: readonly FetchedRecord[], aborted: readonly AbortedTransaction[]): readonly FetchedRecord[] {
  const transactions = aborted
    .map(({ producerId, firstOffset }) => ({ producerId, firstOffset: BigInt(firstOffset) }))
    .sort((a, b) => (a.firstOffset < b.firstOffset ? -1 : a.firstOffset > b.firstOffset ? 1 : 0))
  const open = new Set<string>()
  const kept: FetchedRecord[] = []
  let [begun, skipped] = [0, false]
  let context: FetchedRecord['batchContext'] | undefined
  for (const record of records) {
    if (record.batchContext !== context) {
      context = record.batchContext
      for (let next = transactions[begun]; next !== undefined && next.firstOffset <= record.offset; next = transactions[++begun])
        open.add(next.producerId)
      if (record.isControlRecord && isAbort(record)) open.delete(context.producerId)
      skipped = record.isControlRecord || (context.inTransaction && open.has(context.producerId))
    }
    if (!skipped) kept.push(record)
  }
  return kept
}

/** A marker's key has its version, then 0 for aborted and 1 for committed. */
function isAbort({ key }: FetchedRecord): boolean {
  return key !== null && key.length >= 4 && key.readInt16BE(2) === 0
}
