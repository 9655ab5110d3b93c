import { join } from 'node:path'
import { expect } from 'chai'
import type mqtt from 'mqtt'
import type pg from 'pg'
import { createDatabase } from '../../connectors/postgres/database.ts'
import { provisionDevices, setSilentAfter } from '../../connectors/postgres/devices.ts'
import { migrateApp } from '../../connectors/postgres/migrate.ts'
import { readMigrations } from '../../connectors/postgres/migrations.ts'
import { createProcessRunner, type ProcessResult, type ProcessRunner } from '../../connectors/postgres/process-runner.ts'
import type { Contact } from '../../processors/contact/known-contact.ts'
import { businessProcess } from '../../processors/contact/process.ts'
import type { ConsumerName, DeviceId, Topic } from '../../processors/contract.ts'
import { hiveFrame } from './hive-frames.ts'
import { type ScratchDatabase, scratchDatabase } from './scratch-database.ts'
import { launchConfigured, millrace, type RunningService, until } from './service.ts'
import { address, quiet, testDatabase, testPublisher } from './stack-clients.ts'

const consumer = 'contact' as ConsumerName
const topic = 'telemetry.readings' as Topic
const [hive, other, asleep] = ['hive', 'other', 'asleep'].map((name) => name as DeviceId) as [DeviceId, DeviceId, DeviceId]

