import type { Log, ReadingsSink, SinkBatch, SinkResult } from '../connectors/contract.ts'
import type { ConsumerName, KafkaRecord, Topic } from '../processors/contract.ts'
import type { FoundLetter } from '../processors/letters.ts'
import { CopyWriter } from '../processors/store/copy-writer.ts'
import { Fill, type LayoutLookup } from '../processors/store/fill.ts'
import { recordOf } from './redrive-processor.ts'
import type { Attempt, RedriveWay } from './redrive-way.ts'
import { throughOutages } from './through-outages.ts'

export interface StoreWayOptions {
  readonly sink: ReadingsSink
  /**
   * A consumer of this run's own: the database keeps its offsets of `store.dead` apart, with the rows that it stored and found there. It has no
   * part in the offsets of the readings.
   */
  readonly consumer: ConsumerName
  /** ID of the topic of dead letters. */
  readonly topicId: string
  readonly prepare: (schemaIds: ReadonlySet<number>) => Promise<void>
  readonly layout: (schemaId: number) => LayoutLookup
  readonly batchRows: number
  readonly log: Log
  readonly signal: AbortSignal
  readonly close: () => Promise<void>
}

interface Place {
  readonly epoch: bigint
  position: bigint
}

/** The way for the store: rows by the sink that always writes them, in one transaction with the run's own offsets. */
export function storeWay(options: StoreWayOptions): RedriveWay {
  const { sink, consumer } = options
  const places = new Map<number, Place>()

  async function place(topic: Topic, partition: number): Promise<Place> {
    const known = places.get(partition)
    if (known !== undefined) return known
    const [claim] = await throughOutages(
      'claiming the partition of dead letters',
      () => sink.claim(consumer, options.topicId, [{ topic, partition }]),
      options,
    )
    if (claim === undefined) throw new RangeError(`claiming ${topic}/${partition}: nothing was claimed`)
    const taken = { epoch: claim.epoch, position: claim.nextOffset ?? 0n }
    places.set(partition, taken)
    return taken
  }

  /** Fills batches of the store's size, has each one written, and leaves out the rows that are refused. */
  async function run(
    letters: readonly FoundLetter[],
    at: Place,
    write: (batch: SinkBatch) => Promise<SinkResult>,
  ): Promise<readonly Attempt[]> {
    await options.prepare(
      new Set(letters.flatMap(({ letter: { value } }) => (value !== null && value.length >= 5 ? [value.readUInt32BE(1)] : []))),
    )
    const attempts: Attempt[] = []
    const writer = new CopyWriter()
    for (let from = 0; from < letters.length; ) {
      const fill = new Fill(writer)
      const records: KafkaRecord[] = []
      for (; from < letters.length && fill.rows < options.batchRows; from++) {
        const found = letters[from] as FoundLetter
        const record = recordOf(found)
        records.push(record)
        fill.add(found.topic, found.partition, record, lookUp(record))
        fill.move(found.topic, found.partition, at.position, found.offset + 1n)
        at.position = found.offset + 1n
      }
      await commit(fill, at.epoch, write)
      for (const record of records) {
        const again = fill.refused.filter((refused) => refused.record === record)
        attempts.push({ outputs: fill.rowsOf(record), dropped: null, again })
      }
    }
    return attempts
  }

  function lookUp({ value }: KafkaRecord): LayoutLookup {
    return value !== null && value.length >= 5 ? options.layout(value.readUInt32BE(1)) : { tag: 'unknown' }
  }

  async function commit(fill: Fill, epoch: bigint, write: (batch: SinkBatch) => Promise<SinkResult>): Promise<void> {
    for (;;) {
      const batch: SinkBatch = {
        copy: fill.finish(),
        rows: fill.rows,
        days: fill.days,
        moves: fill.moves().map((move) => ({ ...move, epoch })),
      }
      // The same object each time: after a lost connection the sink finds out whether it was committed.
      const result = await throughOutages('writing redriven rows', () => write(batch), options)
      switch (result.tag) {
        case 'committed':
          return
        case 'bad-row':
          fill.exclude(result.row, `SQLSTATE ${result.sqlState}: ${result.detail}`)
          break
        case 'fenced':
          throw new Error(`the offsets of ${consumer} were moved by somebody else: begin another redrive`)
      }
    }
  }

  return {
    output: 'row',
    async attempt(letters) {
      const [first] = letters
      if (first === undefined) return []
      return run(letters, await place(first.topic, first.partition), (batch) => sink.commit(consumer, batch))
    },
    // The offsets of a rehearsal are of no account.
    rehearse: (letters) => run(letters, { epoch: 0n, position: 0n }, (batch) => sink.rehearse(batch)),
    [Symbol.asyncDispose]: options.close,
  }
}
