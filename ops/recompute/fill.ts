import type { Log, ReadingsSink, SinkBatch, SinkResult } from '../../connectors/contract.ts'
import type { KafkaClient } from '../../connectors/kafka/client.ts'
import { createRecordReader } from '../../connectors/kafka/record-reader.ts'
import { openTopicLogs } from '../../connectors/kafka/topic-logs.ts'
import type { ConsumerName, KafkaRecord, Topic } from '../../processors/contract.ts'
import type { DeclaredProcessor } from '../../processors/declaration.ts'
import { CopyWriter } from '../../processors/store/copy-writer.ts'
import { layoutOf } from '../../processors/store/layouts.ts'
import { RowBatch } from '../../processors/store/row-batch.ts'
import { daysOfYears } from '../../processors/time-bounds.ts'
import { topics } from '../../processors/topics.ts'
import { readingsSchema } from '../../schemas/generated/readings.ts'
import type { Config } from '../../services/config.ts'
import type { ProcessorApart } from '../../services/processor/apart.ts'
import { createEngineCounters } from '../../services/processor/engine.ts'
import { throughOutages } from '../../services/through-outages.ts'
import { type FilesOf, keptRanges, readKept } from '../frames/kept-log.ts'
import { type ByteCap, pause } from '../replay/pace.ts'
import type { LogPart } from '../replay/partition-log.ts'

/** A processor of the line that makes readings, and what it reads. */
export interface Maker {
  readonly declared: DeclaredProcessor
  readonly apart: ProcessorApart
}

/** What was read, since the run began or was gone on with. */
export interface FillCounts {
  /** Records of Kafka, and those of the devices. */
  records: number
  taken: number
  unreadable: number
  /** Offsets that Kafka lost while they were to be read. */
  missing: number
  /** Dead letters that would be written, by reason. */
  readonly refused: Map<string, number>
}

export interface FillOptions {
  readonly config: Config
  readonly kafka: KafkaClient
  readonly makers: readonly Maker[]
  readonly devices: ReadonlySet<string>
  /** Milliseconds since 1970: nothing measured before it is wanted. */
  readonly fromMs: number
  /** What the archive has. */
  readonly files: FilesOf
  /** Of the AWS SDK, if the archive is a bucket. */
  readonly env: NodeJS.ProcessEnv
  readonly sink: Pick<ReadingsSink, 'claim' | 'commit'>
  readonly cap: ByteCap
  readonly counts: FillCounts
  readonly progress: (done: number) => void
  readonly log: Log
  readonly signal: AbortSignal
}

/** Records that a processor gets at once. */
const SLICE = 200
/** Days of rows that make a batch full before its rows do. */
const FULL_DAYS = 32
/** A long stretch without a record of the devices is not read again after a kill. */
const KEEP_MS = 5_000

/** The consumer of a recomputation that has the places of a processor's source. */
export function placesOf({ name }: Pick<DeclaredProcessor, 'name'>): ConsumerName {
  return `recompute.${name}` as ConsumerName
}

/**
 * Runs processors over what the archive and Kafka have of their sources, up to what is the end when
 * it begins, and has the sink write the rows, each batch with the places that it takes. A run that
 * goes on begins where the last commit was. Waits through outages; ends early on abort.
 */
export async function fill(options: FillOptions): Promise<void> {
  const { kafka, makers, fromMs, files, env, sink, log, signal } = options
  const plans = []
  for (const maker of makers) {
    const { declared } = maker
    const topic = declared.processor.from.topic
    const { topicId, ranges } = await keptRanges(kafka, files, topic, { fromMs, byReceipt: false })
    const firsts = ranges.map(({ partition, begin }) => ({ topic, partition, earliest: begin }))
    const claims = await throughOutages('claiming partitions', () => sink.claim(placesOf(declared), topicId, firsts), { log, signal })
    const parts = ranges.map((range) => {
      const claim = claims.find(({ partition }) => partition === range.partition)
      if (claim === undefined) throw new RangeError(`claiming ${topic}/${range.partition}: nothing was claimed`)
      return { ...range, next: claim.nextOffset, epoch: claim.epoch }
    })
    plans.push({ maker, topic, parts })
  }
  const all = plans.flatMap(({ parts }) => parts)
  const offsets = Math.max(
    1,
    all.reduce((sum, { begin, end }) => sum + Number(end - begin), 0),
  )
  const progress = (): void => options.progress(all.reduce((sum, { begin, next }) => sum + Number(next - begin), 0) / offsets)
  await using reader = createRecordReader(kafka)
  await using logs = openTopicLogs(kafka)
  for (const { maker, topic, parts } of plans) {
    for (const place of parts) {
      const rows = new PlaceRows(options, maker, topic, place)
      const keys = topic === topics.frames ? options.devices : undefined
      for await (const part of readKept({ reader, logs, topic, log, signal, env, keys }, place)) {
        await rows.take(part)
        place.next = part.next
        progress()
        const bytes = part.records.reduce((sum, { key, value }) => sum + (key?.length ?? 0) + (value?.length ?? 0), 0)
        await pause(options.cap.take(bytes), signal)
      }
      if (signal.aborted) return
      await rows.commit()
    }
  }
}