describe('contact, on its database', () => {
  let scratch: ScratchDatabase
  let runner: ProcessRunner
  let place: { epoch: bigint; position: bigint }

  before(async () => {
    scratch = await scratchDatabase('APP_DATABASE_URL')
    await migrateApp({ url: scratch.url, migrations: await readMigrations(join(import.meta.dirname, '../../../db/app')) })
    runner = createProcessRunner({ url: scratch.url, log: quiet })
    const [claim] = await runner.claim(consumer, 'topic-1', [{ topic, partition: 0, earliest: 0n }])
    if (claim === undefined) throw new Error('nothing was claimed')
    place = { epoch: claim.epoch, position: claim.nextOffset }
  })

  after(async () => {
    await runner[Symbol.asyncDispose]()
    await scratch[Symbol.asyncDispose]()
  })

  beforeEach(async () => {
    await scratch.query('TRUNCATE devices, sites, accounts, process_listening RESTART IDENTITY CASCADE')
    await using database = createDatabase({ url: scratch.url, applicationName: 'test' })
    await provisionDevices(database, { account: 'Bees', site: null, devices: [hive, other, asleep], from: null })
  })

  const nowMicros = Date.now() * 1000
  const ago = (seconds: number): number => nowMicros - seconds * 1_000_000
  const contact = (received: number, given: Partial<Contact> = {}): Contact => ({
    received,
    boot: 1,
    firmware: 'hive-1',
    sampleAt: received,
    batteryVoltage: null,
    batteryLevel: null,
    ...given,
  })
  /** @returns what was dropped, by reason */
  async function heard(given: Readonly<Record<string, readonly Contact[]>>): Promise<Readonly<Record<string, number>>> {
    const result: ProcessResult = await runner.commit(consumer, businessProcess, {
      devices: Object.entries(given).map(([device, items]) => ({ device: device as DeviceId, items, records: [] })),
      moves: [
        {
          ...{ topic, partition: 0, from: place.position, to: place.position + 1n, leaderEpoch: 0, epoch: place.epoch },
          ...{ handled: 1, dead: 0 },
        },
      ],
    })
    if (result.tag !== 'committed') throw new Error(`expected a commit, got ${result.tag}`)
    place.position += 1n
    return Object.fromEntries(result.dropped)
  }
  const said = (device: string, state: string, received: number, boot: number | null = 1, lowest = boot): Promise<unknown> =>
    scratch.query(
      `INSERT INTO device_status (device_id, state, boot, lowest_boot, firmware, seen_at, boot_at)
       VALUES ($1, $2, $3, $5, 'hive-0', to_timestamp($4::float8 / 1e6), to_timestamp($4::float8 / 1e6))
       ON CONFLICT (device_id) DO UPDATE SET state = excluded.state, boot = excluded.boot, seen_at = excluded.seen_at,
         boot_at = CASE WHEN device_status.boot = excluded.boot THEN device_status.boot_at ELSE excluded.boot_at END`,
      [device, state, boot, received, lowest],
    )
  const state = async (device: string): Promise<Record<string, unknown> | undefined> =>
    (
      await scratch.query(
        `SELECT state, boot, firmware, extract(epoch FROM last_contact)::float8 * 1e6 AS contact, battery_level AS battery
         FROM device_states WHERE device_id = $1`,
        [device],
      )
    )[0]
  const look = async (behindSeconds: number | undefined): Promise<void> => {
    await businessProcess.regularly?.handle(
      {
        query: async <Row>(text: string, values: readonly unknown[] = []) => (await scratch.query(text, values)) as Row[],
        emit: async () => undefined,
      },
      behindSeconds,
    )
  }
  const listeningFor = (seconds: number): Promise<unknown> =>
    scratch.query("UPDATE process_listening SET since = now() - $1 * interval '1 second'", [seconds])

  it('has the state of the last status, and of frames if they say more', async () => {
    expect(await state(hive)).to.include({ state: null, contact: null })
    await said(hive, 'sleeping', ago(100))
    expect(await state(hive)).to.include({ state: 'sleeping', firmware: 'hive-0', boot: 1 })
    await heard({ [hive]: [contact(ago(90), { batteryLevel: { value: 71, at: ago(91) } })] })
    expect(await state(hive)).to.include({ state: 'sleeping', firmware: 'hive-1', battery: 71, contact: ago(90) })
    await said(hive, 'lost', ago(80))
    expect(await state(hive)).to.include({ state: 'lost', contact: ago(90) })
    // Less than ten seconds after what is written, but after the will.
    await said(hive, 'lost', ago(89))
    await heard({ [hive]: [contact(ago(85))] })
    expect(await state(hive)).to.include({ state: 'ready', contact: ago(85) })
  })

  it('follows frames of a boot whose birth did not come, whatever came late of the boot before', async () => {
    await said(hive, 'sleeping', ago(100), 5)
    await heard({ [hive]: [contact(ago(90), { boot: 6 })] })
    await said(hive, 'lost', ago(80), 5)
    expect(await state(hive)).to.include({ state: 'ready', boot: 6 })
    await said(hive, 'init', ago(70), 7, 5)
    await heard({ [hive]: [contact(ago(60), { boot: 6 })] })
    expect(await state(hive)).to.include({ state: 'init', boot: 7, contact: ago(60) })
    // The flash was reset.
    await heard({ [hive]: [contact(ago(40), { boot: 3 })] })
    expect(await state(hive)).to.include({ state: 'ready', boot: 3 })
    // And again, which only the birth tells as yet.
    await said(hive, 'ready', ago(30), 2, 2)
    expect(await state(hive)).to.include({ boot: 2 })
  })

  it('writes a device that sends all the time once in ten seconds, and drops who is not known', async () => {
    const version = async (): Promise<unknown> =>
      (await scratch.query('SELECT xmin::text FROM device_contact WHERE device_id = $1', [hive]))[0]
    const twice = [contact(ago(100)), contact(ago(99))]
    expect(await heard({ [hive]: [contact(ago(100))], nobody: twice })).to.deep.equal({ 'unknown-device': 2 })
    const first = await version()
    for (let second = 1; second < 10; second++) await heard({ [hive]: [contact(ago(100 - second))], [other]: [contact(ago(50))] })
    expect(await version()).to.deep.equal(first)
    await heard({ [hive]: [contact(ago(90))] })
    expect(await version()).not.to.deep.equal(first)
    expect(await scratch.query('SELECT device_id FROM device_contact ORDER BY 1')).to.deep.equal([
      { device_id: hive },
      { device_id: other },
    ])
  })

  it('rejects only the device that the database refuses', async () => {
    const result = await runner.dryRun(consumer, businessProcess, [
      { device: hive, items: [contact(ago(5))], records: [] },
      { device: other, items: [contact(ago(5), { boot: 2 ** 40 })], records: [] },
    ])
    expect(result).to.have.length(1)
    expect(result[0]).to.include({ device: other, reason: 'defect' })
  })

  it('finds who is silent while the line listens, and not after an outage, a replay or a catch-up', async () => {
    await using database = createDatabase({ url: scratch.url, applicationName: 'test' })
    await setSilentAfter(database, [asleep], 86_400)
    await heard({ [hive]: [contact(ago(7_200))], [other]: [contact(ago(60))], [asleep]: [contact(ago(7_200))] })
    await look(undefined)
    // The first look: nobody knows for how long the line has been listening.
    await look(0)
    expect(await state(hive)).to.include({ state: 'ready' })
    await listeningFor(3_000)
    await look(0)
    expect(await state(hive)).to.include({ state: 'ready' })
    await listeningFor(7_000)
    // What was received in the last two hours may be on its way.
    await look(Number.POSITIVE_INFINITY)
    expect(await state(hive)).to.include({ state: 'ready' })
    await listeningFor(7_000)
    await look(3_500)
    expect(await state(hive)).to.include({ state: 'ready' })
    await look(1)
    expect(await state(hive)).to.include({ state: 'silent', contact: ago(7_200) })
    for (const device of [other, asleep]) expect(await state(device)).to.include({ state: 'ready' })
    // An outage changes nothing for who was silent; a replay does not wake it up; a birth does.
    await look(Number.POSITIVE_INFINITY)
    await heard({ [hive]: [contact(ago(7_200))] })
    expect(await state(hive)).to.include({ state: 'silent' })
    await said(hive, 'ready', ago(20))
    expect(await state(hive)).to.include({ state: 'ready', contact: ago(20) })
    await look(1)
    expect(await scratch.query('SELECT FROM device_silence')).to.have.length(0)
  })

  it('looks for silence among 100,000 devices in less than two seconds', async () => {
    await scratch.query("INSERT INTO devices SELECT 'many-' || n FROM generate_series(1, 100000) AS n")
    await scratch.query("INSERT INTO device_contact (device_id, heard_at) SELECT id, now() - interval '2 minutes' FROM devices")
    await scratch.query('ANALYZE')
    await look(0)
    const began = performance.now()
    await look(0)
    expect(performance.now() - began).to.be.below(2_000)
  })
})

