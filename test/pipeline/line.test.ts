import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import avro from 'avsc'
import { expect } from 'chai'
import type mqtt from 'mqtt'
import type pg from 'pg'
import { KAFKAJS } from '../../connectors/kafka/client.ts'
import { fleetCommand } from '../../ops/fleet/fleet-process.ts'
import { createDeadLetterCodec, type DeadLetter } from '../../processors/dead-letter.ts'
import { projectRoot, readSchema } from '../../schemas/files.ts'
import { loadConfig } from '../../services/config.ts'
import { fleetAccess } from '../../services/fleet-access.ts'
import { millrace, type RunningService, startService, until } from './service.ts'
import { address, testDatabase, testKafka, testPublisher } from './stack-clients.ts'

/** Devices of this run: the stack keeps those of earlier ones. */
const run = `t${Date.now().toString(36)}`
const rawType = avro.Type.forSchema(readSchema('raw').json as avro.Schema)
const device = (name: string): string => `${run}-${name}`

describe('the line, from MQTT to rows', () => {
  let database: pg.Client
  let publisher: mqtt.MqttClient
  const services = new Map<string, RunningService>()

  before(async () => {
    await millrace('migrate')
    await millrace('schemas', 'register')
    database = testDatabase(address('TELEMETRY_DATABASE_URL'))
    await database.connect()
    publisher = await testPublisher({ clientId: `${run}-publisher` })
    for (const [name, ...args] of [
      ['bridge', 'bridge'],
      ['standardise', 'run', 'standardise'],
      ['translate', 'run', 'translate'],
      ['store', 'store'],
      ['devices', 'run', 'devices'],
    ] as const)
      services.set(name, await startService(...args))
  })

  after(async () => {
    for (const service of services.values()) await service[Symbol.asyncDispose]()
    await publisher?.endAsync()
    await database?.end()
  })

  const publish = (name: string, payload: string | Buffer): Promise<unknown> =>
    publisher.publishAsync(`devices/${name}/telemetry`, payload, { qos: 1 })
  const count = async (pattern: string): Promise<number> =>
    Number((await database.query('SELECT count(*) FROM readings WHERE device_id LIKE $1', [pattern])).rows[0].count)

  it('runs with roles that own nothing, but for the care of partitions', async () => {
    const found = await database.query(
      `SELECT DISTINCT usename, datname, application_name FROM pg_stat_activity
       WHERE application_name IN ('millrace store', 'millrace roll-ups', 'millrace partition care', 'millrace devices', 'millrace standardise')
         OR usename <> 'millrace' AND starts_with(usename, 'millrace')`,
    )
    const users = new Map(found.rows.map((row) => [`${row.application_name}`, row.usename]))
    expect(users.get('millrace store')).to.equal('millrace_store')
    expect(users.get('millrace devices')).to.equal('millrace_processes')
    expect([...users].filter(([name, user]) => user === 'millrace' && name !== 'millrace partition care')).to.deep.equal([])
  })

  it('makes a JSON reading of a provisioned device a row within a second', async () => {
    const name = device('json')
    await millrace('devices', 'add', '--account', 'test', '--site', 'orchard', name)
    await publish(name, '{"temperature": 30}')
    await until('the first row', async () => (await count(name)) === 1)
    const before = Date.now()
    await publish(name, '{"ts": "2026-11-23T04:00:00Z", "temperature": 34.2, "humidity": null, "latitude": 45.123456789, "longitude": 7.5}')
    await until('the second row', async () => (await count(name)) === 2)
    expect(Date.now() - before).to.be.below(1000)
    const { rows } = await database.query('SELECT * FROM readings WHERE device_id = $1 ORDER BY ts', [name])
    expect(rows[0]).to.include({ time_estimated: false, temperature: 34.2, humidity: null, latitude: 45.123456789, weight: null })
    expect(rows[0].ts.toISOString()).to.equal('2026-11-23T04:00:00.000Z')
    expect(rows[0].account_id).to.not.equal(null)
    expect(rows[1]).to.include({ time_estimated: true, temperature: 30 })
  })

  it('makes garbage, an unknown device and 900 °C a dead letter each, and goes on', async () => {
    const name = device('bad')
    await millrace('devices', 'add', '--account', 'test', name)
    const deadLetters = await collectDeadLetters(3, async () => {
      await publish(name, 'garbage')
      await publish(device('stranger'), '{"temperature": 20}')
      await publish(name, '{"temperature": 900}')
    })
    await publish(name, '{"temperature": 21}')
    await until('the good row', async () => (await count(name)) === 1)
    expect(deadLetters.map(({ processor, reason, samples }) => `${processor} ${reason} ${samples.join() || 'all'}`).sort()).to.deep.equal([
      'translate bad-payload all',
      'translate out-of-range 0',
      'translate unknown-device 0',
    ])
    const hot = deadLetters.find(({ reason }) => reason === 'out-of-range')
    expect(hot?.detail).to.equal(`${name}: temperature is 900 Cel; expected -60 to 200`)
    const garbage = deadLetters.find(({ reason }) => reason === 'bad-payload')?.value?.subarray(5) ?? Buffer.alloc(0)
    expect(rawType.fromBuffer(garbage)).to.deep.include({ topic: `devices/${name}/telemetry`, payload: Buffer.from('garbage') })
  })

  it('keeps what a device says of itself, and takes no old will for its end', async () => {
    const name = device('status')
    await millrace('devices', 'add', '--account', 'test', name)
    const say = (status: object): Promise<unknown> => publisher.publishAsync(`devices/${name}/status`, JSON.stringify(status), { qos: 1 })
    const state = async (): Promise<string | undefined> =>
      (await millrace('devices', 'list'))
        .split('\n')
        .find((line) => line.startsWith(`${name}\t`))
        ?.split('\t')[3]
    await say({ state: 'ready', boot: 8, firmware: 'hive-1' })
    await until('the birth', async () => (await state()) === 'ready')
    await say({ state: 'lost', boot: 7 })
    await say({ state: 'sleeping', boot: 8 })
    await until('the device sleeps', async () => (await state()) === 'sleeping')
    await say({ state: 'lost', boot: 8 })
    await until('the will', async () => (await state()) === 'lost')
  })

  it('keeps what is published while the bridge is away and the broker has been restarted', async () => {
    const name = device('away')
    const from = Date.now() - 1000
    await millrace('devices', 'add', '--account', 'test', name)
    await services.get('bridge')?.[Symbol.asyncDispose]()
    await publisher.endAsync()
    execFileSync(`${projectRoot}deploy/local/stop`, ['mosquitto'])
    execFileSync(`${projectRoot}deploy/local/start`, ['mosquitto'])
    publisher = await testPublisher({ clientId: `${run}-publisher` })
    for (let temperature = 1; temperature <= 3; temperature++)
      await publish(name, `{"ts": ${from + temperature}, "temperature": ${temperature}}`)
    services.set('bridge', await startService('bridge'))
    await until('three rows', async () => (await count(name)) === 3)
  })

  it('stores every sample of the C fleet, whatever is killed meanwhile', async function () {
    this.timeout(180_000)
    const folder = mkdtempSync(join(tmpdir(), 'millrace-fleet-'))
    const options = [
      '--devices',
      '50',
      '--prefix',
      run,
      '--firmware',
      'plant-1',
      '--boot-file',
      join(folder, 'boot'),
      '--queue',
      '4096',
      '--drain',
      '60',
    ]
    await millrace('devices', 'add', '--account', 'test', ...(await fleet([...options, '--list-devices']).ended).trim().split('\n'))
    // It ends when everything was killed, however long that takes.
    const load = fleet([...options, '--rate', '40000', '--duration', '600', '--ledger', join(folder, 'ledger.csv')])
    for (const [name, ...args] of [
      ['store', 'store'],
      ['standardise', 'run', 'standardise'],
      ['bridge', 'bridge'],
      ['store', 'store'],
    ] as const) {
      const at = await count(`${run}-0%`)
      await until(`rows arrive before ${name} is killed`, async () => (await count(`${run}-0%`)) > at)
      await services.get(name)?.kill()
      services.set(name, await startService(...args))
    }
    await until('100,000 rows', async () => (await count(`${run}-0%`)) > 100_000, 60_000)
    load.stop()
    await load.ended
    const ledger = readFileSync(join(folder, 'ledger.csv'), 'utf8').trim().split('\n').slice(1)
    const sent = ledger.reduce((sum, line) => sum + Number(line.split(',')[5]), 0)
    expect(sent).to.be.greaterThan(100_000)
    await until(`${sent} rows`, async () => (await count(`${run}-0%`)) >= sent, 60_000)
    expect(await count(`${run}-0%`)).to.equal(sent)
    const { rows } = await database.query(
      'SELECT count(*) FROM readings WHERE device_id LIKE $1 AND (temperature IS NULL OR vibration IS NULL OR power IS NULL)',
      [`${run}-0%`],
    )
    expect(rows[0].count).to.equal('0')
  })
})

