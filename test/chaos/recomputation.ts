import { join } from 'node:path'
import pg from 'pg'
import type { Log } from '../../connectors/contract.ts'
import { migrateApp } from '../../connectors/postgres/migrate.ts'
import { readMigrations } from '../../connectors/postgres/migrations.ts'
import { processOutputs } from '../../connectors/postgres/outbox.ts'
import { createProcessRunner } from '../../connectors/postgres/process-runner.ts'
import { businessProcess as alerts } from '../../processors/alerts/process.ts'
import type { ConsumerName, KafkaRecord, Lookups, Topic } from '../../processors/contract.ts'
import { businessProcess as movement } from '../../processors/movement/process.ts'
import { type BusinessProcess, inputsByDevice } from '../../processors/process.ts'
import { topics } from '../../processors/topics.ts'
import { projectRoot } from '../../schemas/files.ts'
import { readingsSchema } from '../../schemas/generated/readings.ts'
import { HIVE_ACCOUNT, HIVES } from './hives.ts'
import { createRandom } from './random.ts'

/** Records of the hives, by partition, in Kafka's order. */
export type HiveRecords = ReadonlyMap<number, readonly KafkaRecord[]>

const DATABASE = 'recomputed'
const MOST_RECORDS = 40
const silent: Log = { info: () => undefined, warn: () => undefined, error: () => undefined }
/** What devices were before the first reading, and what the rules are. */
const COPIED = ['accounts', 'alert_rules'] as const
/** What reading a record of telemetry.readings looks up. */
export const lookups: Lookups = {
  firmware: () => ({ tag: 'unknown' }),
  assignments: () => undefined,
  speaksFor: () => false,
  dialect: () => undefined,
  anchor: () => Number.NaN,
  schema: () => readingsSchema.json,
}

/**
 * Does all that movement and alerts have done again, in a database of its own beside the app
 * database: one instance that nothing happens to, in micro-batches of other sizes.
 * @returns the URL of the database
 */
export async function recompute(appUrl: string, records: HiveRecords, seed: number): Promise<string> {
  const url = new URL(appUrl)
  url.pathname = `/${DATABASE}`
  const app = new pg.Client(appUrl)
  await app.connect()
  try {
    await app.query(`DROP DATABASE IF EXISTS ${DATABASE}`)
    await app.query(`CREATE DATABASE ${DATABASE}`)
    await migrateApp({ url: url.href, migrations: await readMigrations(join(projectRoot, 'db/app')) })
    await prepare(app, url.href)
  } finally {
    await app.end()
  }
  for (const [name, businessProcess] of [
    ['movement', movement],
    ['alerts', alerts],
  ] as const)
    await run(url.href, name as ConsumerName, businessProcess as BusinessProcess<unknown>, records, seed)
  return url.href
}

async function prepare(app: pg.Client, url: string): Promise<void> {
  const fresh = new pg.Client(url)
  await fresh.connect()
  try {
    for (const table of COPIED) {
      const { rows } = await app.query<{ rows: unknown }>(`SELECT jsonb_agg(t ORDER BY id)::text AS rows FROM ${table} t`)
      await fresh.query(`INSERT INTO ${table} OVERRIDING SYSTEM VALUE SELECT * FROM jsonb_populate_recordset(NULL::${table}, $1::jsonb)`, [
        rows[0]?.rows,
      ])
    }
    await fresh.query('INSERT INTO devices (id) SELECT unnest($1::text[])', [HIVES])
    await fresh.query(
      `INSERT INTO assignments (device_id, account_id, valid) SELECT d.id, a.id, '(,)' FROM devices d, accounts a WHERE a.name = $1`,
      [HIVE_ACCOUNT],
    )
  } finally {
    await fresh.end()
  }
}

async function run(
  url: string,
  consumer: ConsumerName,
  businessProcess: BusinessProcess<unknown>,
  records: HiveRecords,
  seed: number,
): Promise<void> {
  const outputs = processOutputs(consumer, businessProcess, new Map(), new Map())
  await using runner = createProcessRunner({ url, log: silent, outputs })
  const topic: Topic = topics.readings
  const random = createRandom(seed)
  for (const [partition, all] of records) {
    const [claim] = await runner.claim(consumer, 'recomputed', [{ topic, partition, earliest: 0n }])
    if (claim === undefined) throw new Error(`partition ${partition} was not claimed`)
    for (let at = 0; at < all.length; ) {
      const batch = all.slice(at, at + random.whole(1, MOST_RECORDS))
      const { devices, undecodable } = inputsByDevice(businessProcess, batch, lookups)
      const move = { topic, partition, from: BigInt(at), to: BigInt(at + batch.length), leaderEpoch: 0, epoch: claim.epoch }
      const result = await runner.commit(consumer, businessProcess, {
        devices,
        moves: [{ ...move, handled: batch.length, dead: 0 }],
      })
      if (result.tag !== 'committed' || undecodable.length > 0)
        throw new Error(`recomputing ${consumer}: ${JSON.stringify(result)}, ${undecodable.length} records cannot be read`)
      at += batch.length
    }
  }
}
