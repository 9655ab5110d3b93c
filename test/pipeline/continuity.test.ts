import { expect } from 'chai'
import type mqtt from 'mqtt'
import type { ContinuityReport, DeviceReport } from '../../ops/continuity/report.ts'
import { type HiveFrame, hiveFrame } from './hive-frames.ts'
import { millrace, type RunningService, startService, until } from './service.ts'
import { address, testDatabase, testPublisher } from './stack-clients.ts'

const run = `c${Date.now().toString(36)}`
const device = (name: string): string => `${run}-${name}`
/** A whole second some minutes ago: frames of one boot are a second apart. */
const start = Math.floor(Date.now() / 1000) * 1000 - 600_000

const SERVICES = {
  bridge: ['bridge'],
  standardise: ['run', 'standardise'],
  store: ['store'],
  continuity: ['run', 'continuity'],
} as const
type Name = keyof typeof SERVICES

describe('continuity', function () {
  this.timeout(120_000)
  let publisher: mqtt.MqttClient
  const services = new Map<Name, RunningService>()
  const begin = async (name: Name): Promise<void> => {
    services.set(name, await startService(...SERVICES[name]))
  }
  const kill = async (name: Name): Promise<void> => {
    await services.get(name)?.kill()
    services.delete(name)
  }

  before(async () => {
    await millrace('migrate')
    await millrace('schemas', 'register')
    publisher = await testPublisher({ clientId: `${run}-publisher` })
    for (const name of ['bridge', 'standardise', 'store', 'continuity'] as const) await begin(name)
  })

  after(async () => {
    for (const service of services.values()) await service[Symbol.asyncDispose]()
    await publisher?.endAsync()
  })

  const add = (...names: readonly string[]): Promise<string> => millrace('devices', 'add', '--account', 'test', ...names)
  const publish = (name: string, payload: Buffer | string): Promise<unknown> =>
    publisher.publishAsync(`devices/${name}/telemetry`, payload, { qos: 1 })
  const send = async (name: string, boot: number, numbers: Iterable<number>, rest: Partial<HiveFrame> = {}): Promise<void> => {
    const bootStart = start + boot * 100_000
    for (const seq of numbers) await publish(name, hiveFrame({ boot, seq, base: bootStart + seq * 1000, temperature: [2000], ...rest }))
  }
  /** The answer for one device; that it adds up is what the exit code says. */
  const ask = async (name: string): Promise<DeviceReport> => {
    const { devices } = JSON.parse(await millrace('continuity', '--device', name, '--json')) as ContinuityReport
    const report = devices.find((each) => each.device === name)
    if (report === undefined) throw new Error(`${name} is not in the answer`)
    return report
  }
  const settled = async (name: string, stored: number): Promise<DeviceReport> => {
    await until(
      `${stored} frames of ${name} are stored`,
      async () => (await ask(name).catch(() => undefined))?.frames.stored === stored,
      40_000,
    )
    return ask(name)
  }
  const upTo = (end: number): readonly number[] => Array.from({ length: end }, (_, number) => number)

  it('names the frames that were lost, and closes the gaps when late ones come', async () => {
    const name = device('gaps')
    await add(name)
    await send(name, 1, [0, 1, 2, 4, 5, 6, 9, 10, 11].reverse())
    await send(name, 1, [5, 6])
    await send(name, 2, upTo(5))
    const gaps = await settled(name, 14)
    expect(gaps.frames).to.deep.equal({ numbered: 17, stored: 14, deadLettered: 0, inFlight: 0, missing: 3 })
    expect(gaps.incomplete.map(({ boot, missingNumbers }) => ({ boot, missingNumbers }))).to.deep.equal([
      {
        boot: 1,
        missingNumbers: [
          { first: 3, last: 3 },
          { first: 7, last: 8 },
        ],
      },
    ])
    expect(gaps.conflicts).to.equal(0)
    const text = await millrace('continuity', '--device', name)
    expect(text)
      .to.match(/missing +3\n/)
      .and.to.contain('boot 1: missing 3, 7–8')
      .and.to.contain('add up')
    await send(name, 1, [8, 3, 7])
    expect((await settled(name, 17)).frames.missing).to.equal(0)
  })

  it('counts what a device says it dropped, leaves JSON out, and knows no number of an unknown device', async () => {
    const name = device('dropped')
    await add(name)
    await send(name, 1, [0])
    await send(name, 1, [1, 1], { dropped: 40 })
    await publish(name, '{"temperature": 20}')
    const report = await settled(name, 2)
    expect(report).to.include({ droppedSamples: 40 })
    expect(report.frames).to.include({ numbered: 2, missing: 0 })
  })

  it('says which frames are dead letters, whole or in part', async () => {
    const name = device('hot')
    await add(name)
    await send(name, 1, [0])
    await send(name, 1, [1], { temperature: [90_000] })
    await send(name, 1, [2], { temperature: [2000, 90_000] })
    const report = await settled(name, 2)
    expect(report.frames).to.deep.equal({ numbered: 3, stored: 2, deadLettered: 1, inFlight: 0, missing: 0 })
    expect(report.partlyDead).to.equal(1)
    expect(report.incomplete[0]?.deadLetteredNumbers).to.deep.equal([{ first: 1, last: 1 }])
  })

  it('takes frames of an unknown device for dead-lettered, and for stored once it is provisioned and they are redriven', async () => {
    const name = device('stranger')
    await send(name, 1, upTo(10))
    await until('10 frames are dead letters', async () => (await ask(name).catch(() => undefined))?.frames.deadLettered === 10)
    await add(name)
    await send(name, 1, [10, 12])
    await settled(name, 2)
    await millrace('redrive', 'standardise', '--device', name)
    expect((await settled(name, 12)).frames).to.deep.equal({ numbered: 13, stored: 12, deadLettered: 0, inFlight: 0, missing: 1 })
  })

  it('takes frames that the database refuses for dead-lettered, and for stored once its constraint is gone and they are redriven', async () => {
    const name = device('refused')
    const database = testDatabase(address('TELEMETRY_DATABASE_URL'))
    await database.connect()
    const refuse = `ALTER TABLE readings ADD CONSTRAINT "${name}" CHECK (temperature < 30 OR device_id <> '${name}') NOT VALID`
    try {
      await database.query(refuse)
      await add(name)
      await send(name, 1, [0])
      await send(name, 1, [1, 2, 4], { temperature: [3500, 3600] })
      await send(name, 1, [5], { temperature: [2000, 3600] })
      await until('3 frames are dead letters', async () => (await ask(name).catch(() => undefined))?.frames.deadLettered === 3)
      expect(await settled(name, 2)).to.include({ partlyDead: 1 })
    } finally {
      await database.query(`ALTER TABLE readings DROP CONSTRAINT "${name}"`)
      await database.end()
    }
    await millrace('redrive', 'store', '--dry-run', '--device', name)
    expect((await ask(name)).frames.deadLettered).to.equal(3)
    await millrace('redrive', 'store', '--device', name)
    expect((await ask(name)).frames).to.deep.equal({ numbered: 6, stored: 5, deadLettered: 0, inFlight: 0, missing: 1 })
  })

  it('says what is in flight, wherever it waits', async () => {
    const name = device('flying')
    await add(name)
    await send(name, 1, upTo(3))
    await settled(name, 3)
    await kill('store')
    await send(name, 1, [3, 4])
    await until('2 frames are in flight', async () => (await ask(name)).frames.inFlight === 2)
    await kill('standardise')
    await send(name, 1, [5, 7])
    await until('4 frames are in flight', async () => (await ask(name)).frames.inFlight === 4)
    expect((await ask(name)).frames).to.deep.equal({ numbered: 8, stored: 3, deadLettered: 0, inFlight: 4, missing: 1 })
    await begin('standardise')
    await begin('store')
    expect((await settled(name, 7)).frames).to.deep.equal({ numbered: 8, stored: 7, deadLettered: 0, inFlight: 0, missing: 1 })
  })

  it('loses and doubles nothing when its process is killed again and again, or shares its partitions', async () => {
    const names = upTo(12).map((index) => device(`fleet${index}`))
    await add(...names)
    const lost = (index: number, seq: number): boolean => seq % 37 === index && seq < 590
    const round = (from: number, to: number): Promise<unknown> =>
      Promise.all(
        names.map((name, index) =>
          send(
            name,
            1,
            upTo(to).filter((seq) => seq >= from && !lost(index, seq)),
            { dropped: 1 },
          ),
        ),
      )
    await round(0, 150)
    await new Promise((resolve) => setTimeout(resolve, 3_000))
    await kill('continuity')
    await round(150, 300)
    // Nobody keeps the ledger: the question catches up by itself.
    for (const [index, name] of names.entries()) {
      const stored = upTo(300).filter((seq) => !lost(index, seq)).length
      if (index < 2) expect((await settled(name, stored)).frames.missing).to.equal(300 - stored)
    }
    await begin('continuity')
    const second = await startService(...SERVICES.continuity)
    await round(300, 450)
    await kill('continuity')
    await round(450, 600)
    await settled(names[0] ?? '', upTo(600).filter((seq) => !lost(0, seq)).length)
    await second[Symbol.asyncDispose]()
    await begin('continuity')
    const all = JSON.parse(await millrace('continuity', '--json')) as ContinuityReport
    for (const [index, name] of names.entries()) {
      const report = all.devices.find((each) => each.device === name)
      const stored = upTo(600).filter((seq) => !lost(index, seq)).length
      expect(report?.frames, name).to.deep.equal({ numbered: 600, stored, deadLettered: 0, inFlight: 0, missing: 600 - stored })
      expect(report, name).to.include({ droppedSamples: stored, conflicts: 0 })
    }
  })

  it('refuses what an owner wants to write that was paused and lost its partitions', async () => {
    const name = device('paused')
    await add(name)
    const paused = services.get('continuity')
    if (paused === undefined) throw new Error('the process does not run')
    const readings = async (service: RunningService): Promise<number> =>
      (await service.metric('millrace_records_total')) - (await service.metric('millrace_dead_letters_read_total'))
    await send(name, 1, [0])
    const commits = await paused.metric('millrace_commits_total')
    await until('changes were written just now', async () => (await paused.metric('millrace_commits_total')) > commits)
    const records = await readings(paused)
    await send(name, 1, [1, 2, 4], { dropped: 5 })
    await until('it has taken what it will not have written', async () => (await readings(paused)) >= records + 3)
    process.kill(paused.pid, 'SIGSTOP')
    const second = await startService(...SERVICES.continuity)
    try {
      await until('the other one has its partitions', async () => (await readings(second)) >= 3, 40_000)
    } finally {
      process.kill(paused.pid, 'SIGCONT')
    }
    await until('it is refused', async () => (await paused.metric('millrace_fenced_commits_total')) > 0, 40_000)
    await send(name, 1, [5])
    expect((await settled(name, 5)).frames).to.deep.equal({ numbered: 6, stored: 5, deadLettered: 0, inFlight: 0, missing: 1 })
    await second[Symbol.asyncDispose]()
    expect(await ask(name)).to.include({ droppedSamples: 15, conflicts: 0 })
  })

  it('reports two devices that use one ID', async () => {
    const name = device('twins')
    await add(name)
    for (let seq = 0; seq < 40; seq++) {
      for (const [boot, offset] of [
        [3, 0],
        [9, -400],
      ] as const)
        await publish(name, hiveFrame({ boot, seq: seq + 100, base: start + seq * 1000 + offset, temperature: [2000] }))
    }
    const report = await settled(name, 80)
    expect(report.frames.missing).to.equal(200)
    expect((await ask(name)).conflicts).to.be.greaterThan(10)
    expect(await millrace('continuity', '--device', name)).to.contain('two devices use this ID')
  })
})
