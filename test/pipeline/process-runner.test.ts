import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import avro from 'avsc'
import { expect } from 'chai'
import { type Claim, ConnectorError, type Log } from '../../connectors/contract.ts'
import { createDatabase } from '../../connectors/postgres/database.ts'
import { provisionDevices } from '../../connectors/postgres/devices.ts'
import { migrateApp } from '../../connectors/postgres/migrate.ts'
import { readMigrations } from '../../connectors/postgres/migrations.ts'
import { createProcessRunner, type ProcessBatch, type ProcessRunner } from '../../connectors/postgres/process-runner.ts'
import type { ConsumerName, DeviceId, KafkaRecord, Lookups, Topic } from '../../processors/contract.ts'
import { businessProcess as devicesProcess } from '../../processors/devices/process.ts'
import { type BusinessProcess, inputsByDevice } from '../../processors/process.ts'
import { readSchema } from '../../schemas/files.ts'
import { processRunnerConformance, sums } from '../conformance/process-runner.ts'
import { type CuttingProxy, cuttingProxy } from './cutting-proxy.ts'
import { type ScratchDatabase, scratchDatabase } from './scratch-database.ts'

const silent: Log = { info: () => undefined, warn: () => undefined, error: () => undefined }
const consumer = 'devices' as ConsumerName
const topic = 'device.status' as Topic
const devices = ['a', 'b', 'c'].map((name) => name as DeviceId)

async function appDatabase(): Promise<ScratchDatabase> {
  const scratch = await scratchDatabase('APP_DATABASE_URL')
  await migrateApp({ url: scratch.url, migrations: await readMigrations(join(import.meta.dirname, '../../../db/app')) })
  await scratch.query('CREATE TABLE sums (device text PRIMARY KEY, sum bigint CHECK (sum < 600))')
  return scratch
}

processRunnerConformance('on PostgreSQL', async () => {
  const scratch = await appDatabase()
  const proxy = await cuttingProxy(scratch.url)
  const runner = createProcessRunner({ url: proxy.url, log: silent })
  const rows = async <Row>(text: string): Promise<readonly Row[]> => (await scratch.query(text)) as unknown as readonly Row[]
  return {
    runner,
    cutNext: (...cut) => proxy.cutNext(...cut),
    sums: () => rows('SELECT device, sum FROM sums ORDER BY device'),
    offsets: () => rows('SELECT next_offset, stored, dead FROM consumer_offset'),
    async [Symbol.asyncDispose]() {
      await runner[Symbol.asyncDispose]()
      await proxy[Symbol.asyncDispose]()
      await scratch[Symbol.asyncDispose]()
    },
  }
})

