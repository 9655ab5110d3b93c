import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect } from 'chai'
import { directoryPlace } from '../../connectors/archive/directory-place.ts'
import type { ArchivePlace } from '../../connectors/archive/place.ts'
import { KAFKAJS, openAdmin } from '../../connectors/kafka/client.ts'
import { createProducer } from '../../connectors/kafka/producer.ts'
import { createRecordReader } from '../../connectors/kafka/record-reader.ts'
import { openTopicLogs } from '../../connectors/kafka/topic-logs.ts'
import { ensureTopics } from '../../connectors/kafka/topics.ts'
import { frameFiles } from '../../connectors/postgres/archived-frames.ts'
import { openSession, type Session } from '../../connectors/postgres/session.ts'
import { archiveFrames } from '../../ops/frames/archive-frames.ts'
import { keptRanges, readKept } from '../../ops/frames/kept-log.ts'
import type { KafkaRecord, OutgoingRecord, Topic } from '../../processors/contract.ts'
import type { FramesEvent } from '../../processors/store/frames-event.ts'
import { DAY_MS } from '../../processors/store/time-ranges.ts'
import { areFramesDue, type FramesLook } from '../../services/store/frames-due.ts'
import { quiet, testKafka } from './stack-clients.ts'
import { type TestStore, testStore } from './test-store.ts'

const PARTITIONS = 2
const TODAY = Math.floor(Date.now() / DAY_MS)
/** So that the day before is over for long enough, whenever the test runs. */
const NOW_MS = (TODAY + 1) * DAY_MS - 1
const dateOf = (ago: number): string => new Date((TODAY - ago) * DAY_MS).toISOString().slice(0, 10)