/** Stopped, it sends what it has. Its output once it has ended well. */
function fleet(args: readonly string[]): { readonly ended: Promise<string>; stop(): void } {
  const broker = fleetCommand(fleetAccess(loadConfig(process.env, undefined).env))
  const child = spawn(`${projectRoot}firmware/build/fleet`, [...broker.args, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: broker.env,
  })
  let output = ''
  let errors = ''
  child.stdout.on('data', (chunk: Buffer) => (output += String(chunk)))
  child.stderr.on('data', (chunk: Buffer) => (errors += String(chunk)))
  const ended = new Promise<string>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      if (code === 0) resolve(output)
      else reject(new Error(`fleet exited with ${String(code)}:\n${errors}`))
    })
  })
  return { ended, stop: () => void child.kill('SIGINT') }
}

/** The dead letters that arrive while something is done, from every processor's topic. */
async function collectDeadLetters(expected: number, act: () => Promise<void>): Promise<readonly DeadLetter[]> {
  const codec = createDeadLetterCodec(readSchema('dead-letter').json, 0)
  const consumer = testKafka(run)[KAFKAJS].consumer({
    groupId: `${run}-letters`,
  })
  const deadLetters: DeadLetter[] = []
  await consumer.connect()
  await consumer.subscribe({ topics: ['bridge.dead', 'standardise.dead', 'translate.dead', 'store.dead'], fromBeginning: true })
  await consumer.run({
    eachMessage: async ({ message: { key, value } }) => {
      if (key?.toString().startsWith(run) && value !== null) deadLetters.push(codec.decode(value))
    },
  })
  await act()
  await until(`${expected} dead letters`, async () => deadLetters.length >= expected)
  await consumer.disconnect()
  return deadLetters
}
