import { spawn } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import type pg from 'pg'
import { createRegistry } from '../../connectors/registry/registry.ts'
import type { ContinuityReport } from '../../ops/continuity/report.ts'
import { addCounts, type FrameCounts, noCounts } from '../../processors/continuity/frame-counts.ts'
import type { OutgoingRecord } from '../../processors/contract.ts'
import { topics } from '../../processors/topics.ts'
import { projectRoot } from '../../schemas/files.ts'
import { schemaFingerprint } from '../../schemas/fingerprint.ts'
import { frameRecord, produce, testFirmware, wire } from './frames.ts'
import { millrace, type RunningService, startService, until } from './service.ts'
import { address, testDatabase, testPublisher } from './stack-clients.ts'

/** Devices of this run: the stack keeps those of earlier ones. */
const run = `r${Date.now().toString(36)}`
const GOOD = 25_000
const POISON_EACH = 250

interface ExportedDeadLetter {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly state: string
  readonly reason: string
  readonly detail: string
  readonly samples: readonly number[]
  readonly attempt: number
  readonly device: string | null
  readonly source_offset: number
  readonly first_failed: string
  readonly last_failed: string
  readonly value_base64: string
}

/** Dead letters of this run's devices. */
async function deadLetters(processor: string, ...filter: readonly string[]): Promise<readonly ExportedDeadLetter[]> {
  const lines = (await millrace('dead', 'export', processor, ...filter)).trim().split('\n')
  return lines
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as ExportedDeadLetter)
    .filter(({ device }) => device?.startsWith(run))
}

function tally<Item>(items: readonly Item[], by: (item: Item) => string): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const item of items) counts[by(item)] = (counts[by(item)] ?? 0) + 1
  return counts
}

