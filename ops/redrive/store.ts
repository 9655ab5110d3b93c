import type { SinkBatch, SinkResult } from '../../connectors/contract.ts'
import { noteRedriven, type RedrivenFrame } from '../../connectors/postgres/continuity-redriven.ts'
import { createDatabase } from '../../connectors/postgres/database.ts'
import { readingsNumber } from '../../processors/continuity/dead-letter-number.ts'
import type { KafkaRecord } from '../../processors/contract.ts'
import type { FoundDeadLetter } from '../../processors/found-dead-letters.ts'
import { CopyWriter } from '../../processors/store/copy-writer.ts'
import { describeNewer, type LayoutLookup } from '../../processors/store/layouts.ts'
import { RowBatch } from '../../processors/store/row-batch.ts'
import { daysOfYears } from '../../processors/time-bounds.ts'
import { configuredSink, openRecordLayouts } from '../../services/store/parts.ts'
import { throughOutages } from '../../services/through-outages.ts'
import { createRedrivePlaces, type RedrivePlace } from './places.ts'
import { recordOf } from './processor.ts'
import type { Attempt, RedriveWay, WayParts } from './way.ts'

/** Days of rows that make a batch full before its rows do. */
const FULL_DAYS = 32

/**
 * The way for the store. The usual sink writes the rows, in one transaction with the run's own
 * offsets.
 */
export async function openStoreWay(parts: WayParts): Promise<RedriveWay> {
  const { config, consumer, registry, log, signal } = parts
  const layouts = await openRecordLayouts({ registry, log, signal })
  const sink = configuredSink(config, log)
  const database = createDatabase({ url: config.env.TELEMETRY_DATABASE_URL, applicationName: 'millrace redriven frames' })
  const placeOf = createRedrivePlaces(sink, parts)

  /**
   * Fills batches of the store's size, has each one written, and leaves out the rows that are
   * refused.
   */
  async function run(
    deadLetters: readonly FoundDeadLetter[],
    at: RedrivePlace,
    write: (batch: SinkBatch) => Promise<SinkResult>,
  ): Promise<readonly Attempt[]> {
    await layouts.prepare(deadLetters.map((found) => recordOf(found)))
    const attempts: Attempt[] = []
    const writer = new CopyWriter()
    for (let from = 0; from < deadLetters.length; ) {
      const rowBatch = new RowBatch(writer, daysOfYears(config.time.oldest_years))
      const records: KafkaRecord[] = []
      for (; from < deadLetters.length && rowBatch.rows < config.store.batch_rows && rowBatch.dayCount < FULL_DAYS; from++) {
        const found = deadLetters[from] as FoundDeadLetter
        const record = recordOf(found, parts.receipt(found.deadLetter))
        records.push(record)
        rowBatch.add(found.topic, found.partition, record, lookUp(record))
        rowBatch.move(found.topic, found.partition, at.position, found.offset + 1n)
        at.position = found.offset + 1n
      }
      const committed = await commit(rowBatch, at.epoch, write)
      for (const record of records) {
        const again = committed.flatMap(({ refused }) => refused.filter((each) => each.record === record))
        attempts.push({ outputs: committed.reduce((sum, part) => sum + part.rowsOf(record), 0), dropped: null, again })
      }
    }
    return attempts
  }

  function lookUp(record: KafkaRecord): LayoutLookup {
    const found = layouts.layout(record)
    if (found.tag === 'newer') throw new Error(describeNewer(found.fields))
    return found
  }

  /** Commits a row batch: as one, or in parts. */
  async function commit(rowBatch: RowBatch, epoch: bigint, write: (batch: SinkBatch) => Promise<SinkResult>): Promise<readonly RowBatch[]> {
    for (;;) {
      const batch: SinkBatch = {
        copy: rowBatch.finish(),
        columns: rowBatch.columns,
        rows: rowBatch.rows,
        days: rowBatch.days,
        moves: rowBatch.moves().map((move) => ({ ...move, epoch, leaderEpoch: -1 })),
      }
      // It is the same object each time, so that after a lost connection the sink can find out
      // whether it was committed.
      const result = await throughOutages('writing redriven rows', () => write(batch), parts)
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
      // The ledger of frames sees only what passes through Kafka, so it is told here. This comes after
      // the rows and before the dead letters are settled. If the run is killed in between, both are
      // done again.
      const frames = framesOf(deadLetters, attempts)
      await throughOutages('noting redriven frames', () => database.use((session) => noteRedriven(session, frames)), parts)
      return attempts
    },
    // A dry run does not look at offsets.
    dryRun: (deadLetters) => run(deadLetters, { epoch: 0n, position: 0n }, (batch) => sink.dryRun(batch)),
    async [Symbol.asyncDispose]() {
      await database[Symbol.asyncDispose]()
      await sink[Symbol.asyncDispose]()
      await layouts[Symbol.asyncDispose]()
    },
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
