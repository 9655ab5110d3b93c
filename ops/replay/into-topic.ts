import { randomBytes } from 'node:crypto'
import type { Log, RecordProducer } from '../../connectors/contract.ts'
import { type KafkaClient, openAdmin } from '../../connectors/kafka/client.ts'
import { createProducer } from '../../connectors/kafka/producer.ts'
import { createRecordReader } from '../../connectors/kafka/record-reader.ts'
import { topicExtents } from '../../connectors/kafka/scan.ts'
import { ensureTopics, largestValues, partitionCounts } from '../../connectors/kafka/topics.ts'
import type { OutgoingRecord, RecordHeaders, Topic } from '../../processors/contract.ts'
import { deadTopics } from '../../processors/declaration.ts'
import { topics } from '../../processors/topics.ts'
import { type Config, ConfigError } from '../../services/config.ts'
import { declaredServices } from '../../services/declared.ts'
import { wantedCopies } from '../../services/kafka.ts'
import { throughOutages } from '../../services/through-outages.ts'
import type { OutputMark } from '../rows/row-output.ts'
import type { Matched, ReplayOutput } from './replay-output.ts'
import type { PlacedRecord } from './topic-rows.ts'

/** Header of a replayed record: `<run> <topic>/<partition>/<offset>`, where it was read. */
export const REPLAYED_HEADER = 'replayed'

export interface IntoTopicOptions {
  readonly kafka: KafkaClient
  readonly config: Config
  /** Where records come from. */
  readonly from: Topic
  readonly into: Topic
  readonly partitions: number
  /** Whether services of the line may read what is written. */
  readonly live: boolean
  /** Go on after that place. */
  readonly resume: OutputMark | undefined
  readonly log: Log
  readonly signal: AbortSignal
}

/** What is kept of a run. */
interface Kept {
  readonly run: string
  /** Ends of the topic's partitions once everything before the mark was acknowledged. */
  readonly ends: Readonly<Record<string, string>>
}

/**
 * Copies records to another topic, which is created if it is not there: key, value, time and
 * headers stay, and a header says where they were. A run that goes on looks which records the one
 * before had written after its mark, so that each is there once.
 * @throws ConfigError if the topic is one of the line, and nobody has said that it may be
 */
export async function intoTopic(options: IntoTopicOptions): Promise<ReplayOutput> {
  const { kafka, config, from, into, partitions, live, resume, log, signal } = options
  if (into === from) throw new ConfigError(`--into: ${into} is what is read: a replay of it would replay itself`)
  if (!live && (await topicsOfTheLine(config)).has(into))
    throw new ConfigError(
      `--into: services read ${into}: what is written there is processed, stored and sent again. Take another name, or say --live if that is what you want`,
    )
  await using admin = openAdmin(kafka)
  await ensureTopics(admin, [{ topic: into, partitions, ...wantedCopies(config.topics), config: {} }])
  const limits = await largestValues(admin, [into])
  const kept = resume?.groups ? (JSON.parse(resume.groups) as Kept) : undefined
  const run = kept?.run ?? randomBytes(6).toString('hex')
  const written = kept === undefined ? new Set<string>() : await writtenSince(options, kept)
  const producer: RecordProducer = await createProducer({
    kafka,
    partitions: await partitionCounts(admin, [into]),
    limits,
    log,
    signal,
    counters: { bytes: 0, retries: 0 },
  })
  return {
    async write(matched) {
      const records = matched.flatMap((each) => (written.has(placeOf(from, each)) ? [] : [outgoing(each, from, into, run)]))
      if (records.length > 0) await producer.send(records)
    },
    async mark() {
      // The leaders of a topic that was made a moment ago may not have heard of it.
      const extents = await throughOutages(`asking where ${into} ends`, () => topicExtents(kafka, into), { log, signal })
      const ends = Object.fromEntries(extents.map(({ partition, end }) => [partition, String(end)]))
      return { bytes: 0, groups: JSON.stringify({ run, ends } satisfies Kept) }
    },
    finish: async () => undefined,
    [Symbol.asyncDispose]: () => producer[Symbol.asyncDispose](),
  }
}

/** What any service of the configuration reads or writes, and Millrace's own topics. */
async function topicsOfTheLine(config: Config): Promise<ReadonlySet<Topic>> {
  const services = await declaredServices(config)
  return new Set([
    ...Object.values(topics),
    ...services.flatMap(({ reads, writes }) => [...reads, ...writes.map(({ topic }) => topic)]),
    ...deadTopics(services),
  ])
}

/** Places of the records that a run had written after its last mark. */
async function writtenSince({ kafka, into }: IntoTopicOptions, { run, ends }: Kept): Promise<ReadonlySet<string>> {
  await using reader = createRecordReader(kafka)
  const found = new Set<string>()
  for (const { partition, earliest, end } of await topicExtents(kafka, into)) {
    const since = BigInt(ends[partition] ?? 0)
    for await (const records of reader.readRange(into, partition, since > earliest ? since : earliest, end))
      for (const { headers } of records)
        for (const { name, value } of headers ?? []) {
          const text = name === REPLAYED_HEADER ? (value?.toString() ?? '') : ''
          if (text.startsWith(`${run} `)) found.add(text.slice(run.length + 1))
        }
  }
  return found
}

function outgoing({ partition, record }: Matched, from: Topic, into: Topic, run: string): OutgoingRecord {
  const { key, value, timestampMs, headers = [] } = record
  const replayed: RecordHeaders = [
    ...headers,
    { name: REPLAYED_HEADER, value: Buffer.from(`${run} ${placeOf(from, { partition, record })}`) },
  ]
  if (value === null)
    throw new ConfigError(`--into: ${placeOf(from, { partition, record })} has no value: compacted topics cannot be copied`)
  return { topic: into, key, value, timestampMs, headers: replayed }
}

function placeOf(topic: Topic, { partition, record: { offset } }: PlacedRecord): string {
  return `${topic}/${partition}/${offset}`
}
