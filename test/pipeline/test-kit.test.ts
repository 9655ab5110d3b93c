import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { createRegistry } from '../../connectors/registry/registry.ts'
import { processor as frostAlert } from '../../examples/frost-alert/processor.ts'
import { kafkaRecordsOf } from '../../kit/testing/feed.ts'
import { checkGolden, readingsRecord, tryProcess } from '../../kit/testing.ts'
import { drop, type OutgoingRecord, reject } from '../../processors/contract.ts'
import { fingerprintHeaders } from '../../processors/fingerprint-header.ts'
import { defineProcess } from '../../processors/process.ts'
import { processor as standardise } from '../../processors/standardise/processor.ts'
import { readings, topics, valueSubject } from '../../processors/topics.ts'
import { processor as translate } from '../../processors/translate/processor.ts'
import { projectRoot } from '../../schemas/files.ts'
import { readingsSchema } from '../../schemas/generated/readings.ts'
import { frameRecord, produce, testFirmware, wire } from './frames.ts'
import { produceRaw } from './raw-messages.ts'
import { millrace } from './service.ts'
import { address } from './stack-clients.ts'

/** Devices of this run: the stack keeps those of earlier ones. */
const run = `k${Date.now().toString(36)}`
const [hive, later, other] = [`${run}-hive`, `${run}-later`, `${run}-other`]
const NOW = Date.now()
const FROST_ALERT = `${projectRoot}examples/frost-alert`
const at = (ms: number): string => new Date(ms).toISOString()
const SPAN = ['--from', at(NOW - 60_000), '--to', at(NOW)]