/** The rows of one partition. */
class PlaceRows {
  private readonly options: FillOptions
  private readonly maker: Maker
  private readonly topic: Topic
  private readonly partition: number
  private readonly epoch: bigint
  private readonly writer = new CopyWriter()
  private readonly layout = layoutOf(readingsSchema.json)
  private batch: RowBatch
  /** As it is committed, or will be with the batch. */
  private position: bigint
  private committedMs = performance.now()

  constructor(
    options: FillOptions,
    maker: Maker,
    topic: Topic,
    { partition, next, epoch }: { readonly partition: number; readonly next: bigint; readonly epoch: bigint },
  ) {
    this.options = options
    this.maker = maker
    this.topic = topic
    this.partition = partition
    this.epoch = epoch
    this.position = next
    this.batch = this.nextBatch()
  }

  async take({ records, next, missing }: LogPart): Promise<void> {
    const { counts, log } = this.options
    const { topic, partition } = this
    if (missing > 0n) {
      counts.missing += Number(missing)
      log.warn('Kafka has lost records that were to be read', { topic, partition, offsets: Number(missing) })
    }
    counts.records += records.length
    const chosen = records.filter((record) => this.isWanted(record))
    for (let from = 0; from < chosen.length; from += SLICE) {
      const slice = chosen.slice(from, from + SLICE)
      await this.run(slice)
      this.moveTo((slice.at(-1) as KafkaRecord).offset + 1n)
      if (this.batch.rows >= this.options.config.store.batch_rows || this.batch.dayCount >= FULL_DAYS) await this.commit()
    }
    this.moveTo(next)
    if (performance.now() - this.committedMs >= KEEP_MS) await this.commit()
  }

  async commit(): Promise<void> {
    const { sink, counts, log, signal } = this.options
    this.committedMs = performance.now()
    if (this.batch.empty) return
    const { batch } = this
    for (;;) {
      const moves = batch.moves().map((move) => ({ ...move, epoch: this.epoch, leaderEpoch: -1 }))
      // The same object each time: after a lost connection the sink finds out whether it is written.
      const whole: SinkBatch = { copy: batch.finish(), columns: batch.columns, rows: batch.rows, days: batch.days, moves }
      const write = (): Promise<SinkResult> => sink.commit(placesOf(this.maker.declared), whole)
      const result = await throughOutages('writing recomputed rows', write, { log, signal })
      if (result.tag === 'committed') break
      if (result.tag === 'not-whole') throw result.cause
      if (result.tag === 'fenced') throw new Error('another recomputation has taken over: nothing more is done here')
      batch.exclude(result.rows.map(({ row, sqlState, detail }) => ({ row, detail: `SQLSTATE ${sqlState}: ${detail}` })))
    }
    for (const { reason } of batch.refused) count(counts.refused, reason, 1)
    this.batch = this.nextBatch()
  }

  private nextBatch(): RowBatch {
    return new RowBatch(this.writer, daysOfYears(this.options.config.time.oldest_years))
  }

  /** What other topics than frames hold may be about devices that only the message names. */
  private isWanted({ key, unreadable }: KafkaRecord): boolean {
    if (unreadable !== undefined) this.options.counts.unreadable++
    if (unreadable !== undefined || key === null) return false
    return this.topic !== topics.frames || this.isOfDevice(key)
  }

  private isOfDevice(key: Buffer): boolean {
    const name = key.toString('latin1')
    const slash = name.indexOf('/')
    return this.options.devices.has(slash < 0 ? name : name.slice(0, slash))
  }

  private async run(records: readonly KafkaRecord[]): Promise<void> {
    const { counts } = this.options
    const { apart } = this.maker
    await apart.prepare(records)
    const counters = createEngineCounters()
    const sent = await apart.run(records, { topic: this.topic, partition: this.partition, nowMs: Date.now() }, counters)
    counts.taken += records.length
    const { offset } = records[0] as KafkaRecord
    for (const { topic, key, value, timestampMs, headers } of sent) {
      if (topic !== topics.readings || key === null || !this.isOfDevice(key)) continue
      const record: KafkaRecord = { key, value, timestampMs, offset, ...(headers === undefined ? {} : { headers }) }
      this.batch.add(this.topic, this.partition, record, this.layout)
    }
    for (const [reason, times] of counters.rejected) count(counts.refused, reason, times)
  }

  private moveTo(to: bigint): void {
    if (to <= this.position) return
    this.batch.move(this.topic, this.partition, this.position, to)
    this.position = to
  }
}

function count(counts: Map<string, number>, reason: string, times: number): void {
  counts.set(reason, (counts.get(reason) ?? 0) + times)
}
