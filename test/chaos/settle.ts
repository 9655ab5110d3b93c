import { setTimeout as delay } from 'node:timers/promises'
import type { Kafka } from 'kafkajs'
import mqtt from 'mqtt'
import pg from 'pg'
import { kafkaError } from '../../connectors/kafka/outage.ts'
import { groupLag } from '../../connectors/kafka/topics.ts'
import { topics } from '../../processors/topics.ts'
import type { GoodReading } from './publisher.ts'

/** The device of the last reading of a phase. */
export const LAST_DEVICE = 'chaos-last'

/** No step forward for this long: something is stuck. Longer than any time-out of the line and the backoff after it. */
const STUCK_MS = 120_000
const POLL_MS = 500

export interface SettleOptions {
  readonly kafka: Kafka
  readonly mqttUrl: string
  readonly telemetryUrl: string
  readonly signal: AbortSignal
}

/**
 * Waits until everything that was published has gone as far as it goes: a last reading, which Mosquitto hands to the bridge after all the others,
 * is a row, and no consumer has anything left to read.
 * @returns the last reading
 */
export async function settle({ kafka, mqttUrl, telemetryUrl, signal }: SettleOptions): Promise<GoodReading> {
  const last: GoodReading = { tsMs: Date.now(), temperature: 1 }
  const client = await mqtt.connectAsync(mqttUrl, { protocolVersion: 5, clientId: LAST_DEVICE })
  await client.publishAsync(`devices/${LAST_DEVICE}/telemetry`, JSON.stringify({ ts: last.tsMs, temperature: last.temperature }), {
    qos: 1,
  })
  await client.endAsync()
  const database = new pg.Client(telemetryUrl)
  await database.connect()
  const admin = kafka.admin()
  await admin.connect()
  try {
    let progress = ''
    for (let sinceMs = Date.now(); ; await delay(POLL_MS, undefined, { signal })) {
      // Each hop is asked after the one before it: what came through meanwhile cannot slip past.
      const { rowCount } = await database.query('SELECT FROM readings WHERE device_id = $1 AND ts = to_timestamp($2)', [
        LAST_DEVICE,
        last.tsMs / 1000,
      ])
      const lags = await onceThere(() => groupLag(admin, 'standardise', [topics.frames]), signal)
      const toStandardise = lags.filter(({ lag }) => lag > 0n)
      const { rows: offsets } = await database.query<{ partition: number; next_offset: string | null }>(
        `SELECT partition, next_offset FROM consumer_offset WHERE consumer = 'store' AND topic = $1 ORDER BY partition`,
        [topics.readings],
      )
      const next = new Map(offsets.map(({ partition, next_offset }) => [partition, BigInt(next_offset ?? 0)]))
      const ends = await onceThere(() => admin.fetchTopicOffsets(topics.readings), signal)
      const toStore = ends.filter(({ partition, high }) => (next.get(partition) ?? 0n) < BigInt(high))
      if (rowCount === 1 && toStore.length === 0 && toStandardise.length === 0) return last
      const now = JSON.stringify([offsets, toStandardise.map(({ committed }) => String(committed)), rowCount])
      if (now !== progress) sinceMs = Date.now()
      else if (Date.now() - sinceMs > STUCK_MS)
        throw new Error(`nothing moved for ${STUCK_MS / 1000} s: ${stuck(rowCount, toStandardise, toStore)}`)
      progress = now
    }
  } finally {
    await database.end()
    await admin.disconnect()
  }
}

/** Asks Kafka again while it is not there yet: it may have been started a moment ago, and be loading what groups have committed. */
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
  toStandardise: readonly { partition: number; lag: bigint }[],
  toStore: readonly { partition: number }[],
): string {
  return [
    `the last reading is ${lastRow === 1 ? '' : 'not '}stored`,
    `standardise has left ${toStandardise.map(({ partition, lag }) => `${partition}: ${lag}`).join(', ') || 'nothing'}`,
    `the store has left partitions ${toStore.map(({ partition }) => partition).join(', ') || 'none'}`,
  ].join('; ')
}