describe('dead letters and their redrive', () => {
  let database: pg.Client
  const services: RunningService[] = []
  const registry = createRegistry(address('REGISTRY_URL'))

  before(async () => {
    await millrace('migrate')
    await millrace('schemas', 'register')
    database = testDatabase(address('TELEMETRY_DATABASE_URL'))
    await database.connect()
    for (const args of [['run', 'standardise'], ['store'], ['bridge'], ['run', 'continuity']] as const)
      services.push(await startService(...args))
  })

  after(async () => {
    for (const service of services) await service[Symbol.asyncDispose]()
    await database?.end()
  })

  const count = async (pattern: string): Promise<number> =>
    Number((await database.query('SELECT count(*) FROM readings WHERE device_id LIKE $1', [pattern])).rows[0].count)

  describe('1,000 poison frames among 25,000 good ones', () => {
    const right = testFirmware(`${run}a`)
    const wrong = testFirmware(`${run}b`)
    const originals = new Map<string, string>()
    const good = Array.from({ length: 100 }, (_, index) => `${run}-good${index}`)
    const strangers = Array.from({ length: 50 }, (_, index) => `${run}-new${index}`)

    /**
     * The frames of these devices, as the ledger has them; that they add up is what the exit code
     * says.
     */
    const frames = async (): Promise<FrameCounts> => {
      const { devices, addsUp } = JSON.parse(await millrace('continuity', '--json')) as ContinuityReport
      expect(addsUp).to.equal(true)
      const sum = noCounts()
      for (const { device, frames } of devices)
        if (device.startsWith(`${run}-good`) || device.startsWith(`${run}-new`)) addCounts(sum, frames)
      return sum
    }

    const total = async (): Promise<number> => (await count(`${run}-good%`)) + (await count(`${run}-new%`))

    before(async function () {
      this.timeout(180_000)
      const rightId = await registry.register(right.subject, right.schema('0.01'))
      // 25.00 °C becomes 250 °C, which no hive has.
      const wrongId = await registry.register(wrong.subject, wrong.schema('0.1'))
      await millrace('devices', 'add', '--account', 'test', ...good)
      const start = Date.now() - 3_600_000
      const records: OutgoingRecord[] = []
      const poison = (device: string, value: Buffer): void => {
        originals.set(value.toString('base64'), device)
        records.push(frameRecord(device, value))
      }
      for (let frame = 0; frame < GOOD; frame++) {
        const device = good[frame % good.length] as string
        records.push(frameRecord(device, wire(rightId, right.datum(frame, start + frame * 40, [2000]))))
        if (frame % (GOOD / POISON_EACH) !== 0) continue
        const datum = right.datum(GOOD + frame, start + frame * 40 + 1, [2000, 2100, 2200])
        poison(strangers[(frame / (GOOD / POISON_EACH)) % strangers.length] as string, wire(rightId, datum))
        // One sample of three is out of range with the wrong conversion.
        poison(device, wire(wrongId, wrong.datum(GOOD + frame, start + frame * 40 + 2, [1000, 2500, 1100])))
        poison(device, wire(rightId, datum.subarray(0, datum.length - 1)))
        poison(device, wire(1_000_000, right.datum(frame, start, [2000])))
      }
      for (let from = 0; from < records.length; from += 20_000) await produce(records.slice(from, from + 20_000))
    })

    it('gives exactly 1,000 dead letters, each with its reason and its bytes', async function () {
      this.timeout(180_000)
      // The sample with a bad temperature has a row for its humidity.
      await until('the good rows', async () => (await count(`${run}-good%`)) >= GOOD + POISON_EACH * 3, 120_000)
      expect(await total()).to.equal(GOOD + POISON_EACH * 3)
      const dead = await deadLetters('standardise')
      expect(
        tally(dead, ({ reason, samples, attempt, state }) => `${reason} ${samples.join() || 'all'} ${attempt} ${state}`),
      ).to.deep.equal({
        'unknown-device all 1 open': POISON_EACH,
        'out-of-range 1 1 open': POISON_EACH,
        'malformed-frame all 1 open': POISON_EACH,
        'unknown-schema all 1 open': POISON_EACH,
      })
      for (const { device, value_base64 } of dead) expect(originals.get(value_base64)).to.equal(device)
      // A malformed frame has the number of one with a bad sample; that of an unknown schema cannot
      // be read.
      await until('the ledger has all of them', async () => (await frames()).stored === GOOD + POISON_EACH, 60_000)
      // Those of names that are no devices yet are in no sum.
      expect((await frames()).deadLettered).to.equal(0)
      const { strangers: others } = JSON.parse(await millrace('continuity', '--json')) as ContinuityReport
      expect(others.frames).to.be.at.least(POISON_EACH)
    })

    it('lists them by reason, and shows one decoded', async () => {
      const list = await millrace('dead', 'standardise')
      for (const reason of ['unknown-device', 'out-of-range', 'malformed-frame', 'unknown-schema'])
        expect(list).to.match(new RegExp(`standardise\\.dead +${reason} +`))
      const [hot] = await deadLetters('standardise', '--reason', 'out-of-range')
      const shown = await millrace('dead', 'show', `${hot?.topic}/${hot?.partition}/${hot?.offset}`)
      expect(shown).to.match(/^reason +out-of-range$/m)
      expect(shown).to.match(/^what to do +Look at the sensor\. /m)
      expect(shown).to.match(/^detail +temperature is 250 Cel; expected -60 to 200$/m)
      expect(shown).to.include('"temperature": "1000 1500 -1400"')
      const [foreign] = await deadLetters('standardise', '--reason', 'unknown-schema')
      const dumped = await millrace('dead', 'show', `${foreign?.topic}/${foreign?.partition}/${foreign?.offset}`)
      expect(dumped).to.match(/Avro with schema 1000000, which the registry does not know\n000000 {2}00 00 0f 42 40 /)
    })

    it('says in a dry run what would happen, and changes nothing', async () => {
      const before = await database.query('SELECT (SELECT count(*) FROM redrive_run), (SELECT count(*) FROM redriven_dead_letter)')
      const said = await millrace('redrive', 'standardise', '--dry-run', '--reason', 'unknown-device', '--device', strangers[0] as string)
      expect(said).to.include('5 dead letters would be redriven: 0 succeeded, 0 in part, 5 failed again')
      expect(said).to.match(/unknown-device +5 +0 +0 +5 +0 +unknown-device 5/)
      expect(said).to.include('nothing was changed')
      const after = await database.query('SELECT (SELECT count(*) FROM redrive_run), (SELECT count(*) FROM redriven_dead_letter)')
      expect(after.rows).to.deep.equal(before.rows)
      expect(await deadLetters('standardise')).to.have.length(POISON_EACH * 4)
    })

    it('stores what is succeeded, though the redrive was killed in the middle; the rest fails again, to the last bit the same', async function () {
      this.timeout(240_000)
      await millrace('devices', 'add', '--account', 'test', ...strangers)
      await registry.register(wrong.subject, wrong.schema('0.01'))
      const killed = spawn(process.execPath, [`${projectRoot}dist/bin/millrace.js`, 'redrive', 'standardise', '--rate', '200'], {
        stdio: 'ignore',
      })
      const gone = new Promise((resolve) => killed.once('exit', resolve))
      await until(
        'some dead letters are settled',
        async () => (await deadLetters('standardise')).some(({ state }) => state !== 'open'),
        60_000,
      )
      killed.kill('SIGKILL')
      await gone
      const settled = (await deadLetters('standardise')).filter(({ state }) => state !== 'open').length
      expect(settled)
        .to.be.greaterThan(0)
        .and.lessThan(POISON_EACH * 4)

      await millrace('redrive', 'standardise')
      const expected = GOOD + POISON_EACH * 3 + POISON_EACH * 3
      await until('the succeeded rows', async () => (await total()) >= expected, 60_000)
      await delay(1000)
      expect(await total()).to.equal(expected)
      const { rows } = await database.query('SELECT count(*) FROM readings WHERE device_id LIKE $1 AND temperature = 25', [`${run}-good%`])
      expect(rows[0].count).to.equal(String(POISON_EACH))

      const dead = await deadLetters('standardise')
      expect(
        tally(
          dead.filter(({ attempt }) => attempt === 1),
          ({ reason, state }) => `${reason} ${state}`,
        ),
      ).to.deep.equal({
        'unknown-device succeeded': POISON_EACH,
        'out-of-range succeeded': POISON_EACH,
        'malformed-frame failed-again': POISON_EACH,
        'unknown-schema failed-again': POISON_EACH,
      })
      // The chunk that the kill cut short may be there twice: the same dead letters, of the same
      // records.
      const again = dead.filter(({ attempt }) => attempt === 2)
      const distinct = new Map(again.map((deadLetter) => [`${deadLetter.partition} ${deadLetter.source_offset}`, deadLetter]))
      expect(tally([...distinct.values()], ({ reason }) => reason)).to.deep.equal({
        'malformed-frame': POISON_EACH,
        'unknown-schema': POISON_EACH,
      })
      await until('the ledger has what was succeeded', async () => (await frames()).stored === GOOD + 2 * POISON_EACH, 60_000)
      expect((await frames()).deadLettered).to.equal(0)
      for (const { device, value_base64, first_failed, last_failed } of again) {
        expect(originals.get(value_base64)).to.equal(device)
        expect(Date.parse(first_failed)).to.be.lessThan(Date.parse(last_failed))
      }
    })

    it('does not redrive a settled dead letter again, nor one that has failed often enough', async () => {
      const said = await millrace('redrive', 'standardise', '--max-attempts', '2', '--reason', 'malformed-frame')
      expect(said).to.match(/^0 dead letters redriven/m)
      expect(said).to.match(/left alone: \d+ have failed 2 times/)
      const { rows } = await database.query('SELECT started_by, ending, filters, succeeded FROM redrive_run ORDER BY id DESC LIMIT 1')
      expect(rows[0]).to.deep.include({
        ending: 'finished',
        succeeded: '0',
        filters: { rate: null, reason: 'malformed-frame', maxAttempts: 2 },
      })
      expect(rows[0].started_by).to.match(/^\w+@/)
    })
  })

  it('redrives what the bridge did not know, with the time of its first receipt', async function () {
    this.timeout(60_000)
    const late = testFirmware(`${run}c`)
    const device = `${run}-late`
    await millrace('devices', 'add', '--account', 'test', device)
    const frame = Buffer.concat([
      Buffer.from([0xc3, 1]),
      schemaFingerprint(JSON.parse(late.schema('0.01'))),
      late.datum(0, Date.now() - 5000, [2000, 2100]),
    ])
    const publisher = await testPublisher({ clientId: `${run}-publisher` })
    await publisher.publishAsync(`devices/${device}/telemetry`, frame, { qos: 1 })
    await publisher.publishAsync(`devices/${device}/status`, 'garbage', { qos: 1 })
    await publisher.endAsync()
    await until('two dead letters', async () => (await deadLetters('bridge', '--device', device)).length === 2)
    const [unknown] = await deadLetters('bridge', '--reason', 'unknown-fingerprint', '--device', device)
    expect(unknown?.value_base64).to.equal(frame.toString('base64'))
    await registry.register(late.subject, late.schema('0.01'))
    const said = await millrace('redrive', 'bridge', '--device', device)
    expect(said).to.include('2 dead letters redriven: 1 succeeded, 0 in part, 1 failed again')
    await until('two rows', async () => (await count(device)) === 2)
    const states = (await deadLetters('bridge', '--device', device))
      .map(({ reason, attempt, state }) => `${reason} ${attempt} ${state}`)
      .sort()
    expect(states).to.deep.equal(['bad-status 1 failed-again', 'bad-status 2 open', 'unknown-fingerprint 1 succeeded'])
  })

  it('redrives what a business process rejected, in the app database', async function () {
    this.timeout(60_000)
    const device = `${run}-unborn`
    const app = testDatabase(address('APP_DATABASE_URL'))
    await app.connect()
    const devices = await startService('run', 'devices')
    const publisher = await testPublisher({ clientId: `${run}-births` })
    try {
      const birth = JSON.stringify({ state: 'ready', boot: 7, firmware: 'hive-1' })
      await publisher.publishAsync(`devices/${device}/status`, birth, { qos: 1 })
      await until('a dead letter', async () => (await deadLetters('devices', '--device', device)).length === 1)
      await produce([{ topic: topics.deviceStatus, key: Buffer.from(device), value: Buffer.from('garbage'), timestampMs: Date.now() }])
      await until('two dead letters', async () => (await deadLetters('devices', '--device', device)).length === 2)
      expect(await millrace('redrive', 'devices', '--dry-run', '--device', device)).to.include(
        '2 dead letters would be redriven: 0 succeeded, 0 in part, 2 failed again, 0 left out on purpose, 0 repeats; 0 records would be handled',
      )
      await millrace('devices', 'add', '--account', 'test', device)
      const said = await millrace('redrive', 'devices', '--device', device)
      expect(said).to.include('2 dead letters redriven: 1 succeeded, 0 in part, 1 failed again')
      expect(said).to.include('1 records handled')
      const { rows } = await app.query('SELECT state, boot, firmware FROM device_status WHERE device_id = $1', [device])
      expect(rows).to.deep.equal([{ state: 'ready', boot: 7, firmware: 'hive-1' }])
      const states = (await deadLetters('devices', '--device', device)).map(({ reason, attempt, state }) => `${reason} ${attempt} ${state}`)
      expect(states.sort()).to.deep.equal(['undecodable 1 failed-again', 'undecodable 2 open', 'unknown-device 1 succeeded'])
      const audit = await app.query(
        `SELECT sum(stored) AS stored, sum(dead) AS dead FROM consumer_offset WHERE consumer =
           (SELECT consumer FROM consumer_offset WHERE consumer LIKE 'devices.redrive.%' ORDER BY claimed_at DESC LIMIT 1)`,
      )
      expect(audit.rows).to.deep.equal([{ stored: '1', dead: '1' }])
    } finally {
      await publisher.endAsync()
      await devices[Symbol.asyncDispose]()
      await app.end()
    }
  })

  it('redrives the one sample that the database refused, and no other consumer sees it', async function () {
    this.timeout(60_000)
    const firmware = testFirmware(`${run}d`)
    const id = await registry.register(firmware.subject, firmware.schema('0.01'))
    const device = `${run}-refused`
    await millrace('devices', 'add', '--account', 'test', device)
    await database.query(`ALTER TABLE readings ADD CONSTRAINT ${run} CHECK (temperature <> 66.25 OR device_id <> '${device}') NOT VALID`)
    try {
      await produce([frameRecord(device, wire(id, firmware.datum(0, Date.now() - 5000, [6500, 6625, 6700])))])
      await until(
        'two rows and a dead letter',
        async () => (await count(device)) === 2 && (await deadLetters('store', '--device', device)).length === 1,
      )
      const [deadLetter] = await deadLetters('store', '--device', device)
      expect(deadLetter).to.deep.include({ reason: 'row-refused', samples: [1], attempt: 1 })
      const rehearsed = await millrace('redrive', 'store', '--dry-run', '--device', device)
      expect(rehearsed).to.match(/row-refused +1 +0 +0 +1 +0 +row-refused 1/)
      expect(await millrace('redrive', 'store', '--device', device)).to.include(
        '1 dead letters redriven: 0 succeeded, 0 in part, 1 failed again',
      )
    } finally {
      await database.query(`ALTER TABLE readings DROP CONSTRAINT ${run}`)
    }
    expect(await millrace('redrive', 'store', '--dry-run', '--device', device)).to.include('1 dead letters would be redriven: 1 succeeded')
    expect(await count(device)).to.equal(2)
    expect(await millrace('redrive', 'store', '--device', device)).to.include('1 dead letters redriven: 1 succeeded')
    expect(await count(device)).to.equal(3)
    const [audit] = (
      await database.query(
        "SELECT stored, repeated, dead FROM consumer_offset WHERE consumer LIKE 'store.redrive.%' ORDER BY claimed_at DESC LIMIT 1",
      )
    ).rows
    expect(audit).to.deep.equal({ stored: '1', repeated: '0', dead: '0' })
    expect((await deadLetters('store', '--device', device)).map(({ attempt, state }) => `${attempt} ${state}`)).to.deep.equal([
      '1 failed-again',
      '2 succeeded',
    ])
  })
})