describe('millrace record', () => {
  const registry = createRegistry(address('REGISTRY_URL'))
  const firmware = testFirmware(run)
  let folder: string
  let readingsId: number

  /** What standardise would have sent. */
  const reading = (device_id: string, temperature: number | null, timestampMs: number, account_id: number | null = 1): OutgoingRecord => {
    const record = readingsRecord({ device_id, ts: timestampMs * 1000, temperature, account_id, site_id: account_id })
    const value = kafkaRecordsOf([record]).kafkaRecords[0]?.value ?? Buffer.alloc(0)
    return { topic: topics.readings, key: Buffer.from(device_id), value: wire(readingsId, value.subarray(5)), timestampMs }
  }

  before(async () => {
    await millrace('migrate')
    await millrace('schemas', 'register')
    await millrace('devices', 'add', '--account', 'test', '--site', 'orchard', '--from', at(NOW - 3_600_000), hive, later, other)
    readingsId = await registry.register(valueSubject(topics.readings), JSON.stringify(readingsSchema.json))
    const firmwareId = await registry.register(firmware.subject, firmware.schema('0.01'))
    const junk = { topic: topics.readings, key: Buffer.from(hive), value: Buffer.from('not Avro'), timestampMs: NOW - 20_000 }
    const token = { name: 'authorization', value: Buffer.from('Bearer secret') }
    await produce([
      reading(hive, -1, NOW - 120_000),
      reading(other, -2, NOW - 50_000),
      { ...reading(hive, -3.25, NOW - 40_000), headers: [token] },
      reading(hive, 4, NOW - 30_000),
      junk,
      reading(later, -5, NOW - 10_000, null),
      reading(hive, -6, NOW),
      // It came late, and keeps the time of its receipt.
      reading(hive, -7, NOW - 5_000),
      {
        ...frameRecord(hive, wire(firmwareId, firmware.datum(1, NOW - 40_000, [2150, -25])), NOW - 30_000),
        headers: fingerprintHeaders(firmware.fingerprint),
      },
      frameRecord(hive, wire(firmwareId, Buffer.from([2, 4])), NOW - 20_000),
    ])
  })

  beforeEach(() => {
    folder = join(mkdtempSync(join(tmpdir(), 'record-')), 'golden')
  })
  afterEach(() => rmSync(join(folder, '..'), { recursive: true, force: true }))

  /** All that is in the folder. */
  const text = (): string =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.includes('.'))
      .map((name) => readFileSync(join(folder, name), 'utf8'))
      .join('\n')

  it('takes a golden folder from the topic of a processor, which the kit then checks', async () => {
    const said = await millrace('record', FROST_ALERT, '--device', hive, '--device', later, ...SPAN, '--into', folder)
    expect(said).to.include(`${folder}: 5 records from telemetry.readings of ${hive}, ${later}; 3 outputs, 1 dropped, 1 dead letters`)
    const outcomes = checkGolden(frostAlert, folder)
    const temperatures = outcomes.flatMap(({ emitted }) =>
      emitted.map(({ value }) => (value as { readonly temperature: number }).temperature),
    )
    expect(temperatures).to.deep.equal([-3.25, -5, -7])
    // The device of the fourth was looked up: whose it is now.
    expect(JSON.parse(readFileSync(join(folder, 'lookups.json'), 'utf8')).assignments).to.have.all.keys(later)
    expect(outcomes[2]?.rejected[0]).to.include({ reason: 'undecodable' })
    expect(text()).to.include(later).and.not.include(other).and.not.include('authorization')
  })

  it('takes frames with the firmware that they were written with', async () => {
    const said = await millrace('record', 'standardise', '--device', hive, ...SPAN, '--into', folder)
    expect(said).to.include('2 records from telemetry.frames')
    const outcomes = checkGolden(standardise, folder)
    expect(outcomes.map(({ emitted, rejected }) => [emitted.length, rejected.length])).to.deep.equal([
      [1, 0],
      [0, 1],
    ])
    expect(outcomes[0]?.emitted[0]).to.have.nested.include({ 'value.samples[0].temperature': 21.5, 'value.samples[1].temperature': -0.25 })
    expect(readings.topic).to.equal(topics.readings)
  })

  it('takes messages with the dialects that took them, at the topics that the configuration gives them', async () => {
    const own = mkdtempSync(join(tmpdir(), 'record-dialects-'))
    const config = join(own, 'millrace.yaml')
    const dialect = (name: string, quantity: string): void =>
      writeFileSync(
        join(own, `${name}.yaml`),
        `dialect: ${name}\nversion: 1\npayload: json\ntopics: ['${name}/{device}']\nsamples: [{ quantities: { ${quantity}: { path: $.v } } }]\n`,
      )
    dialect('first', 'temperature')
    dialect('second', 'humidity')
    writeFileSync(
      config,
      `dialects: [{ use: ./first.yaml, topics: ['${run}/{device}'] }, { use: ./second.yaml, topics: ['${run}/{rest...}'] }]\n`,
    )
    try {
      await produceRaw([
        { key: hive, topic: `${run}/${hive}`, payload: { v: 21.5 }, receivedMs: NOW - 30_000 },
        { key: hive, topic: `elsewhere/${run}`, payload: { v: 3 }, receivedMs: NOW - 20_000 },
      ])
      const said = await millrace('record', 'translate', '--device', hive, ...SPAN, '--into', folder, '--config', config)
      expect(said).to.include('2 records from telemetry.raw').and.include('1 outputs, 0 dropped, 1 dead letters')
    } finally {
      // The folder does without them.
      rmSync(own, { recursive: true })
    }
    const { dialects } = JSON.parse(readFileSync(join(folder, 'lookups.json'), 'utf8')) as {
      readonly dialects: readonly { readonly topics: unknown }[]
    }
    expect(dialects.map(({ topics: at }) => at)).to.deep.equal([[`${run}/{device}`]])
    const [translated, unknown] = checkGolden(translate, folder)
    expect(translated?.emitted[0]).to.have.nested.property('value.samples[0].account_id').that.is.a('number')
    expect(translated?.emitted[0]).to.have.nested.include({
      key: hive,
      'value.samples[0].temperature': 21.5,
    })
    expect(unknown?.rejected[0]).to.include({ reason: 'unknown-topic' })
  })

  it('takes the earliest if there are too many, and says so', async () => {
    const said = await millrace('record', FROST_ALERT, '--device', hive, ...SPAN, '--into', folder, '--most', '1')
    expect(said).to.include('1 records of 4 (--most 1)')
    expect(checkGolden(frostAlert, folder)).to.have.length(1)
  })

  it('says what is wrong, and leaves nothing behind', async () => {
    const refused = (...args: readonly string[]): string => {
      const { status, stderr, stdout } = spawnSync(process.execPath, [`${projectRoot}dist/bin/millrace.js`, 'record', ...args], {
        encoding: 'utf8',
      })
      expect(status).to.be.greaterThan(0)
      expect(existsSync(folder)).to.equal(false)
      return stderr + stdout
    }
    const whose = ['--device', hive]
    expect(refused('frost-alarm', ...whose, ...SPAN, '--into', folder)).to.include('there is no processor "frost-alarm"')
    expect(refused('devices', ...whose, ...SPAN, '--into', folder))
      .to.include('devices is a business process: what it makes of its input depends on the rows')
      .and.include('tryProcess')
      .and.include('`millrace shadow devices`')
    expect(refused('store', ...whose, ...SPAN, '--into', folder)).to.include('store is no processor')
    expect(refused(FROST_ALERT, '--device', `${run}-nobody`, ...SPAN, '--into', folder)).to.include(
      'there is no record in telemetry.readings',
    )
    expect(refused(FROST_ALERT, ...whose, '--to', '1h', '--into', folder)).to.include("required option '--from <time>' not specified")
    expect(refused(FROST_ALERT, ...whose, '--from', '1h', '--to', '2h', '--into', folder)).to.include('expected the first to be earlier')
    await millrace('record', FROST_ALERT, ...whose, ...SPAN, '--into', folder)
    expect(readdirSync(join(folder, '..'))).to.deep.equal(['golden'])
    const { stderr } = spawnSync(
      process.execPath,
      [`${projectRoot}dist/bin/millrace.js`, 'record', FROST_ALERT, ...whose, ...SPAN, '--into', folder],
      {
        encoding: 'utf8',
      },
    )
    expect(stderr).to.include(`--into: ${folder} is not empty`)
  })
})

