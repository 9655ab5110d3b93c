import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import type pg from 'pg'
import type { RecordProducer } from '../../connectors/contract.ts'
import { KAFKAJS, openAdmin } from '../../connectors/kafka/client.ts'
import { createProducer } from '../../connectors/kafka/producer.ts'
import { partitionCounts } from '../../connectors/kafka/topics.ts'
import { createRegistry } from '../../connectors/registry/registry.ts'
import type { Topic } from '../../processors/contract.ts'
import { valueSubject } from '../../processors/topics.ts'
import { avroType } from '../../schemas/avro-type.ts'
import { projectRoot } from '../../schemas/files.ts'
import { WIRE_BYTES } from '../../schemas/wire-format.ts'
import { type FaultyProxy, openProxy } from '../chaos/proxy.ts'
import { wire } from './frames.ts'
import { launchWith, millrace, type RunningService, until } from './service.ts'
import { address, quiet, testDatabase, testKafka } from './stack-clients.ts'

/** Names of this run: the stack keeps those of earlier ones. */
const run = `lookup-${Date.now().toString(36)}`
const [over, limits] = [`${run}-over`, `${run}-limits`]
const [input, output] = [`${run}.in` as Topic, `${run}.out` as Topic]
/** A schema of the app database, which needs quotes. */
const tables = `"${run}"`
const sample = {
  type: 'record',
  name: 'Sample',
  namespace: 'test.lookups',
  fields: [
    { name: 'device', type: 'string' },
    { name: 'value', type: 'double' },
    { name: 'limit', type: 'double', default: 0 },
  ],
}

const declared = (kind: string): string => `
import { avroOutput, avroSource } from '${projectRoot}dist/processors/avro.js'
import { defineProcessor, drop, emit, reject } from '${projectRoot}dist/processors/contract.js'
import { table } from '${projectRoot}dist/processors/lookup-table.js'
import { defineProcess } from '${projectRoot}dist/processors/process.js'
const schema = { path: 'sample.avsc', json: ${JSON.stringify(sample)} }
const from = avroSource('${input}', schema)
const tables = { thresholds: table({ name: '${run}.thresholds', key: 'device', columns: { limit: 'number' } }) }
export const ${kind} = `
const PROCESSOR = `${declared('processor')} defineProcessor({
  from, tables,
  to: { over: avroOutput('${output}', schema) },
  reasons: { 'no-threshold': { means: 'The table has no row of the device.', whatToDo: 'Add one and redrive.' } },
  handle: ({ device, value }, { table }) => {
    const limit = table.thresholds.get(device)?.limit
    if (limit === undefined) return reject('no-threshold', device)
    return value <= limit ? drop('no-excess') : emit('over', { device, value, limit })
  },
})`
const PROCESS = `${declared('businessProcess')} defineProcess({
  from, tables,
  database: 'app', order: 'as-they-came', time: () => 0, reasons: {},
  handle: async (device, items, tx, { table }) => {
    for (const { value } of items)
      await tx.query('INSERT INTO ${tables}.handled VALUES ($1, $2, $3)', [device, value, table.thresholds.get(device)?.limit ?? null])
  },
})`

