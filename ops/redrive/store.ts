import type { Log, ReadingsSink, SinkBatch, SinkResult } from '../../connectors/contract.ts'
import type { RedrivenFrame } from '../../connectors/postgres/continuity-redriven.ts'
import { readingsNumber } from '../../processors/continuity/dead-letter-number.ts'
import type { ConsumerName, KafkaRecord } from '../../processors/contract.ts'
import type { DeadLetter } from '../../processors/dead-letter.ts'
import type { FoundDeadLetter } from '../../processors/found-dead-letters.ts'
import { CopyWriter } from '../../processors/store/copy-writer.ts'
import { describeNewer, type LayoutLookup } from '../../processors/store/layouts.ts'
import { RowBatch } from '../../processors/store/row-batch.ts'
import { throughOutages } from '../../services/through-outages.ts'
import { createRedrivePlaces, type RedrivePlace } from './places.ts'
import { recordOf } from './processor.ts'
import type { Attempt, RedriveWay } from './way.ts'

export interface StoreWayOptions {
  readonly sink: ReadingsSink
  /**
   * A consumer name of this run's own. The database keeps its offsets of `store.dead` apart, with
   * the rows that it stored and found there. The offsets of the readings are not touched.
   */
  readonly consumer: ConsumerName
  /** ID of the topic of dead letters. */
  readonly topicId: string
  /** When a dead letter's record counts as received. */
  readonly receipt: (deadLetter: DeadLetter) => number
  readonly prepare: (records: readonly KafkaRecord[]) => Promise<void>
  readonly layout: (record: KafkaRecord) => LayoutLookup
  readonly batchRows: number
  /**
   * Notes for the ledger of frames, which sees only what passes through Kafka, that rows of these
   * frames were written. It may be called again for the same frames.
   */
  readonly stored: (frames: readonly RedrivenFrame[]) => Promise<void>
  readonly log: Log
  readonly signal: AbortSignal
  readonly close: () => Promise<void>
}

/** Days of rows that make a batch full before its rows do. */
const FULL_DAYS = 32

/**
 * The way for the store. The usual sink writes the rows, in one transaction with the run's own
 * offsets.
 */
export function storeWay(options: StoreWayOptions): RedriveWay {
  const { sink, consumer } = options
  const placeOf = createRedrivePlaces({
    claim: (partitions) => sink.claim(consumer, options.topicId, partitions),
    log: options.log,
    signal: options.signal,
  })

  /**
   * Fills batches of the store's size, has each one written, and leaves out the rows that are
   * refused.
   */
  async function run(
    deadLetters: readonly FoundDeadLetter[],
    at: RedrivePlace,
    write: (batch: SinkBatch) => Promise<SinkResult>,
  ): Promise<readonly Attempt[]> {
    await options.prepare(deadLetters.map((found) => recordOf(found)))
    const attempts: Attempt[] = []
    const writer = new CopyWriter()
    for (let from = 0; from < deadLetters.length; ) {
      const rowBatch = new RowBatch(writer)
      const records: KafkaRecord[] = []
      for (; from < deadLetters.length && rowBatch.rows < options.batchRows && rowBatch.dayCount < FULL_DAYS; from++) {
        const found = deadLetters[from] as FoundDeadLetter
        const record = recordOf(found, options.receipt(found.deadLetter))
        records.push(record)
        rowBatch.add(found.topic, found.partition, record, lookUp(record))
        rowBatch.move(found.topic, found.partition, at.position, found.offset + 1n)
        at.position = found.offset + 1n
      }
      const parts = await commit(rowBatch, at.epoch, write)
      for (const record of records) {
        const again = parts.flatMap(({ refused }) => refused.filter((each) => each.record === record))
        attempts.push({ outputs: parts.reduce((sum, part) => sum + part.rowsOf(record), 0), dropped: null, again })
      }
    }
    return attempts
  }

  function lookUp(record: KafkaRecord): LayoutLookup {
    const found = options.layout(record)
    if (found.tag === 'newer') throw new Error(describeNewer(found.fields))
    return found
  }

  /** Commits a row batch: as one, or in parts. */
  async function commit(rowBatch: RowBatch, epoch: bigint, write: (batch: SinkBatch) => Promise<SinkResult>): Promise<readonly RowBatch[]> {
    for (;;) {
      const batch: SinkBatch = {
        copy: rowBatch.finish(),
        rows: rowBatch.rows,
        days: rowBatch.days,
        moves: rowBatch.moves().map((move) => ({ ...move, epoch, leaderEpoch: -1 })),
      }
      // It is the same object each time, so that after a lost connection the sink can find out
      // whether it was committed.
      const result = await throughOutages('writing redriven rows', () => write(batch), options)
      switch (result.tag) {
        case 'committed':
          return [rowBatch]
        case 'bad-rows':
          rowBatch.exclude(result.rows.map(({ row, sqlState, detail }) => ({ row, detail: `SQLSTATE ${sqlState}: ${detail}` })))
          break
        case 'not-whole': {
          const { records } = rowBatch
          if (records === 1 && result.cause.transient) throw result.cause
          if (records === 1) {
            const detail = `SQLSTATE ${result.cause.code}: ${result.cause.message}`
            rowBatch.exclude(Array.from({ length: rowBatch.rows }, (_, row) => ({ row, detail })))
            break
          }
          const middle = records >> 1
          return [
            ...(await commit(rowBatch.part(0, middle), epoch, write)),
            ...(await commit(rowBatch.part(middle, records), epoch, write)),
          ]
        }
        case 'fenced':
          throw new Error(`the offsets of ${consumer} were moved by somebody else: begin another redrive`)
      }
    }
  }

  return {
    output: { noun: 'row', verb: 'written' },
    async attempt(deadLetters) {
      const [first] = deadLetters
      if (first === undefined) return []
      const attempts = await run(deadLetters, await placeOf(first), (batch) => sink.commit(consumer, batch))
      // This comes after the rows and before the dead letters are settled. If the run is killed in
      // between, both are done again.
      await throughOutages('noting redriven frames', () => options.stored(framesOf(deadLetters, attempts)), options)
      return attempts
    },
    // A dry run does not look at offsets.
    dryRun: (deadLetters) => run(deadLetters, { epoch: 0n, position: 0n }, (batch) => sink.dryRun(batch)),
    [Symbol.asyncDispose]: options.close,
  }
}

/** The frames of dead letters that gave rows; JSON messages have no number. */
function framesOf(deadLetters: readonly FoundDeadLetter[], attempts: readonly Attempt[]): readonly RedrivenFrame[] {
  return deadLetters.flatMap(({ deadLetter }, index): RedrivenFrame[] => {
    const number = (attempts[index]?.outputs ?? 0) > 0 ? readingsNumber(deadLetter) : undefined
    return number?.tag === 'numbered' && deadLetter.key !== null
      ? [{ device: deadLetter.key.toString('latin1'), boot: number.boot, seq: number.seq }]
      : []
  })
}
