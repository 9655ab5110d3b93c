import type { KafkaRecord } from '../../processors/contract.ts'
import { DAY_MS } from '../../processors/store/time-ranges.ts'
import type { LogPart } from '../replay/partition-log.ts'

/** A larger file takes long to read for one device. */
const MOST_BYTES = 512 << 20

/** What one file has, once its records were taken. */
export interface Cut {
  readonly from: bigint
  readonly next: bigint
  readonly day: string
  readonly records: number
  readonly unreadable: number
  readonly firstMs: number
  readonly lastMs: number
}

/**
 * Cuts what is read of a partition into files: where a record is of a later day than the file's
 * first, where one would become too large, and where Kafka has lost records. So a file has all
 * offsets from its first to its last.
 */
export class PartitionFiles {
  private readonly parts: AsyncIterator<LogPart>
  private readonly mostBytes: number
  private rest: readonly KafkaRecord[] = []
  /** The offset after what was read. */
  private at: bigint
  private from: bigint
  private ended = false
  private cut: Cut | undefined
  /** Ranges that Kafka has lost. */
  readonly lost: { readonly from: bigint; readonly next: bigint }[] = []

  constructor(parts: AsyncIterable<LogPart>, from: bigint, mostBytes = MOST_BYTES) {
    this.parts = parts[Symbol.asyncIterator]()
    this.from = from
    this.at = from
    this.mostBytes = mostBytes
  }

  /** Whether there are records for another file. */
  async more(): Promise<boolean> {
    while (this.rest.length === 0 && !this.ended) {
      await this.read()
      if (this.rest.length === 0 && !this.ended) this.from = this.at
    }
    return this.rest.length > 0
  }

  /** The records of the next file. `taken` says what they were, once all were taken. */
  async *records(): AsyncGenerator<readonly KafkaRecord[]> {
    const first = this.rest[0]
    if (first === undefined) return
    const day = Math.floor(first.timestampMs / DAY_MS)
    let [bytes, records, unreadable, firstMs, lastMs] = [0, 0, 0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
    const { from } = this
    const end = (next: bigint): void => {
      this.cut = { from, next, day: new Date(day * DAY_MS).toISOString().slice(0, 10), records, unreadable, firstMs, lastMs }
      this.from = next
    }
    for (;;) {
      let count = 0
      for (const record of this.rest) {
        if (Math.floor(record.timestampMs / DAY_MS) > day || bytes >= this.mostBytes) break
        count++
        if (record.unreadable === undefined) records++
        else unreadable++
        bytes += (record.key?.length ?? 0) + (record.value?.length ?? 0)
        firstMs = Math.min(firstMs, record.timestampMs)
        lastMs = Math.max(lastMs, record.timestampMs)
      }
      const taken = this.rest.slice(0, count)
      this.rest = this.rest.slice(count)
      const follows = this.rest[0]
      yield taken.filter((record) => record.unreadable === undefined)
      if (follows !== undefined) return end(follows.offset)
      const before = this.at
      await this.read()
      if (this.ended) return end(before)
      if (this.lost.at(-1)?.from === before) {
        end(before)
        this.from = this.lost.at(-1)?.next ?? before
        return
      }
    }
  }

  /** Of the file whose records were taken last. */
  get taken(): Cut {
    if (this.cut === undefined) throw new RangeError('the records of a file were not taken to their end')
    return this.cut
  }

  private async read(): Promise<void> {
    const { done, value } = await this.parts.next()
    if (done === true) {
      this.ended = true
      return
    }
    const first = value.records[0]?.offset ?? value.next
    if (value.missing > 0n) {
      this.lost.push({ from: this.at, next: first })
      if (this.rest.length === 0 && this.from === this.at) this.from = first
    }
    this.rest = value.records
    this.at = value.next
  }
}
