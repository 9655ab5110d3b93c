import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import pg from 'pg'
import { partitionOf } from '../../connectors/kafka/partition.ts'
import { createRegistry } from '../../connectors/registry/registry.ts'
import { createStatusEncoder } from '../../processors/bridge/status.ts'
import type { DeviceId } from '../../processors/contract.ts'
import { topics, valueSubject } from '../../processors/topics.ts'
import { readSchema } from '../../schemas/files.ts'
import { address, frameRecord, produce, testFirmware, wire } from './frames.ts'
import { millrace, type RunningService, startService, until } from './service.ts'

/** Devices of this run: the stack keeps those of earlier ones. */
const run = `b${Date.now().toString(36)}`
const PARTITIONS = 6
const FLOOD = 1500

describe('a partition of which too much is bad', () => {
  let database: pg.Client
  let app: pg.Client
  let schemaId: number
  const firmware = testFirmware(run)
  const services: RunningService[] = []
  /** A device in partition 0, and one in partition 1. */
  const device = (name: string, partition: number): string => {
    for (let index = 0; ; index++) {
      const id = `${run}-${name}${index}`
      if (partitionOf(Buffer.from(id), PARTITIONS) === partition) return id
    }
  }
  const frames = (id: string, count: number) =>
    Array.from({ length: count }, (_, index) =>
      frameRecord(id, wire(schemaId, firmware.datum(index, Date.now() - 3_600_000 + index, [2000]))),
    )
  const rows = async (id: string): Promise<number> =>
    Number((await database.query('SELECT count(*) FROM readings WHERE device_id = $1', [id])).rows[0].count)
  const letters = async (processor: string, id: string): Promise<number> =>
    (await millrace('dead', 'export', processor, '--device', id)).split('\n').filter((line) => line.startsWith('{')).length

  before(async () => {
    await millrace('migrate')
    await millrace('schemas', 'register')
    database = new pg.Client(address('TELEMETRY_DATABASE_URL'))
    await database.connect()
    app = new pg.Client(address('APP_DATABASE_URL'))
    await app.connect()
    schemaId = await createRegistry(address('REGISTRY_URL')).register(firmware.subject, firmware.schema('0.01'))
  })

  afterEach(async () => {
    for (const service of services.splice(0)) await service[Symbol.asyncDispose]()
  })

  after(async () => {
    await database?.end()
    await app?.end()
  })

  it('is stopped by standardise, while the others go on; once the device is provisioned it goes on by itself', async function () {
    this.timeout(120_000)
    const [stranger, known] = [device('stranger', 0), device('known', 1)]
    await millrace('devices', 'add', '--account', 'test', known)
    await produce(frames(stranger, FLOOD))
    const standardise = await startService('run', 'standardise')
    services.push(standardise, await startService('store'))
    await until('health says so', async () => 'telemetry.frames/0' in ((await standardise.health()) ?? {}), 30_000)
    expect((await standardise.health())?.['telemetry.frames/0']).to.match(
      /^\d+ of the last \d+ records of telemetry\.frames\/0 cannot be processed; in this batch: unknown-device \d+/,
    )
    await produce(frames(known, 10))
    await until('the rows of another partition', async () => (await rows(known)) === 10)
    await delay(1000)
    const dead = await letters('standardise', stranger)
    expect(dead).to.be.below(1000)
    expect(standardise.log()).to.include('a partition is stopped')
    await millrace('devices', 'add', '--account', 'test', stranger)
    await until('it goes on', async () => (await rows(stranger)) === FLOOD - dead, 60_000)
    expect(await standardise.health()).to.deep.equal({})
    expect(await letters('standardise', stranger)).to.equal(dead)
  })

  it('is stopped by a business process before any letter; once the device is provisioned it goes on by itself, and only garbage is a dead letter', async function () {
    this.timeout(120_000)
    const unborn = device('unborn', 4)
    const statusId = await createRegistry(address('REGISTRY_URL')).register(
      valueSubject(topics.deviceStatus),
      JSON.stringify(readSchema('device-status').json),
    )
    const encode = createStatusEncoder(readSchema('device-status').json, statusId)
    const begun = Date.now() - 60_000
    const garbage = 3
    await produce(
      Array.from({ length: FLOOD + garbage }, (_, index) => ({
        topic: topics.deviceStatus,
        key: Buffer.from(unborn),
        value:
          index < garbage
            ? Buffer.from('no status')
            : encode(
                { payload: Buffer.from(JSON.stringify({ state: 'ready', boot: index - garbage })), receivedMs: begun + index },
                unborn as DeviceId,
              ),
        timestampMs: begun + index,
      })),
    )
    const devices = await startService('run', 'devices')
    services.push(devices)
    await until('health says so', async () => 'device.status/4' in ((await devices.health()) ?? {}), 30_000)
    expect((await devices.health())?.['device.status/4']).to.match(/in this batch: .*unknown-device \d+/)
    await delay(2_000)
    expect(await letters('devices', unborn)).to.equal(0)
    await millrace('devices', 'add', '--account', 'test', unborn)
    await until('health is good', async () => Object.keys((await devices.health()) ?? { gone: '' }).length === 0, 60_000)
    expect(await letters('devices', unborn)).to.equal(garbage)
    const { rows: known } = await app.query('SELECT boot FROM device_status WHERE device_id = $1', [unborn])
    expect(known).to.deep.equal([{ boot: FLOOD - 1 }])
  })

  it('is stopped by the store, while the others go on; once the constraint is gone it goes on by itself, and nothing is a dead letter', async function () {
    this.timeout(180_000)
    const [refused, taken] = [device('refused', 2), device('taken', 3)]
    await millrace('devices', 'add', '--account', 'test', refused, taken)
    services.push(await startService('run', 'standardise'))
    await produce(frames(refused, FLOOD))
    const readings = (): Promise<number> => services[0]?.metric('millrace_standardise_emitted_records_total') ?? Promise.resolve(0)
    await until('they are standardised', async () => (await readings()) >= FLOOD)
    await database.query(`ALTER TABLE readings ADD CONSTRAINT ${run} CHECK (device_id <> '${refused}') NOT VALID`)
    const store = await startService('store')
    services.push(store)
    try {
      await until('health says so', async () => 'telemetry.readings/2' in ((await store.health()) ?? {}), 60_000)
      expect((await store.health())?.['telemetry.readings/2']).to.match(/cannot be processed; in this batch: row-refused \d+/)
      await produce(frames(taken, 10))
      await until('the rows of another partition', async () => (await rows(taken)) === 10, 60_000)
      expect(await rows(refused)).to.equal(0)
    } finally {
      await database.query(`ALTER TABLE readings DROP CONSTRAINT ${run}`)
    }
    await until('it goes on', async () => (await rows(refused)) === FLOOD, 90_000)
    await until('health is good', async () => Object.keys((await store.health()) ?? { gone: '' }).length === 0)
    expect(await letters('store', refused)).to.equal(0)
  })
})
