import { join } from 'node:path'
import avro from 'avsc'
import { expect } from 'chai'
import { type Claim, ConnectorError, type Log } from '../../connectors/contract.ts'
import { createDatabase } from '../../connectors/postgres/database.ts'
import { provisionDevices } from '../../connectors/postgres/devices.ts'
import { migrateApp } from '../../connectors/postgres/migrate.ts'
import { readMigrations } from '../../connectors/postgres/migrations.ts'
import { createProcessRunner, type ProcessBatch, type ProcessRunner } from '../../connectors/postgres/process-runner.ts'
import { type ConsumerName, type DeviceId, type KafkaRecord, type Lookups, reject, type Topic } from '../../processors/contract.ts'
import { businessProcess as devicesProcess } from '../../processors/devices/process.ts'
import { defineProcess, inputsByDevice } from '../../processors/process.ts'
import { readSchema } from '../../schemas/files.ts'
import { type CuttingProxy, cuttingProxy } from './cutting-proxy.ts'
import { type ScratchDatabase, scratchDatabase } from './scratch-database.ts'

const silent: Log = { info: () => undefined, warn: () => undefined, error: () => undefined }
const consumer = 'devices' as ConsumerName
const topic = 'device.status' as Topic
const devices = ['a', 'b', 'c'].map((name) => name as DeviceId)

/** Adds each input to a sum; 13 breaks the code, 666 a constraint, 7 is rejected. */
const sums = defineProcess<number>({
  from: { topic, decode: () => undefined },
  database: 'app',
  order: 'newest-first',
  time: (item) => item,
  needs: [],
  reasons: { unlucky: { means: 'A seven.', whatToDo: 'Nothing.' } },
  handle: async (device, items, tx) => {
    for (const item of items) {
      await tx.query('INSERT INTO sums VALUES ($1, $2) ON CONFLICT (device) DO UPDATE SET sum = sums.sum + excluded.sum', [device, item])
      if (item === 13) throw new TypeError('thirteen')
      if (item === 7) return reject('unlucky', 'seven')
    }
    return undefined
  },
})

describe('the process runner', () => {
  let scratch: ScratchDatabase
  let proxy: CuttingProxy
  let runner: ProcessRunner

  beforeEach(async () => {
    scratch = await scratchDatabase('APP_DATABASE_URL')
    await migrateApp({ url: scratch.url, migrations: await readMigrations(join(import.meta.dirname, '../../../db/app')) })
    await scratch.query('CREATE TABLE sums (device text PRIMARY KEY, sum bigint CHECK (sum < 600))')
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
  const summed = () => scratch.query('SELECT device, sum FROM sums ORDER BY device')
  const offsets = () => scratch.query('SELECT next_offset, stored, dead FROM consumer_offset')

  it('commits what the process did, and the offsets, together', async () => {
    expect(await runner.commit(consumer, sums, batch(await claim(), { a: [1, 2], b: [4] }))).to.deep.equal({ tag: 'committed' })
    expect(await summed()).to.deep.equal([
      { device: 'a', sum: 3n },
      { device: 'b', sum: 4n },
    ])
    expect(await offsets()).to.deep.equal([{ next_offset: 1n, stored: 3n, dead: 0n }])
  })

  it('names every device that was rejected, broke the code or a constraint, and writes nothing', async () => {
    const result = await runner.commit(consumer, sums, batch(await claim(), { a: [1, 13], b: [4], c: [7], d: [666], e: [5] }))
    if (result.tag !== 'rejected') throw new Error(`expected rejections, got ${result.tag}`)
    expect(result.rejections.map(({ device, reason }) => [device, reason])).to.deep.equal([
      ['a', 'defect'],
      ['c', 'unlucky'],
      ['d', 'defect'],
    ])
    expect(result.rejections[2]?.detail).to.contain('sums_sum_check')
    expect(await summed()).to.deep.equal([])
    expect(await offsets()).to.deep.equal([{ next_offset: 0n, stored: 0n, dead: 0n }])
  })

  it('refuses an owner that lost the partition, and writes nothing', async () => {
    const claimed = await claim()
    await claim()
    expect(await runner.commit(consumer, sums, batch(claimed, { a: [1] }))).to.deep.equal({
      tag: 'fenced',
      partitions: [{ topic, partition: 0 }],
    })
    expect(await summed()).to.deep.equal([])
  })

  for (const when of ['before-sending', 'after-answer'] as const) {
    it(`commits once when the connection is cut in COMMIT, ${when}`, async () => {
      const given = batch(await claim(), { a: [1] })
      proxy.cutNext('COMMIT', when)
      expect(await runner.commit(consumer, sums, given)).to.deep.equal({ tag: 'committed' })
      expect(await summed()).to.deep.equal([{ device: 'a', sum: 1n }])
    })
  }

  it('takes a lost connection for an outage, not for the device’s', async () => {
    const given = batch(await claim(), { a: [1] })
    proxy.cutNext('INSERT INTO sums', 'before-sending')
    const error = await runner.commit(consumer, sums, given).catch((cause: unknown) => cause)
    expect(error).to.be.instanceOf(ConnectorError).that.includes({ transient: true })
    expect(await runner.commit(consumer, sums, given)).to.deep.equal({ tag: 'committed' })
  })

  it('takes a missing table for a defect that stops it, not for dead letters', async () => {
    const given = batch(await claim(), { a: [1] })
    await scratch.query('DROP TABLE sums')
    const error = await runner.commit(consumer, sums, given).catch((cause: unknown) => cause)
    expect(error).to.be.instanceOf(ConnectorError).that.includes({ transient: false, code: '42P01' })
  })

  it('says in a dry run what would be rejected, and changes nothing', async () => {
    const { devices: inputs } = batch(await claim(), { a: [1], b: [7], c: [13] })
    expect(await runner.dryRun(consumer, sums, inputs)).to.deep.equal([
      { device: 'b', reason: 'unlucky', detail: 'seven' },
      { device: 'c', reason: 'defect', detail: 'thirteen' },
    ])
    expect(await summed()).to.deep.equal([])
    expect(await offsets()).to.deep.equal([{ next_offset: 0n, stored: 0n, dead: 0n }])
  })

  describe('with process devices', () => {
    const schema = readSchema('device-status').json
    const type = avro.Type.forSchema(schema as avro.Schema, { wrapUnions: 'auto', logicalTypes: {} })
    const lookups: Lookups = {
      firmware: () => ({ tag: 'unknown' }),
      assignments: () => undefined,
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
      expect(await commit([record(a, 10, 'ready', 4), record(b, 10, 'ready', 1), record(a, 20, 'ready', 5)])).to.deep.equal({
        tag: 'committed',
      })
      expect(await commit([record(a, 30, 'lost', 4), record(b, 40, 'lost', 1)])).to.deep.equal({ tag: 'committed' })
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