/** Records of a topic of the test's own, so that nobody else's are deleted. */
describe('the archive of frames', () => {
  const topic = `frames.${Date.now().toString(36)}` as Topic
  const kafka = testKafka()
  const admin = openAdmin(kafka)
  const logs = openTopicLogs(kafka)
  const reader = createRecordReader(kafka)
  const { signal } = new AbortController()
  let store: TestStore
  let folder: string
  let place: ArchivePlace

  before(async () => {
    store = await testStore('postgres')
    folder = await mkdtemp(join(tmpdir(), 'millrace-frames-test-'))
    place = await directoryPlace(folder)
    await ensureTopics(admin, [
      {
        topic,
        partitions: PARTITIONS,
        replicationFactor: 1,
        minInsyncReplicas: 1,
        config: { 'message.timestamp.type': 'CreateTime', 'retention.ms': '-1' },
      },
    ])
    for (const ago of [3, 2, 1, 0]) await send(ago, 400)
  })

  after(async () => {
    await (await admin[KAFKAJS]()).deleteTopics({ topics: [topic] })
    await place[Symbol.asyncDispose]()
    await reader[Symbol.asyncDispose]()
    await logs[Symbol.asyncDispose]()
    await admin[Symbol.asyncDispose]()
    await store[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  let sent = 0
  /** Records of many kinds, received on a day. */
  async function send(ago: number, count: number): Promise<void> {
    const records = Array.from({ length: count }, (_, index): OutgoingRecord => {
      const number = sent++
      return {
        topic,
        key: number % 11 === 0 ? null : Buffer.from(`hive-${number % 7}`),
        value: number % 13 === 0 ? Buffer.alloc(0) : Buffer.alloc(number === 5 ? 300_000 : 40, number),
        timestampMs: (TODAY - ago) * DAY_MS + index,
        ...(number % 3 === 0
          ? {}
          : {
              headers: [
                { name: 'fp', value: Buffer.from([number % 4, 0, 255]) },
                { name: 'a "b",\n', value: null },
              ],
            }),
      }
    })
    await using producer = await createProducer({
      kafka,
      partitions: new Map([[topic, PARTITIONS]]),
      log: quiet,
      signal,
      counters: { bytes: 0, retries: 0 },
    })
    await producer.send(records)
  }

  const look = (session: Session, retentionDays?: number, nowMs = NOW_MS): Omit<FramesLook, 'location'> => ({
    session,
    logs,
    admin,
    topics: [topic],
    retentionDays,
    nowMs: () => nowMs,
    databaseMs: async () => nowMs,
  })

  /** A run, in a session of its own, which ends with it as that of a process does. */
  async function run(in_: ArchivePlace = place, retentionDays?: number, nowMs = NOW_MS): Promise<readonly FramesEvent[]> {
    const session = await openSession({ url: store.database.url, applicationName: 'test', statementTimeoutMs: 0 })
    const events: FramesEvent[] = []
    try {
      await archiveFrames({ ...look(session, retentionDays, nowMs), place: in_, reader, log: quiet, signal }, (event) => events.push(event))
    } finally {
      await session.close()
    }
    return events
  }

  const withSession = async <Result>(work: (session: Session) => Promise<Result>): Promise<Result> => {
    const session = await openSession({ url: store.database.url, applicationName: 'test' })
    try {
      return await work(session)
    } finally {
      await session.close()
    }
  }

  const plain = ({ offset, timestampMs, key, value, headers }: KafkaRecord): string =>
    JSON.stringify([
      String(offset),
      timestampMs,
      key?.toString('hex'),
      value?.toString('hex'),
      headers?.map((each) => [each.name, each.value]),
    ])

  /** What Kafka has. */
  async function inKafka(): Promise<readonly string[]> {
    const found: string[] = []
    for (const { partition, earliest, end } of await logs.extents(topic))
      for await (const records of reader.readRange(topic, partition, earliest, end))
        found.push(...records.map((each) => `${partition} ${plain(each)}`))
    return found
  }

  /** What archive and Kafka have together. @param keys of the archive's */
  async function kept(keys?: ReadonlySet<string>): Promise<readonly string[]> {
    return await withSession(async (session) => {
      const { ranges } = await keptRanges(kafka, (each) => frameFiles(session, each), topic, {
        fromMs: (TODAY - 3) * DAY_MS,
        byReceipt: false,
      })
      const found: string[] = []
      for (const range of ranges)
        for await (const { records } of readKept({ reader, logs, topic, log: quiet, signal, env: process.env, keys }, range))
          found.push(...records.map((each) => `${range.partition} ${plain(each)}`))
      return found
    })
  }

  it('has each record of days that are over once, whatever kills a run', async () => {
    expect(await withSession((session) => areFramesDue({ ...look(session), location: place.location }))).to.equal(true)
    const killed = (at: Partial<ArchivePlace>): Promise<readonly FramesEvent[]> => run({ ...place, ...at })
    const kills: readonly Partial<ArchivePlace>[] = [
      { put: () => Promise.reject(new Error('killed before the file has its name')) },
      {
        async put(name, path) {
          await place.put(name, path)
          throw new Error('killed before the database says that it counts')
        },
      },
      { putText: () => Promise.reject(new Error('killed before the manifest')) },
    ]
    for (const [index, kill] of kills.entries()) {
      let why = ''
      await killed(kill).catch((cause: unknown) => {
        why = String(cause)
      })
      expect(why, `kill ${index}`).to.include('killed before')
    }
    await run()
    expect(await run()).to.deep.equal([])
    const files = await withSession((session) => frameFiles(session, topic))
    expect(files.map(({ partition, day, state }) => `${partition} ${day} ${state}`)).to.deep.equal(
      [0, 1].flatMap((partition) => [3, 2, 1].map((ago) => `${partition} ${dateOf(ago)} archived`)),
    )
    expect(files.reduce((sum, { records }) => sum + records, 0)).to.equal(1200)
  })

  it('is a folder that DuckDB reads, with manifests that add up', async () => {
    const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
    const connection = await instance.connect()
    const [row] = (
      await connection.runAndReadAll(
        `SELECT count(*)::integer AS records, count(DISTINCT ("partition", "offset"))::integer AS places, sum(octet_length(value))::integer AS bytes,
           count(key)::integer AS keys, min(date)::varchar AS first FROM read_parquet('${folder}/${topic}/date=*/*.parquet', hive_partitioning = true)`,
      )
    ).getRowObjectsJson()
    connection.closeSync()
    instance.closeSync()
    const full = Array.from({ length: 1200 }, (_, number) => number).filter((number) => number % 13 !== 0)
    expect(row).to.deep.equal({
      records: 1200,
      places: 1200,
      bytes: full.length * 40 + 300_000 - 40,
      keys: Array.from({ length: 1200 }, (_, number) => number).filter((number) => number % 11 !== 0).length,
      first: dateOf(3),
    })
    const names = (await readdir(join(folder, topic, `date=${dateOf(2)}`))).sort()
    expect(names).to.have.length(3)
    const manifest = JSON.parse(await readFile(join(folder, topic, `date=${dateOf(2)}`, 'manifest.json'), 'utf8')) as {
      records: number
      files: { name: string }[]
    }
    expect(manifest.records).to.equal(400)
    expect([...manifest.files.map(({ name }) => name), 'manifest.json'].sort()).to.deep.equal(names)
  })

  it('gives back what Kafka has deleted, byte by byte, and says what neither has', async () => {
    const all = await inKafka()
    expect(all).to.have.length(1600)
    const extents = await logs.extents(topic)
    // All but the last 50 records of each partition: those are of today.
    const partitions = extents.map(({ partition, end }) => ({ partition, offset: String(end - 50n) }))
    await (await admin[KAFKAJS]()).deleteTopicRecords({ topic, partitions })
    const lastDay = new Set((await inKafka()).map((each) => each))
    expect(lastDay.size).to.equal(100)
    const found = await kept()
    const archived = all.filter((each) => Number((JSON.parse(each.slice(2)) as [string, number])[1]) < TODAY * DAY_MS)
    expect(found).to.have.members([...archived, ...lastDay])
    const own = new Set(['hive-3'])
    const ofHive = (each: string): boolean => each.includes(`"${Buffer.from('hive-3').toString('hex')}"`)
    expect(await kept(own)).to.have.members([...archived.filter(ofHive), ...lastDay])
    const { notKept } = await withSession((session) =>
      keptRanges(kafka, (each) => frameFiles(session, each), topic, { fromMs: (TODAY - 3) * DAY_MS, byReceipt: false }),
    )
    // What was deleted of today before it was archived.
    expect(
      [...notKept]
        .sort((a, b) => a.partition - b.partition)
        .map(({ partition, afterMs, beforeMs }) => [partition, (afterMs ?? 0) < TODAY * DAY_MS, (beforeMs ?? 0) > TODAY * DAY_MS]),
    ).to.deep.equal([
      [0, true, true],
      [1, true, true],
    ])
  })

  it('goes on behind records that Kafka deleted first, and says so', async () => {
    const events = await run(place, undefined, NOW_MS + DAY_MS)
    expect(events.map(({ event }) => event)).to.deep.equal(['lost', 'archived', 'lost', 'archived'])
    expect(
      (await withSession((session) => frameFiles(session, topic))).filter(({ day }) => day === dateOf(0)).map(({ records }) => records),
    ).to.deep.equal([50, 50])
    expect(await kept()).to.have.length(1300)
  })

  it('lets old days go', async () => {
    const events = await run(place, 2)
    expect(events.map(({ event }) => event)).to.deep.equal(['removed', 'removed'])
    expect((await readdir(join(folder, topic))).sort()).to.deep.equal([2, 1, 0].map((ago) => `date=${dateOf(ago)}`))
    expect((await kept()).length).to.equal(900)
  })
})