describe('the test kit, for business processes', () => {
  const url = address('APP_DATABASE_URL')
  const coldest = defineProcess({
    from: readings,
    database: 'app',
    order: 'newest-first',
    time: ({ ts }) => ts,
    reasons: { warm: { means: 'It was warm.', whatToDo: 'Nothing.' } },
    handle: async (device, [newest], tx) => {
      if (newest?.temperature === null) return drop('no-temperature')
      await tx.query('INSERT INTO kit_test VALUES ($1, $2)', [device, newest?.temperature ?? null])
      return newest?.temperature === 40 ? reject('warm', '40 °C') : undefined
    },
  })
  const rowsOf = ({ query }: Pick<Parameters<Parameters<typeof tryProcess>[2]>[0], 'query'>) =>
    query('SELECT * FROM kit_test ORDER BY 1, 2')

  it('feeds each device its inputs in the process’s order, counts what is dropped, and takes everything back', async () => {
    const rows = await tryProcess(coldest, { url }, async ({ feed, query, dropped }) => {
      await query('CREATE TABLE kit_test (device text, celsius float8)')
      const night = [readingsRecord({ device_id: 'a', ts: 2, temperature: -2 }), readingsRecord({ device_id: 'a', ts: 3, temperature: -3 })]
      expect(await feed([...night, readingsRecord({ device_id: 'a', ts: 1, temperature: -1 })])).to.deep.equal([])
      expect(await feed([readingsRecord({ device_id: 'b', temperature: 40 })])).to.deep.equal([
        { device: 'b', reason: 'warm', detail: '40 °C' },
      ])
      expect(await feed([readingsRecord({ device_id: 'c', humidity: 80 })])).to.deep.equal([])
      expect(dropped()).to.deep.equal({ 'no-temperature': 1 })
      return rowsOf({ query })
    })
    expect(rows.map((row) => ({ ...row }))).to.deep.equal([{ device: 'a', celsius: -3 }])
    const left = tryProcess(coldest, { url }, ({ query }) => rowsOf({ query }))
    expect(await left.catch(({ code }: { readonly code: string }) => code)).to.equal('42P01')
  })

  it('gives it what it looks up, and says what the test did not give', async () => {
    const owned = defineProcess({
      ...coldest,
      from: readings,
      needs: ['assignments'],
      handle: async (device, _items, _tx, { assignments }) => reject('warm', `${assignments(device)?.length} assignments`),
    })
    const records = [readingsRecord({ device_id: 'a' })]
    const lookups = { assignments: { a: [{ accountId: 1, siteId: 2 }] } }
    const rejected = await tryProcess(owned, { url, lookups }, ({ feed }) => feed(records))
    expect(rejected).to.deep.equal([{ device: 'a', reason: 'warm', detail: '1 assignments' }])
    const failed = await tryProcess(owned, { url }, ({ feed }) => feed(records)).catch((cause: Error) => cause.message)
    expect(failed).to.include('it looked up the assignments of "a", which the test does not give')
  })

  it('refuses a process that would end the transaction, and says when the code throws', async () => {
    const handle = async (_device: unknown, _items: unknown, tx: { query(text: string): Promise<unknown> }) =>
      void (await tx.query(' -- done\nCOMMIT'))
    const rejected = await tryProcess({ ...coldest, handle } as typeof coldest, { url }, ({ feed }) =>
      feed([readingsRecord({ device_id: 'a' })]),
    )
    expect(rejected).to.deep.equal([
      { device: 'a', reason: 'defect', detail: `a process must leave its transaction alone, got ${JSON.stringify(' -- done\nCOMMIT')}` },
    ])
  })
})
