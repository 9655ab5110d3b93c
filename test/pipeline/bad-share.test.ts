import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import type pg from 'pg'
import { createRegistry, type SchemaRegistry } from '../../connectors/registry/registry.ts'
import { createStatusEncoder } from '../../processors/bridge/status.ts'
import type { DeviceId, OutgoingRecord } from '../../processors/contract.ts'
import { topics, valueSubject } from '../../processors/topics.ts'
import { readSchema } from '../../schemas/files.ts'
import { frameRecord, produce, testFirmware, wire } from './frames.ts'
import { millrace, type RunningService, startService, until } from './service.ts'
import { address, testDatabase } from './stack-clients.ts'

/** Devices of this run: the stack keeps those of earlier ones. */
const run = `b${Date.now().toString(36)}`
const DEVICES = 100
const EACH = 15

describe('a mistake that makes 100 good devices bad', () => {
  const registry: SchemaRegistry = createRegistry(address('REGISTRY_URL'))
  const services: RunningService[] = []
  let database: pg.Client
  let app: pg.Client

  const names = (part: string): readonly string[] => Array.from({ length: DEVICES }, (_, index) => `${run}-${part}${index}`)
  const rows = async (part: string): Promise<number> =>
    Number((await database.query('SELECT count(*) FROM readings WHERE device_id LIKE $1', [`${run}-${part}%`])).rows[0].count)
  const deadLetters = async (processor: string, part: string): Promise<number> =>
    (await millrace('dead', 'export', processor)).split('\n').filter((line) => line.includes(`"device":"${run}-${part}`)).length
  const problems = async (service: RunningService, topic: string): Promise<readonly string[]> =>
    Object.entries((await service.health()) ?? {}).flatMap(([part, why]) => (part.startsWith(`${topic}/`) ? [why] : []))
  const isWell = async (service: RunningService): Promise<boolean> => Object.keys((await service.health()) ?? { gone: '' }).length === 0

  before(async () => {
    await millrace('migrate')
    await millrace('schemas', 'register')
    database = testDatabase(address('TELEMETRY_DATABASE_URL'))
    await database.connect()
    app = testDatabase(address('APP_DATABASE_URL'))
    await app.connect()
  })

  afterEach(async () => {
    for (const service of services.splice(0)) await service[Symbol.asyncDispose]()
  })

  after(async () => {
    await database?.end()
    await app?.end()
  })

  /** A frame of each device with one sample, so many times. */
  function frames(part: string, schemaId: number, firmware: ReturnType<typeof testFirmware>, from: number, each: number): OutgoingRecord[] {
    const begin = Date.now() - 3_600_000
    return Array.from({ length: each }, (_, index) =>
      names(part).map((id) => frameRecord(id, wire(schemaId, firmware.datum(from + index, begin + (from + index) * 1000, [2500])))),
    ).flat()
  }

  /** What `millrace lag` says of why a processor is behind. */
  async function causesOfLag(name: string, port: number): Promise<string> {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-bad-share-'))
    try {
      const config = join(folder, 'millrace.yaml')
      writeFileSync(config, `processors: [${name}]\nmetrics: { ports: { ${name}: ${port} } }\n`)
      const { groups } = JSON.parse(await millrace('lag', '--json', '--over', '1s', '--config', config)) as {
        readonly groups: readonly { readonly group: string; readonly causes: readonly string[] }[]
      }
      return groups.find(({ group }) => group === name)?.causes.join('; ') ?? ''
    } finally {
      rmSync(folder, { recursive: true })
    }
  }

  it('stops their partitions in standardise; once the conversion is fixed they go on by themselves, with hardly a dead letter', async function () {
    this.timeout(120_000)
    const firmware = testFirmware(`${run}a`)
    const schemaId = await registry.register(firmware.subject, firmware.schema('0.01'))
    await millrace('devices', 'add', '--account', 'test', ...names('hot'))
    const standardise = await startService('run', 'standardise')
    services.push(standardise, await startService('store'))
    await produce(frames('hot', schemaId, firmware, 0, 2))
    await until('they were good', async () => (await rows('hot')) === 2 * DEVICES)
    // 25 °C becomes 250 °C. The registry is asked again for attributes now and then.
    await registry.register(firmware.subject, firmware.schema('0.1'))
    const [probe] = frames('hot', schemaId, firmware, 50, 1)
    await until('the wrong conversion is in use', async () => {
      await produce([probe as OutgoingRecord])
      return (await deadLetters('standardise', 'hot')) > 0
    })
    const before = await deadLetters('standardise', 'hot')
    await produce(frames('hot', schemaId, firmware, 100, EACH))
    await until('health says so', async () => (await problems(standardise, topics.frames)).length > 0)
    expect((await problems(standardise, topics.frames))[0]).to.match(
      /^\d+ of \d+ devices that were good lately are refused now; in this batch of telemetry\.frames\/\d: out-of-range \d+/,
    )
    expect(standardise.log()).to.include('a partition is stopped')
    await delay(1000)
    expect(await causesOfLag('standardise', standardise.port)).to.match(
      /devices that were good lately are refused now; in this batch of telemetry\.frames\/\d: out-of-range .*, since \d\d:\d\d:\d\d/,
    )
    // A partition may take its part before the others show how many it is.
    expect((await deadLetters('standardise', 'hot')) - before).to.be.below(DEVICES * EACH * 0.5)
    const dead = await deadLetters('standardise', 'hot')
    // Another text: the registry takes one that it had for that version, which is not the newest.
    await registry.register(firmware.subject, firmware.schema('0.010'))
    await until('they go on', async () => (await isWell(standardise)) && (await rows('hot')) >= 2 * DEVICES + DEVICES * EACH - dead, 90_000)
    expect(await deadLetters('standardise', 'hot')).to.equal(dead)
  })

  it('stops their partitions in a business process before any dead letter; once it is fixed they go on by themselves', async function () {
    this.timeout(120_000)
    const schema = readSchema('device-status').json
    const statusId = await registry.register(valueSubject(topics.deviceStatus), JSON.stringify(schema))
    const encode = createStatusEncoder(schema, statusId)
    const statuses = (from: number, each: number): OutgoingRecord[] =>
      Array.from({ length: each }, (_, index) =>
        names('born').map((id) => ({
          topic: topics.deviceStatus,
          key: Buffer.from(id),
          value: encode(
            { payload: Buffer.from(JSON.stringify({ state: 'ready', boot: from + index })), receivedMs: Date.now(), retain: false },
            id as DeviceId,
          ),
          timestampMs: Date.now(),
        })),
      ).flat()
    const boots = async (): Promise<number> =>
      Number(
        (await app.query('SELECT coalesce(sum(boot), 0) AS sum FROM device_status WHERE device_id LIKE $1', [`${run}-born%`])).rows[0].sum,
      )
    await millrace('devices', 'add', '--account', 'test', ...names('born'))
    const devices = await startService('run', 'devices')
    services.push(devices)
    await produce(statuses(1, 1))
    await until('they were good', async () => (await boots()) === DEVICES)
    await app.query(`ALTER TABLE device_status ADD CONSTRAINT ${run} CHECK (boot < 2 OR device_id NOT LIKE '${run}%') NOT VALID`)
    try {
      await produce(statuses(2, EACH))
      await until('health says so', async () => (await problems(devices, topics.deviceStatus)).length > 0, 30_000)
      expect((await problems(devices, topics.deviceStatus))[0]).to.match(/in this batch of device\.status\/\d: defect \d+/)
    } finally {
      await app.query(`ALTER TABLE device_status DROP CONSTRAINT ${run}`)
    }
    const dead = await deadLetters('devices', 'born')
    expect(dead).to.be.below(DEVICES * EACH * 0.5)
    await until('health is good', () => isWell(devices), 60_000)
    expect(await boots()).to.be.at.least((DEVICES - Math.ceil(dead / EACH)) * (1 + EACH))
  })

  it('stops their partitions in the store; once the constraint is gone they go on by themselves', async function () {
    this.timeout(180_000)
    const firmware = testFirmware(`${run}c`)
    const schemaId = await registry.register(firmware.subject, firmware.schema('0.01'))
    await millrace('devices', 'add', '--account', 'test', ...names('kept'))
    const standardise = await startService('run', 'standardise')
    const store = await startService('store')
    services.push(standardise, store)
    await produce(frames('kept', schemaId, firmware, 0, 2))
    await until('they were good', async () => (await rows('kept')) === 2 * DEVICES)
    await database.query(
      `ALTER TABLE readings ADD CONSTRAINT ${run} CHECK (device_id NOT LIKE '${run}-kept%' OR temperature IS NULL) NOT VALID`,
    )
    try {
      await produce(frames('kept', schemaId, firmware, 100, EACH))
      await until('health says so', async () => (await problems(store, topics.readings)).length > 0, 60_000)
      expect((await problems(store, topics.readings))[0]).to.match(/in this batch of telemetry\.readings\/\d: row-refused \d+/)
    } finally {
      await database.query(`ALTER TABLE readings DROP CONSTRAINT ${run}`)
    }
    const dead = await deadLetters('store', 'kept')
    expect(dead).to.be.below(DEVICES * EACH * 0.5)
    await until('they go on', async () => (await isWell(store)) && (await rows('kept')) >= 2 * DEVICES + DEVICES * EACH - dead, 90_000)
    expect(await deadLetters('store', 'kept')).to.be.at.least(dead)
  })
})