describe('the process runner and its database', () => {
  let scratch: ScratchDatabase
  let proxy: CuttingProxy
  let runner: ProcessRunner

  beforeEach(async () => {
    scratch = await appDatabase()
    proxy = await cuttingProxy(scratch.url)
    runner = createProcessRunner({ url: proxy.url, log: silent })
  })

  afterEach(async () => {
    await runner[Symbol.asyncDispose]()
    await proxy[Symbol.asyncDispose]()
    await scratch[Symbol.asyncDispose]()
  })

  const claim = async (by = runner): Promise<Claim> => {
    const [claimed] = await by.claim(consumer, 'topic-1', [{ topic, partition: 0, earliest: 0n }])
    if (claimed === undefined) throw new Error('nothing was claimed')
    return claimed
  }
  const batch = ({ epoch, nextOffset }: Claim, items: Readonly<Record<string, readonly number[]>>): ProcessBatch<number> => {
    const from = nextOffset
    return {
      devices: Object.entries(items).map(([device, values]) => ({ device: device as DeviceId, items: values, records: [] })),
      moves: [{ topic, partition: 0, from, to: from + 1n, leaderEpoch: 0, epoch, handled: Object.values(items).flat().length, dead: 0 }],
    }
  }

  it('handles one by one what is left of those that are handled together, or all of them if one is at fault', async () => {
    const byItself: string[] = []
    const together: BusinessProcess<number> = {
      ...sums,
      handle: (device, items, tx) => {
        byItself.push(device)
        return sums.handle(device, items, tx)
      },
      together: async (inputs, tx) => {
        const simple = inputs.filter(({ items }) => items.length === 1)
        await tx.query('INSERT INTO sums SELECT * FROM unnest($1::text[], $2::bigint[])', [
          simple.map(({ device }) => device),
          simple.map(({ items }) => items[0]),
        ])
        return inputs.filter(({ items }) => items.length > 1)
      },
    }
    expect(await runner.commit(consumer, together, batch(await claim(), { c: [1, 2], a: [4], b: [5] }))).to.include({ tag: 'committed' })
    expect(byItself.splice(0)).to.deep.equal(['c'])
    expect(await scratch.query('SELECT device, sum::integer FROM sums ORDER BY device')).to.deep.equal([
      { device: 'a', sum: 4 },
      { device: 'b', sum: 5 },
      { device: 'c', sum: 3 },
    ])
    // The database refuses one of them: what was done together is taken back.
    const result = await runner.commit(consumer, together, batch(await claim(), { e: [666], d: [1] }))
    expect(result).to.deep.include({ tag: 'rejected' })
    expect(byItself.splice(0)).to.deep.equal(['d', 'e'])
    expect(await runner.commit(consumer, together, batch(await claim(), { f: [1, 7], d: [1] }))).to.deep.include({ tag: 'rejected' })
    expect(byItself).to.deep.equal(['f'])
    expect(await scratch.query("SELECT FROM sums WHERE device IN ('d', 'e', 'f')")).to.deep.equal([])
  })

  it('takes a lost connection for an outage, not for the device’s', async () => {
    const given = batch(await claim(), { a: [1] })
    proxy.cutNext('INSERT INTO sums', 'before-sending')
    const error = await runner.commit(consumer, sums, given).catch((cause: unknown) => cause)
    expect(error).to.be.instanceOf(ConnectorError).that.includes({ transient: true })
    expect(await runner.commit(consumer, sums, given)).to.include({ tag: 'committed' })
  })

  it('takes a missing table for a defect that stops it, not for dead letters', async () => {
    const given = batch(await claim(), { a: [1] })
    await scratch.query('DROP TABLE sums')
    const error = await runner.commit(consumer, sums, given).catch((cause: unknown) => cause)
    expect(error).to.be.instanceOf(ConnectorError).that.includes({ transient: false, code: '42P01' })
  })

  it('locks the devices of a batch in the order of their IDs, so that two processes do not wait for each other', async () => {
    await scratch.query("INSERT INTO devices (id) VALUES ('a'), ('b'), ('c')")
    const locking: typeof sums = {
      ...sums,
      handle: async (device, _items, tx) => {
        await tx.query('SELECT FROM devices WHERE id = $1 FOR UPDATE', [device])
        // The other one gets its first lock meanwhile.
        await delay(200)
        return undefined
      },
    }
    const inputs = (ids: string) => [...ids].map((id) => ({ device: id as DeviceId, items: [1], records: [] }))
    await using other = createProcessRunner({ url: scratch.url, log: silent })
    // Before, one of them was a deadlock (40P01), which was tried again after a second.
    expect(
      await Promise.all([
        runner.dryRun(consumer, locking, inputs('acb')),
        other.dryRun('movement' as ConsumerName, locking, inputs('cba')),
      ]),
    ).to.deep.equal([[], []])
  })

  describe('with process devices', () => {
    const schema = readSchema('device-status').json
    const type = avro.Type.forSchema(schema as avro.Schema, { wrapUnions: 'auto', logicalTypes: {} })
    const lookups: Lookups = {
      firmware: () => ({ tag: 'unknown' }),
      assignments: () => undefined,
      speaksFor: () => false,
      dialect: () => undefined,
      anchor: () => Number.NaN,
      schema: (id) => (id === 1 ? schema : undefined),
    }
    const record = (device: DeviceId, received: number, state: string, boot: number | null): KafkaRecord => ({
      key: Buffer.from(device),
      value: Buffer.concat([
        Buffer.from([0, 0, 0, 0, 1]),
        type.toBuffer({ device_id: device, received: received * 1_000_000, state, boot, firmware: 'hive-1', detail: null }),
      ]),
      timestampMs: received * 1000,
      offset: 0n,
    })
    const commit = async (records: readonly KafkaRecord[]) => {
      const inputs = inputsByDevice(devicesProcess, records, lookups)
      expect(inputs.undecodable).to.deep.equal([])
      return runner.commit(consumer, devicesProcess, { ...batch(await claim(), {}), devices: inputs.devices })
    }

    it('keeps what each device last said, but for the stale will', async () => {
      await using database = createDatabase({ url: scratch.url, applicationName: 'test' })
      await provisionDevices(database, { account: 'bees', site: null, devices, from: null })
      const [a, b] = devices as [DeviceId, DeviceId]
      expect(await commit([record(a, 10, 'ready', 4), record(b, 10, 'ready', 1), record(a, 20, 'ready', 5)])).to.include({
        tag: 'committed',
      })
      expect(await commit([record(a, 30, 'lost', 4), record(b, 40, 'lost', 1)])).to.include({ tag: 'committed' })
      expect(await scratch.query('SELECT device_id, state, boot, firmware, seen_at FROM device_status ORDER BY device_id')).to.deep.equal([
        { device_id: 'a', state: 'ready', boot: 5, firmware: 'hive-1', seen_at: new Date(20_000) },
        { device_id: 'b', state: 'lost', boot: 1, firmware: 'hive-1', seen_at: new Date(40_000) },
      ])
    })

    it('rejects the status of a device that nobody knows', async () => {
      const result = await commit([record('nobody' as DeviceId, 10, 'ready', 1)])
      expect(result).to.deep.equal({
        tag: 'rejected',
        rejections: [{ device: 'nobody', reason: 'unknown-device', detail: 'nobody is not in the app database' }],
      })
    })
  })
})
