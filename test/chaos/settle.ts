import { setTimeout as delay } from 'node:timers/promises'
import mqtt from 'mqtt'
import pg from 'pg'
import { KAFKAJS, type KafkaAdmin, type KafkaClient, openAdmin } from '../../connectors/kafka/client.ts'
import { kafkaError } from '../../connectors/kafka/outage.ts'
import { groupLag } from '../../connectors/kafka/topics.ts'
import { topics } from '../../processors/topics.ts'
import { declaredServices } from '../../services/declared.ts'
import type { GoodReading } from './publisher.ts'
import { PROCESSORS } from './services.ts'

/** The device of the last reading of a phase. */
export const LAST_DEVICE = 'chaos-last'

/**
 * No step forward for this long: something is stuck. Longer than any time-out of the line and the
 * backoff after it.
 */
const STUCK_MS = 120_000
const POLL_MS = 500

/** Something does not go on. */
export class StuckError extends Error {
  /** The reading that was waited for: it may come later. */
  readonly last: GoodReading

  constructor(last: GoodReading, message: string) {
    super(message)
    this.last = last
  }
}

export interface SettleOptions {
  readonly kafka: KafkaClient
  readonly mqttUrl: string
  readonly telemetryUrl: string
  readonly appUrl: string
  /**
   * Whether the consumers that only follow (continuity, the business processes) must have come to
   * the end as well.
   */
  readonly everyone: boolean
  readonly signal: AbortSignal
}

/**
 * Waits until everything that was published has gone as far as it goes: a last reading, which
 * Mosquitto hands to the bridge after all the others, is a row, and no consumer has anything left
 * to read.
 * @returns the last reading
 */
export async function settle({ kafka, mqttUrl, telemetryUrl, appUrl, everyone, signal }: SettleOptions): Promise<GoodReading> {
  const last: GoodReading = { tsMs: Date.now(), temperature: 1 }
  const client = await mqtt.connectAsync(mqttUrl, { protocolVersion: 5, clientId: LAST_DEVICE })
  await client.publishAsync(`devices/${LAST_DEVICE}/telemetry`, JSON.stringify({ ts: last.tsMs, temperature: last.temperature }), {
    qos: 1,
  })
  await client.endAsync()
  const database = new pg.Client(telemetryUrl)
  await database.connect()
  await using admin = openAdmin(kafka)
  const processors = (await declaredServices({ processors: PROCESSORS })).filter(
    ({ offsets, reads }) => offsets === 'kafka' && reads.length > 0,
  )
  try {
    let progress = ''
    for (let sinceMs = Date.now(); ; await delay(POLL_MS, undefined, { signal })) {
      // Each hop is asked after the one before it: what came through meanwhile cannot slip past.
      const rowCount = (await unlessExhausted(() => findLast(database, last)))?.rowCount ?? null
      const lags = await Promise.all(
        processors.map(async ({ name, reads }) =>
          (await onceThere(() => groupLag(admin, name, reads), signal)).map((each) => ({ ...each, name })),
        ),
      )
      const toProcess = lags.flat().filter(({ lag }) => lag !== 0n)
      const offsets = (await unlessExhausted(() => findOffsets(database)))?.rows ?? []
      const next = new Map(offsets.map(({ partition, next_offset }) => [partition, BigInt(next_offset ?? 0)]))
      const ends = await onceThere(async () => (await admin[KAFKAJS]()).fetchTopicOffsets(topics.readings), signal)
      const toStore = ends.filter(({ partition, high }) => (next.get(partition) ?? 0n) < BigInt(high))
      const behind = everyone ? await notAtEnd(admin, [telemetryUrl, appUrl], signal) : []
      if (rowCount === 1 && toStore.length === 0 && toProcess.length === 0 && behind.length === 0) return last
      const now = JSON.stringify([offsets, toProcess.map(({ name, committed }) => `${name} ${committed}`), rowCount, behind])
      if (now !== progress) sinceMs = Date.now()
      else if (Date.now() - sinceMs > STUCK_MS)
        throw new StuckError(last, `nothing moved for ${STUCK_MS / 1000} s: ${stuck(rowCount, toProcess, toStore, behind)}`)
      progress = now
    }
  } finally {
    await database.end()
  }
}

