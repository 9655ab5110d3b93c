import { join } from 'node:path'
import { expect } from 'chai'
import type { Log } from '../../connectors/contract.ts'
import { SwapError } from '../../connectors/postgres/asset-checks.ts'
import { type Swapped, swapDevices } from '../../connectors/postgres/asset-swap.ts'
import { createDatabase, type Database } from '../../connectors/postgres/database.ts'
import { provisionDevices } from '../../connectors/postgres/devices.ts'
import { migrateApp } from '../../connectors/postgres/migrate.ts'
import { readMigrations } from '../../connectors/postgres/migrations.ts'
import { createProcessRunner, type ProcessRunner } from '../../connectors/postgres/process-runner.ts'
import type { ConsumerName, DeviceId, Topic } from '../../processors/contract.ts'
import { businessProcess as movement } from '../../processors/movement/process.ts'
import type { Fix } from '../../processors/movement/track.ts'
import { type ScratchDatabase, scratchDatabase } from './scratch-database.ts'

const silent: Log = { info: () => undefined, warn: () => undefined, error: () => undefined }
const consumer = 'movement' as ConsumerName
const topic = 'telemetry.readings' as Topic
const PARTITIONS = [0, 1] as const
type Partition = (typeof PARTITIONS)[number]

export const [A, B, C, D] = ['A', 'B', 'C', 'D'] as [DeviceId, DeviceId, DeviceId, DeviceId]
export const HOUR_MICROS = 3_600_000_000
/** When the tests begin, in microseconds since 1970. */
export const START = Date.UTC(2026, 3, 1) * 1000
/** So many hours later. */
export const hour = (hours: number): Date => new Date((START + hours * HOUR_MICROS) / 1000)

/** An app database in which devices are swapped, and movement that follows them. */
export class AssetRig implements AsyncDisposable {
  readonly scratch: ScratchDatabase
  readonly database: Database
  private readonly runner: ProcessRunner
  private places: { epoch: bigint; position: bigint }[] = []

  static async open(): Promise<AssetRig> {
    const scratch = await scratchDatabase('APP_DATABASE_URL')
    await migrateApp({ url: scratch.url, migrations: await readMigrations(join(import.meta.dirname, '../../../db/app')) })
    return new AssetRig(scratch)
  }

  private constructor(scratch: ScratchDatabase) {
    this.scratch = scratch
    this.database = createDatabase({ url: scratch.url, applicationName: 'test' })
    this.runner = createProcessRunner({ url: scratch.url, log: silent })
  }

  /** As at the beginning: nothing is there. */
  async reset(): Promise<void> {
    await this.scratch.query(
      'TRUNCATE devices, sites, accounts, consumer_offset, recompute_ranges, alert_rules, alert_device, outbox RESTART IDENTITY CASCADE',
    )
    const claims = await this.runner.claim(
      consumer,
      'topic-1',
      PARTITIONS.map((partition) => ({ topic, partition, earliest: 0n })),
    )
    this.places = claims.map(({ epoch, nextOffset }) => ({ epoch, position: nextOffset }))
  }

  async provision(account: string, site: string | null, ...devices: readonly DeviceId[]): Promise<void> {
    await provisionDevices(this.database, { account, site, devices, from: null })
  }

  swap(old: DeviceId, replacement: DeviceId, when: Date | null, fixes: readonly Fix[] = [], spare = false): Promise<Swapped> {
    return swapDevices(this.database, { old, replacement, at: when, spare, fixes })
  }

  /** Why a swap is refused. */
  async refusal(swapping: Promise<Swapped>): Promise<string> {
    const error = await swapping.then(
      () => undefined,
      (cause: unknown) => cause,
    )
    expect(error).to.be.instanceOf(SwapError)
    return (error as SwapError).message
  }

  /** The first column of the first row. */
  async value(text: string, ...values: readonly unknown[]): Promise<unknown> {
    return Object.values((await this.scratch.query(`SELECT ${text}`, values))[0] ?? {})[0]
  }

  /** Who measured what, and when. */
  async measured(): Promise<readonly string[]> {
    const rows = await this.scratch.query(
      'SELECT asset_id, device_id, valid::text FROM asset_devices ORDER BY asset_id, lower(valid) NULLS FIRST',
    )
    return rows.map(({ asset_id, device_id, valid }) => `${asset_id} ${device_id} ${String(valid).replaceAll(/:00:00\+00|"/g, '')}`)
  }

  /** Hives deployed at a moment. */
  hives(when: Date): Promise<unknown> {
    return this.value('sum(hives)::int FROM hives_deployed($1)', when)
  }

  /** Has movement follow fixes of a device, as one micro-batch. */
  async feed(device: DeviceId, items: readonly Fix[], partition: Partition = 0): Promise<void> {
    const place = this.places[partition]
    if (place === undefined) throw new Error(`partition ${partition} is not claimed`)
    const { epoch, position } = place
    const move = { topic, partition, from: position, to: position + 1n, leaderEpoch: 0, epoch, handled: 1, dead: 0 }
    const result = await this.runner.commit(consumer, movement, { devices: [{ device, items, records: [] }], moves: [move] })
    expect(result).to.include({ tag: 'committed' })
    place.position++
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.runner[Symbol.asyncDispose]()
    await this.database[Symbol.asyncDispose]()
    await this.scratch[Symbol.asyncDispose]()
  }
}
