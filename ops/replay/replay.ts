import type { Log } from '../../connectors/contract.ts'
import type { KafkaClient } from '../../connectors/kafka/client.ts'
import { createRecordReader } from '../../connectors/kafka/record-reader.ts'
import { openTopicLogs } from '../../connectors/kafka/topic-logs.ts'
import type { KafkaRecord, Topic } from '../../processors/contract.ts'
import { topics } from '../../processors/topics.ts'
import { type Kept, readKept } from '../frames/kept-log.ts'
import type { Row } from '../rows/row.ts'
import type { OutputMark } from '../rows/row-output.ts'
import { inOrder } from './in-order.ts'
import { ByteCap, pause, Tempo } from './pace.ts'
import { type LogPart, readLog } from './partition-log.ts'
import type { ReplayProgress } from './progress-file.ts'
import type { ReplayRange } from './ranges.ts'
import type { Matched, ReplayOutput } from './replay-output.ts'
import type { PlacedRecord, TopicRows } from './topic-rows.ts'

/** Which records, and which of their rows. */
export interface ReplayFilter {
  /** Keys of records, and devices of rows; all if it is empty. */
  readonly devices: ReadonlySet<string>
  /** Microseconds since 1970; `toMicros` is not included. */
  readonly fromMicros: number
  readonly toMicros: number
  /** Whether these are times of receipt, whatever the rows are about. */
  readonly byReceipt: boolean
  readonly matches: (row: Row) => boolean
}

/** Figures of a run, and of the runs that it went on with. */
export interface ReplayCounts {
  /** Records read of Kafka. */
  records: number
  bytes: number
  /** Records of which a row is in the output. */
  matched: number
  /** Rows in the output. */
  rows: number
  /** Records that are not what their topic has. */
  unreadable: number
  /** Offsets that Kafka lost while they were to be read. */
  missing: number
}

export interface ReplayOptions {
  readonly kafka: KafkaClient
  readonly topic: Topic
  readonly topicId: string
  readonly rows: TopicRows
  readonly filter: ReplayFilter
  readonly ranges: readonly ReplayRange[]
  /** What an archive has of partitions, and of which Kafka has the rest. */
  readonly kept: ReadonlyMap<number, Kept>
  readonly counts: ReplayCounts
  /** Times the original speed; undefined for as fast as can be. */
  readonly speed: number | undefined
  readonly bytesPerSecond: number
  readonly output: ReplayOutput
  /** Keeps how far it is; undefined if the output cannot be gone on with. */
  readonly keep: ((progress: Pick<ReplayProgress, 'topicId' | 'partitions' | 'counts' | 'mark'>) => Promise<void>) | undefined
  readonly progress: (counts: ReplayCounts, done: number) => void
  readonly log: Log
  readonly signal: AbortSignal
}

/** Between two notes of how far it is. */
const KEEP_MS = 5_000
/** Rows that are handed over at once, if they need not wait for one another. */
const MOST_WAITING = 2_000
const MICROS_PER_MS = 1000

/**
 * Reads the ranges once and writes what matches. It is in no consumer group. On abort it ends after
 * the rows under way; `keep` has its place then.
 */
export async function replay(options: ReplayOptions): Promise<void> {
  const { kafka, topic, topicId, ranges, counts, output, keep, log, signal, speed } = options
  await using reader = createRecordReader(kafka)
  await using logs = openTopicLogs(kafka)
  const places = new Map(ranges.map((range) => [range.partition, { ...range }]))
  const all = ranges.reduce((sum, { begin, end }) => sum + Number(end - begin), 0)
  const cap = new ByteCap(options.bytesPerSecond)
  const note = async (): Promise<void> => {
    if (keep === undefined) return
    const mark: OutputMark = await output.mark()
    const partitions = [...places.values()].map(({ partition, begin, next, end }) => ({
      partition,
      begin: String(begin),
      next: String(next),
      end: String(end),
    }))
    await keep({ topicId, partitions, counts: { ...counts }, mark })
  }
  const writer = new RowWriter(options)
  const from = { reader, logs, topic, log, signal, env: process.env, keys: topic === topics.frames ? writer.keys : undefined }
  const parts = ranges.map((range) => {
    const own = options.kept.get(range.partition)
    return own === undefined ? readLog(from, range) : readKept(from, { ...range, ...own })
  })
  let keptMs = performance.now()
  await note()
  for await (const [index, part] of speed === undefined ? oneAfterTheOther(parts) : singly(inOrder(parts))) {
    const place = places.get((ranges[index] as ReplayRange).partition)
    if (place === undefined) continue
    const written = await writer.part(place.partition, part)
    // Records that were read, and not written for an abort, are read again by whoever goes on.
    place.next = written ?? place.next
    if (signal.aborted) break
    if (part.missing > 0n) {
      counts.missing += Number(part.missing)
      log.warn('Kafka has lost records that were to be read', { topic, partition: place.partition, offsets: Number(part.missing) })
    }
    options.progress(counts, [...places.values()].reduce((sum, { begin, next }) => sum + Number(next - begin), 0) / Math.max(1, all))
    if (performance.now() - keptMs >= KEEP_MS) {
      await note()
      keptMs = performance.now()
    }
    await pause(cap.take(part.records.reduce((sum, { key, value }) => sum + (key?.length ?? 0) + (value?.length ?? 0), 0)), signal)
  }
  await note()
}