/** Out of locks, the server cannot tell: whoever took them all must give them back. */
const OUT_OF_MEMORY = '53200'

async function unlessExhausted<Answer>(ask: () => Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await ask()
  } catch (cause) {
    if (cause instanceof pg.DatabaseError && cause.code === OUT_OF_MEMORY) return undefined
    throw cause
  }
}

function findLast(database: pg.Client, { tsMs }: GoodReading): Promise<pg.QueryResult> {
  return database.query('SELECT FROM readings WHERE device_id = $1 AND ts = $2', [LAST_DEVICE, new Date(tsMs)])
}

function findOffsets(database: pg.Client): Promise<pg.QueryResult<{ partition: number; next_offset: string | null }>> {
  return database.query(`SELECT partition, next_offset FROM consumer_offset WHERE consumer = 'store' AND topic = $1 ORDER BY partition`, [
    topics.readings,
  ])
}

/** A consumer's place in a partition, as the databases have it. */
export interface Position {
  readonly consumer: string
  readonly topic: string
  readonly partition: number
  readonly nextOffset: bigint | null
}

/** Of every consumer that keeps its offsets in a database. */
export async function readPositions(urls: readonly string[]): Promise<readonly Position[]> {
  const positions: Position[] = []
  for (const url of urls) {
    const database = new pg.Client(url)
    await database.connect()
    try {
      const { rows } = await database.query<{ consumer: string; topic: string; partition: number; next: string | null }>(
        'SELECT consumer, topic, partition, next_offset AS next FROM consumer_offset ORDER BY consumer, topic, partition',
      )
      for (const { consumer, topic, partition, next } of rows)
        positions.push({ consumer, topic, partition, nextOffset: next === null ? null : BigInt(next) })
    } finally {
      await database.end()
    }
  }
  return positions
}

/**
 * `consumer topic/partition position of end` of each that is not where its topic ends, before or
 * after it.
 */
async function notAtEnd(admin: KafkaAdmin, urls: readonly string[], signal: AbortSignal): Promise<readonly string[]> {
  const ends = new Map<string, Map<number, bigint>>()
  const behind: string[] = []
  for (const { consumer, topic, partition, nextOffset } of await readPositions(urls)) {
    let partitions = ends.get(topic)
    if (partitions === undefined) {
      const offsets = await onceThere(async () => (await admin[KAFKAJS]()).fetchTopicOffsets(topic), signal)
      partitions = new Map(offsets.map((each) => [each.partition, BigInt(each.high)]))
      ends.set(topic, partitions)
    }
    const end = partitions.get(partition) ?? 0n
    if ((nextOffset ?? 0n) !== end) behind.push(`${consumer} ${topic}/${partition} ${nextOffset} of ${end}`)
  }
  return behind
}

/**
 * Asks Kafka again while it is not there yet: it may have been started a moment ago, and be loading
 * what groups have committed.
 */
async function onceThere<Answer>(ask: () => Promise<Answer>, signal: AbortSignal): Promise<Answer> {
  for (const deadline = Date.now() + STUCK_MS; ; await delay(POLL_MS, undefined, { signal })) {
    try {
      return await ask()
    } catch (cause) {
      const error = kafkaError('waiting until all is read', cause)
      if (!error.transient || Date.now() > deadline) throw error
    }
  }
}

function stuck(
  lastRow: number | null,
  toProcess: readonly { name: string; partition: number; lag: bigint | null }[],
  toStore: readonly { partition: number }[],
  behind: readonly string[],
): string {
  return [
    `the last reading is ${lastRow === 1 ? '' : 'not '}stored`,
    `processors have left ${toProcess.map(({ name, partition, lag }) => `${name} ${partition}: ${lag}`).join(', ') || 'nothing'}`,
    `the store has left partitions ${toStore.map(({ partition }) => partition).join(', ') || 'none'}`,
    `others: ${behind.join(', ') || 'none'}`,
  ].join('; ')
}