const run = `ct${Date.now().toString(36)}`
const device = `${run}-hive`
const PROCESSORS = 'processors: [standardise, translate, devices, contact]\n'

describe('contact, on the line', () => {
  const services: RunningService[] = []
  let app: pg.Client
  let publisher: mqtt.MqttClient

  before(async () => {
    await millrace('migrate')
    const bridge = await launchConfigured(PROCESSORS, 'bridge')
    services.push(bridge)
    await millrace('migrate', '--config', bridge.config)
    await millrace('schemas', 'register', '--config', bridge.config)
    await millrace('devices', 'add', '--account', `${run}-bees`, device)
    for (const name of ['standardise', 'translate', 'devices', 'contact']) services.push(await launchConfigured(PROCESSORS, 'run', name))
    for (const service of services) await service.ready()
    app = testDatabase(address('APP_DATABASE_URL'))
    await app.connect()
    publisher = await testPublisher({ clientId: `${run}-publisher` })
  })

  after(async () => {
    await publisher?.endAsync()
    await app?.end()
    for (const service of services) await service[Symbol.asyncDispose]()
  })

  const frame = (boot: number, seq: number): Promise<unknown> =>
    publisher.publishAsync(`devices/${device}/telemetry`, hiveFrame({ boot, seq, base: Date.now() - 60_000, temperature: [2000] }), {
      qos: 1,
    })
  const status = (boot: number, state: string): Promise<unknown> =>
    publisher.publishAsync(`devices/${device}/status`, JSON.stringify({ state, boot, firmware: 'hive-1' }), { qos: 1 })
  const listed = async (): Promise<Record<string, unknown>> => {
    const all = JSON.parse(await millrace('devices', 'list', '--json')) as readonly Record<string, unknown>[]
    return all.find(({ id }) => id === device) ?? {}
  }
  const shows = (what: string, wanted: Readonly<Record<string, unknown>>): Promise<void> =>
    until(what, async () => {
      const now = await listed()
      return Object.entries(wanted).every(([name, value]) => now[name] === value)
    })

  it('follows birth, frames, will, and frames after the will', async () => {
    await status(4, 'init')
    await shows('the birth', { state: 'init', boot: 4 })
    await frame(4, 0)
    await until('the frame', async () => typeof (await listed()).lastSample === 'string')
    await status(4, 'lost')
    await shows('the will', { state: 'lost' })
    await frame(4, 1)
    await shows('the frame after the will', { state: 'ready', boot: 4 })
    await frame(5, 0)
    await shows('the next boot', { state: 'ready', boot: 5, firmware: 'hive-1' })
    await publisher.publishAsync(`devices/${device}/telemetry`, JSON.stringify({ ts: Date.now(), battery_level: 62.5 }), { qos: 1 })
    await shows('the battery', { boot: 5, batteryLevel: 62.5 })
    const line = (await millrace('devices', 'list')).split('\n').find((each) => each.startsWith(`${device}\t`)) ?? ''
    expect(line.split('\t').slice(3)).to.deep.equal([
      'ready',
      '-',
      ...line.split('\t').slice(5, 6),
      '5',
      ...line.split('\t').slice(7, 8),
      '62.5 %',
    ])
  })

  it('changes nothing when it reads its topic once more', async () => {
    const rows = async (): Promise<unknown> => (await app.query('SELECT * FROM device_contact WHERE device_id LIKE $1', [`${run}%`])).rows
    const process = services.pop() as RunningService
    const before = await rows()
    await process[Symbol.asyncDispose]()
    const { rows: ends } = await app.query<{ partition: number; next_offset: string }>(
      "SELECT partition, next_offset FROM consumer_offset WHERE consumer = 'contact'",
    )
    await app.query(
      "UPDATE consumer_offset SET next_offset = greatest(next_offset - 20, 0), leader_epoch = -1, epoch = epoch + 1 WHERE consumer = 'contact'",
    )
    services.push(await launchConfigured(PROCESSORS, 'run', 'contact'))
    await until('it has read all of it again', async () => {
      const { rows: now } = await app.query<{ partition: number; next_offset: string }>(
        "SELECT partition, next_offset FROM consumer_offset WHERE consumer = 'contact'",
      )
      return ends.every((end) => Number(now.find(({ partition }) => partition === end.partition)?.next_offset) >= Number(end.next_offset))
    })
    expect(await rows()).to.deep.equal(before)
  })

  it('is told after how long a device is silent, and shows who is', async () => {
    expect(await millrace('devices', 'silent-after', '2d', device)).to.include('1 devices: silent after 172800 s')
    expect(await millrace('devices', 'silent-after', 'soon', device).catch(String)).to.match(/time: expected a duration such as 90s/)
    expect(await millrace('devices', 'silent-after', '2h', `${run}-nobody`).catch(String)).to.include('not known: provision first')
    // What is newer by less than 10 s is not written.
    await app.query("UPDATE device_contact SET heard_at = heard_at - interval '1 hour' WHERE device_id = $1", [device])
    await app.query("UPDATE device_status SET seen_at = seen_at - interval '1 hour' WHERE device_id = $1", [device])
    await app.query('INSERT INTO device_silence SELECT device_id, last_contact, now() FROM device_states WHERE device_id = $1', [device])
    expect(await millrace('devices', 'list', '--silent')).to.include(`${device}\t`)
    await frame(5, 7)
    await until('it is back', async () => !(await millrace('devices', 'list', '--silent')).includes(device))
  })
})
