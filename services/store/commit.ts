import type { Clock } from '../../connectors/clock.ts'
import type { ConnectorError, Log, ReadingsSink, RecordProducer, SinkBatch, SinkResult } from '../../connectors/contract.ts'
import type { ConsumerName } from '../../processors/contract.ts'
import type { DeadLetterWriter } from '../../processors/dead-letter-writer.ts'
import type { RowBatch } from '../../processors/store/row-batch.ts'
import type { ClaimedPartitions } from '../claimed-partitions.ts'
import type { HeldPartitions } from '../held-partitions.ts'
import type { StoreCounters } from './counters.ts'
import type { StorePlace } from './place.ts'

export interface CommitterOptions {
  readonly consumer: ConsumerName
  readonly sink: Pick<ReadingsSink, 'commit' | 'dryRun'>
  readonly claimed: ClaimedPartitions<StorePlace>
  readonly deadLetters: DeadLetterWriter
  readonly producer: Pick<RecordProducer, 'send'>
  /** Most rows of a batch. */
  readonly batchRows: number
  readonly clock: Pick<Clock, 'nowMs'>
  readonly log: Log
  readonly counters: StoreCounters
  readonly held: Pick<HeldPartitions, 'stop' | 'committed'>
}

/** `void`: the partitions that it was filled from were taken away, or are claimed anew. */
export type CommitEnd = 'committed' | 'void'

/** A row batch on its way. */
interface Part {
  readonly rowBatch: RowBatch
  /** What goes to the sink. After a transient error the sink must get the same object again. */
  batch: SinkBatch
  /**
   * If something is refused, the rest is tried in a dry run before dead letters are written: a
   * batch that turns out too bad leaves none.
   */
  suspect: boolean
}

/**
 * After a batch was split, each commit lets the next batch be larger by this share. So the limit is
 * not met again and again.
 */
const GROWTH = 1 / 8

/**
 * Commits row batches: dead letters first, then rows and offsets. It tries until it succeeds. A
 * batch that the database cannot take as one is committed in halves.
 */
export class Committer {
  private readonly options: CommitterOptions
  private most: number

  constructor(options: CommitterOptions) {
    this.options = options
    this.most = options.batchRows
  }

  /**
   * Rows that make a batch full. They are fewer than configured after a batch was too much for the
   * database.
   */
  mostRows(): number {
    return this.most
  }

  /** Commits a batch that was filled under a generation, however long it takes. */
  async commit(whole: RowBatch, generation: number): Promise<CommitEnd> {
    // Each part takes as much memory as the whole, so it is encoded when its turn comes.
    const parts: { readonly of: RowBatch; readonly from: number; readonly end: number }[] = []
    let rowBatch: RowBatch | undefined = whole
    while (rowBatch !== undefined) {
      const end = await this.commitPart(rowBatch, generation)
      if (end === 'split') {
        const { records } = rowBatch
        const middle = records >> 1
        parts.unshift({ of: rowBatch, from: 0, end: middle }, { of: rowBatch, from: middle, end: records })
        this.most = Math.max(1, Math.min(this.most, rowBatch.rows >> 1))
      } else if (end === 'committed') this.most = Math.min(this.options.batchRows, this.most + Math.ceil(this.most * GROWTH))
      else return end
      const next = parts.shift()
      rowBatch = next?.of.part(next.from, next.end)
    }
    return 'committed'
  }

  private async commitPart(rowBatch: RowBatch, generation: number): Promise<CommitEnd | 'split'> {
    const { claimed } = this.options
    const part = { rowBatch, batch: this.sinkBatch(rowBatch), suspect: rowBatch.refused.length > 0 }
    return (await claimed.patiently('committing to the database', generation, () => this.attempt(part, generation))) ?? 'void'
  }

  private async attempt(part: Part, generation: number): Promise<CommitEnd | 'split'> {
    const { sink, claimed, held } = this.options
    const { rowBatch } = part
    while (claimed.isCurrent(generation)) {
      if (held.stop(rowBatch)) {
        claimed.startOver()
        return 'void'
      }
      const result = part.suspect ? await sink.dryRun(part.batch) : await this.write(part)
      switch (result.tag) {
        case 'committed':
          if (part.suspect) {
            part.suspect = false
            break
          }
          this.count(rowBatch, result)
          held.committed(rowBatch)
          claimed.committed(
            generation,
            part.batch.moves.map(({ topic, partition, to, leaderEpoch }) => ({ topic, partition, nextOffset: to, leaderEpoch })),
          )
          return 'committed'
        case 'fenced':
          claimed.fenced(generation, result.partitions)
          return 'void'
        case 'bad-rows':
          this.exclude(part, result)
          break
        case 'not-whole':
          if (rowBatch.records > 1) {
            this.options.log.warn('a batch is more than the database takes at once; trying its halves', {
              rows: part.batch.rows,
              days: part.batch.days.length,
              cause: String(result.cause),
            })
            return 'split'
          }
          if (result.cause.transient) throw result.cause
          this.exclude(part, everyRow(part.batch, result.cause))
      }
    }
    return 'void'
  }

  /** Dead letters come first: once the offsets have moved, nobody would write them. */
  private async write({ rowBatch, batch }: Part): Promise<SinkResult> {
    const { producer, deadLetters, clock, sink, consumer } = this.options
    const refused = rowBatch.closeRefused()
    if (refused.length > 0) await producer.send(deadLetters(refused, clock.nowMs()))
    rowBatch.deadLettersWritten()
    return sink.commit(consumer, batch)
  }

  /** Leaves out the rows that the database refused. */
  private exclude(part: Part, { rows }: BadRows): void {
    this.options.log.warn('the database refused rows', { rows: rows.length, ...rows[0] })
    part.rowBatch.exclude(rows.map(({ row, sqlState, detail }) => ({ row, detail: `SQLSTATE ${sqlState}: ${detail}` })))
    part.batch = this.sinkBatch(part.rowBatch)
    part.suspect = true
  }

  /** The batch with the epochs of its claim. Nothing is sent for a claim that is no longer held. */
  private sinkBatch(batch: RowBatch): SinkBatch {
    const moves = batch.moves().map((move) => {
      const { epoch, leaderEpoch } = this.options.claimed.get(move) ?? { epoch: -1n, leaderEpoch: -1 }
      return { ...move, epoch, leaderEpoch }
    })
    return { copy: batch.finish(), columns: batch.columns, rows: batch.rows, days: batch.days, moves }
  }

  private count(rowBatch: RowBatch, result: Extract<SinkResult, { tag: 'committed' }>): void {
    const { counters, clock } = this.options
    counters.commits++
    counters.inserted += result.inserted
    counters.readings += rowBatch.readings
    counters.merged += result.merged
    counters.repeated += result.repeated
    for (const { rows } of result.conflicts) counters.conflicts += rows
    const nowMs = clock.nowMs()
    rowBatch.eachStored((receivedMs, newestMicros) => {
      counters.latency.receipt.add((nowMs - receivedMs) / 1_000)
      counters.latency.sample.add(nowMs / 1_000 - newestMicros / 1e6)
    })
    for (const { reason } of rowBatch.refused) counters.rejected.set(reason, (counters.rejected.get(reason) ?? 0) + 1)
  }
}

type BadRows = Extract<SinkResult, { tag: 'bad-rows' }>

/**
 * The one record that is left is refused as a whole, although the database takes each of its rows
 * by itself.
 */
function everyRow({ rows }: SinkBatch, { code, message }: ConnectorError): BadRows {
  return { tag: 'bad-rows', rows: Array.from({ length: rows }, (_, row) => ({ row, sqlState: code, detail: message })) }
}