describe('a table that a processor and a process look up, on the line', function () {
  this.timeout(60_000)
  const folder = mkdtempSync(join(tmpdir(), 'millrace-lookups-'))
  const config = join(folder, 'millrace.yaml')
  const configuration = `processors: [standardise, ${folder}/${over}, ${folder}/${limits}]\n`
  const services: RunningService[] = []
  const emitted: { readonly value: number; readonly limit: number }[] = []
  const type = avroType(sample)
  let app: pg.Client
  let proxy: FaultyProxy
  let producer: RecordProducer
  let schemaId: number
  let stopReading: () => Promise<void> = async () => undefined

  const migrate = (): Promise<string> => millrace('migrate', '--config', config)
  const send = (value: number, device = 'hive-1'): Promise<void> =>
    producer.send([
      {
        topic: input,
        key: Buffer.from(device),
        value: wire(schemaId, type.toBuffer({ device, value, limit: 0 })),
        timestampMs: Date.now(),
      },
    ])
  const set = (limit: number): Promise<unknown> => app.query(`UPDATE ${tables}.thresholds SET "limit" = $1`, [limit])
  const handled = async (): Promise<readonly unknown[]> =>
    (await app.query(`SELECT value, "limit" FROM ${tables}.handled ORDER BY value`)).rows.map((row: Record<string, unknown>) => [
      row.value,
      row.limit,
    ])

  before(async () => {
    app = testDatabase(address('APP_DATABASE_URL'))
    await app.connect()
    await app.query(`CREATE SCHEMA ${tables}`)
    for (const [name, kind, code] of [
      [over, 'processor', PROCESSOR],
      [limits, 'process', PROCESS],
    ] as const) {
      mkdirSync(join(folder, name))
      writeFileSync(join(folder, name, `${kind}.js`), code)
    }
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
    writeFileSync(config, configuration)
    proxy = await openProxy(Number(new URL(address('APP_DATABASE_URL')).port))
  })

  after(async () => {
    await stopReading()
    await producer?.[Symbol.asyncDispose]()
    for (const service of services) await service[Symbol.asyncDispose]()
    await proxy?.[Symbol.asyncDispose]()
    await app.query(`DROP SCHEMA IF EXISTS ${tables} CASCADE`)
    await app.end()
    rmSync(folder, { recursive: true })
  })

  async function readOutput(): Promise<() => Promise<void>> {
    const kafka = testKafka(run)
    const consumer = kafka[KAFKAJS].consumer({ groupId: `${run}-reader` })
    await consumer.connect()
    await consumer.subscribe({ topics: [output], fromBeginning: true })
    await consumer.run({
      eachMessage: async ({ message: { value } }) => {
        if (value === null) return
        const { value: of, limit } = type.fromBuffer(value.subarray(WIRE_BYTES)) as (typeof emitted)[number]
        emitted.push({ value: of, limit })
      },
    })
    return () => consumer.disconnect()
  }

  it('is asked for by migrate, which says what to do, after all that it does itself', async () => {
    const refusal = await migrate().catch((cause: unknown) => cause)
    expect(String(refusal)).to.match(
      new RegExp(`lookup table "${run}.thresholds": the app database has no such table: create it, with columns device, limit`),
    )
    await app.query(`CREATE TABLE ${tables}.thresholds (device text PRIMARY KEY, "limit" float8 NOT NULL)`)
    await app.query(`CREATE TABLE ${tables}.handled (device text, value float8, "limit" float8)`)
    // What a process writes without a migration of its own is granted by whoever made it.
    await app.query(`GRANT INSERT ON ${tables}.handled TO millrace_processes`)
    await app.query(`INSERT INTO ${tables}.thresholds VALUES ('hive-1', 10)`)
    expect(await migrate()).to.include(`table ${run}.thresholds tells its changes\n`)
    expect(await migrate()).to.equal('nothing to migrate\n')
  })

  it('is at hand for the first input, and a change for inputs that come within seconds', async () => {
    const url = new URL(address('APP_DATABASE_URL'))
    url.host = `127.0.0.1:${proxy.port}`
    const kafka = testKafka(run)
    const registry = createRegistry(address('REGISTRY_URL'))
    schemaId = await registry.register(valueSubject(input), JSON.stringify(sample))
    await using admin = openAdmin(kafka)
    producer = await createProducer({
      kafka,
      partitions: await partitionCounts(admin, [input]),
      log: quiet,
      signal: new AbortController().signal,
      counters: { bytes: 0, retries: 0 },
    })
    await send(11)
    stopReading = await readOutput()
    for (const name of [over, limits]) {
      const service = await launchWith({ settings: configuration, env: { APP_DATABASE_URL: url.href } }, 'run', name)
      services.push(service)
    }
    for (const service of services) await service.ready()
    await until('the first is emitted', async () => emitted.length === 1)
    await until('the first is handled', async () => (await handled()).length === 1)
    expect(emitted).to.deep.equal([{ value: 11, limit: 10 }])
    expect(await handled()).to.deep.equal([[11, 10]])
    await set(20)
    await delay(2_000)
    await send(12)
    await send(22)
    await until('the second is emitted', async () => emitted.length === 2, 3_000)
    expect(emitted[1]).to.deep.equal({ value: 22, limit: 20 })
    await until('all are handled', async () => (await handled()).length === 3)
    expect((await handled()).slice(1)).to.deep.equal([
      [12, 20],
      [22, 20],
    ])
  })

  it('is waited for while the database is away, and read again before anything is decided by it', async () => {
    proxy.stall()
    await set(30)
    await delay(2_500)
    await send(23)
    await send(33)
    await until('health says it', async () => (await services[0]?.health())?.tables?.includes('has not answered') === true, 5_000)
    expect(emitted).to.have.length(2)
    proxy.reset()
    proxy.resume()
    await until('the third is emitted', async () => emitted.length === 3)
    expect(emitted[2]).to.deep.equal({ value: 33, limit: 30 })
    await until('all are handled', async () => (await handled()).length === 5)
    expect((await handled()).slice(3)).to.deep.equal([
      [23, 30],
      [33, 30],
    ])
    await until('health is good', async () => Object.keys((await services[0]?.health()) ?? { waits: '' }).length === 0, 5_000)
  })

  it('that is gone stops the processor with an error that names it; once it is back the line goes on', async () => {
    await app.query(`ALTER TABLE ${tables}.thresholds RENAME TO away`)
    await until('health says it', async () => (await services[0]?.health())?.tables?.includes('no such table') === true, 5_000)
    await send(44)
    await delay(300)
    expect(emitted).to.have.length(3)
    await app.query(`ALTER TABLE ${tables}.away RENAME TO thresholds`)
    await until('the fourth is emitted', async () => emitted.length === 4)
    expect(emitted[3]).to.deep.equal({ value: 44, limit: 30 })
    await until('all are handled', async () => (await handled()).length === 6)
  })

  it('is that of today for a redrive', async () => {
    await send(55, 'hive-2')
    await until('it is a dead letter', async () => (await services[0]?.metric('millrace_rejected_total')) === 1)
    await app.query(`INSERT INTO ${tables}.thresholds VALUES ('hive-2', 50)`)
    expect(await millrace('redrive', over, '--config', config)).to.match(/1 succeeded/)
    await until('the fifth is emitted', async () => emitted.length === 5)
    expect(emitted[4]).to.deep.equal({ value: 55, limit: 50 })
  })
})
