import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeFile } from '../../connectors/archive/day-files.ts'
import { openDuck } from '../../connectors/archive/duckdb.ts'
import { readFrames } from '../../connectors/archive/frame-file.ts'
import { openPlaceToRead } from '../../connectors/archive/read-place.ts'
import { ConnectorError } from '../../connectors/contract.ts'
import type { KafkaClient } from '../../connectors/kafka/client.ts'
import { createRecordReader } from '../../connectors/kafka/record-reader.ts'
import type { KnownFrameFile } from '../../connectors/postgres/archived-frames.ts'
import type { Topic } from '../../processors/contract.ts'
import { coverage, frameFileName, type OffsetGap } from '../../processors/store/frame-file.ts'
import { type LogPart, type PartitionLogOptions, readLog } from '../replay/partition-log.ts'
import { type ReplayFrom, type ReplayRange, receivedFrom, replayRanges } from '../replay/ranges.ts'

/** The files of a topic that the database knows. */
export type FilesOf = (topic: Topic) => Promise<readonly KnownFrameFile[]>

/** Where what the archive has of a partition ends, and Kafka begins. */
export interface Kept {
  /** First offset that is read of Kafka. */
  readonly kafkaFrom: bigint
  /** Files with what comes before it, in the order of their offsets. */
  readonly files: readonly KnownFrameFile[]
}

/** A partition of a topic: first what the archive has of it, then what Kafka has. */
export interface KeptRange extends ReplayRange, Kept {}

/**
 * Records that neither has. Times are milliseconds since 1970, of receipt; null if nobody knows.
 */
export interface NotKept {
  readonly topic: string
  readonly partition: number
  /** Of the last record before them. */
  readonly afterMs: number | null
  /** Of the first one that is kept; null if none is. */
  readonly beforeMs: number | null
}

/** What the archive and Kafka have of a topic for a time, and where both have nothing. */
export async function keptRanges(
  kafka: KafkaClient,
  filesOf: FilesOf,
  topic: Topic,
  from: ReplayFrom,
): Promise<{ readonly topicId: string; readonly ranges: readonly KeptRange[]; readonly notKept: readonly NotKept[] }> {
  const { topicId, ranges, cut } = await replayRanges(kafka, topic, from)
  const known = (await filesOf(topic)).filter((file) => file.topicId === topicId && file.state === 'archived')
  const neededMs = receivedFrom(from)
  const notKept: NotKept[] = []
  const kept: KeptRange[] = []
  for (const range of ranges) {
    const { partition, begin: kafkaFrom } = range
    const all = cut.includes(partition) ? known.filter((file) => file.partition === partition && file.from < kafkaFrom) : []
    const files = all.filter(({ lastMs }) => lastMs >= neededMs)
    const begin = files[0]?.from ?? kafkaFrom
    kept.push({ ...range, begin, next: begin, kafkaFrom, files })
    if (!cut.includes(partition)) continue
    const before = all.findLast(({ lastMs }) => lastMs < neededMs)
    const gaps: OffsetGap[] = [...coverage(files, { from: begin, next: kafkaFrom }).gaps]
    // What comes before the first file that is needed is too old, or nobody has it.
    if (begin > 0n && before?.next !== begin) gaps.unshift({ from: before?.next ?? 0n, next: begin })
    for (const gap of gaps) {
      const after = all.findLast((file) => file.next <= gap.from)
      const then = files.find((file) => file.from >= gap.next)
      const beforeMs = then?.firstMs ?? (await firstReceipt(kafka, topic, range))
      notKept.push({ topic, partition, afterMs: after?.lastMs ?? null, beforeMs })
    }
  }
  return { topicId, ranges: kept, notKept }
}

async function firstReceipt(kafka: KafkaClient, topic: Topic, { partition, begin, end }: ReplayRange): Promise<number | null> {
  await using reader = createRecordReader(kafka)
  for await (const [first] of reader.readRange(topic, partition, begin, end)) if (first !== undefined) return first.timestampMs
  return null
}

export interface KeptLogOptions extends PartitionLogOptions {
  /** Of the AWS SDK, if the archive is a bucket. */
  readonly env: NodeJS.ProcessEnv
  /** Keys that are wanted of the archive, if not all are. */
  readonly keys: ReadonlySet<string> | undefined
}

/**
 * Reads a partition to its end: the archive's files first, each verified by its checksum, then
 * Kafka. What neither has is passed over.
 * @throws ConnectorError also if a file is not there, or is not what the database knows
 */
export async function* readKept(options: KeptLogOptions, range: KeptRange): AsyncGenerator<LogPart> {
  const { env, keys, signal } = options
  const { parts } = coverage(range.files, { from: range.next, next: range.kafkaFrom })
  if (parts.length > 0) {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-frames-'))
    try {
      await using duck = await openDuck(folder)
      for (const { file, from, next } of parts) {
        await using place = await openPlaceToRead(file.location, env)
        const name = frameFileName(file)
        const path = await place.read(name)
        const found = path === undefined ? 'no file' : (await describeFile(path)).sha256
        if (path === undefined || found !== file.sha256)
          throw new ConnectorError(
            'archive-damaged',
            false,
            `${place.location}/${name}: expected the file with SHA-256 ${file.sha256}, which must be within reach of this machine, found ${found}`,
          )
        for await (const records of readFrames(duck, path, { from, next, keys })) {
          if (signal.aborted) return
          yield { records, next: (records.at(-1)?.offset ?? from) + 1n, missing: 0n }
        }
        yield { records: [], next, missing: 0n }
      }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }
  const next = range.next > range.kafkaFrom ? range.next : range.kafkaFrom
  yield* readLog(options, { partition: range.partition, next, end: range.end })
}