async function* oneAfterTheOther(parts: readonly AsyncGenerator<LogPart>[]): AsyncGenerator<readonly [index: number, part: LogPart]> {
  for (const [index, part] of parts.entries()) for await (const each of part) yield [index, each]
}

/** A record at a time, so that the place is kept and shown between two that are hours apart. */
async function* singly(
  parts: AsyncGenerator<readonly [index: number, part: LogPart]>,
): AsyncGenerator<readonly [index: number, part: LogPart]> {
  for await (const [index, part] of parts) {
    const { records, next, missing } = part
    if (records.length < 2) yield [index, part]
    else
      for (const [at, record] of records.entries())
        yield [index, { records: [record], next: at === records.length - 1 ? next : record.offset + 1n, missing: at === 0 ? missing : 0n }]
  }
}

/** Makes rows of records, and writes those that match when they are due. */
class RowWriter {
  private readonly options: ReplayOptions
  private readonly tempo: Tempo | undefined
  private readonly bases: ReadonlySet<string>
  private said = 0

  constructor(options: ReplayOptions) {
    this.options = options
    this.tempo = options.speed === undefined ? undefined : new Tempo(options.speed)
    // Channels are sent under the key of their device.
    this.bases = new Set([...options.filter.devices].map((device) => device.split('/')[0] ?? device))
  }

  /**
   * @returns the offset to go on from, after the last record that is written; undefined if none is
   */
  async part(partition: number, { records, next }: LogPart): Promise<bigint | undefined> {
    const { rows, counts, signal, output } = this.options
    await rows.prepare(records.filter((record) => this.isOfDevice(record)))
    let waiting: Matched[] = []
    let waitingRows = 0
    let done: bigint | undefined
    const flush = async (): Promise<void> => {
      if (waiting.length > 0) await output.write(waiting)
      counts.rows += waitingRows
      counts.matched += waiting.length
      waiting = []
      waitingRows = 0
    }
    for (const record of records) {
      const placed = { partition, record }
      const mine = this.isOfDevice(record) ? this.matching(placed) : []
      const [first] = mine
      const dueMs = first === undefined ? 0 : (this.tempo?.before(this.timeOf(first)) ?? 0)
      if (dueMs > 0) {
        await flush()
        await pause(dueMs, signal)
        if (signal.aborted) return done
      }
      if (mine.length > 0) waiting.push({ ...placed, rows: mine })
      waitingRows += mine.length
      counts.records++
      counts.bytes += (record.key?.length ?? 0) + (record.value?.length ?? 0)
      done = record.offset + 1n
      if (waitingRows >= MOST_WAITING) await flush()
    }
    await flush()
    return next
  }

  /** Keys that are wanted of frames; undefined for all. */
  get keys(): ReadonlySet<string> | undefined {
    return this.bases.size === 0 ? undefined : this.bases
  }

  /** Of a batch that cannot be read nobody knows whose it is. */
  private isOfDevice({ key, unreadable }: KafkaRecord): boolean {
    return this.bases.size === 0 || unreadable !== undefined || (key !== null && this.bases.has(key.toString()))
  }

  private matching(placed: PlacedRecord): readonly Row[] {
    const { rows, counts, filter, topic, log } = this.options
    const { devices, fromMicros, toMicros, byReceipt, matches } = filter
    const received = placed.record.timestampMs * MICROS_PER_MS
    if (byReceipt && (received < fromMicros || received >= toMicros)) return []
    let all: readonly Row[]
    try {
      if (placed.record.unreadable !== undefined) throw new Error(placed.record.unreadable)
      all = rows.rows(placed)
    } catch (cause) {
      counts.unreadable++
      if (this.said++ < MOST_SAID)
        log.warn('a record cannot be read', {
          topic,
          partition: placed.partition,
          offset: String(placed.record.offset),
          cause: cause instanceof Error ? cause.message : String(cause),
        })
      return []
    }
    return all.filter((row) => {
      if (rows.device !== undefined && devices.size > 0 && !devices.has(String(row[rows.device]))) return false
      const micros = byReceipt ? received : (this.timeOf(row) ?? received)
      return micros >= fromMicros && micros < toMicros && matches(row)
    })
  }

  private timeOf(row: Row): number | null {
    const { eventTime, columns } = this.options.rows
    const place = eventTime ?? columns.findIndex(({ name }) => name === 'record_time')
    return (row[place] ?? null) as number | null
  }
}

/** Records that cannot be read and are named; the others are counted. */
const MOST_SAID = 10
