import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import type { ContinuityReport } from '../../ops/continuity/report.ts'
import { noCounts } from '../../processors/continuity/frame-counts.ts'
import { type Outcomes, openOutcomes } from '../adversary/outcomes.ts'
import { produceRaw } from './raw-messages.ts'
import { launchConfigured, millrace, type RunningService, startService, until } from './service.ts'

/** Devices of this run: the stack keeps those of earlier ones. */
const run = `t${Date.now().toString(36)}`

/** One message about many devices, which say when they were read. */
const barn = (unknownDevices: 'reject' | 'ignore'): string => `
dialect: ${unknownDevices === 'reject' ? 'barn' : 'quiet-barn'}
version: 1
payload: json
topics: ["${unknownDevices === 'reject' ? 'barn' : 'quiet-barn'}/{gateway}/all"]
key: "{gateway}"
device: { path: "@.tag" }
time: [{ path: "@.at", format: unix-ms }]
samples:
  - each: "$.tags[*]"
    quantities:
      temperature: { path: "@.t" }
      humidity: { path: "@.h" }
unknown_devices: ${unknownDevices}
`
/** A topic for each quantity, without a time of its own. */
const PLAIN = `
dialect: plain-test
version: 1
payload: text
topics: ["plain-test/{device}/{metric}"]
time: [{ receipt: true, floor: 1s }]
samples:
  - name: "{metric}"
    value: $
    quantities:
      temperature: { named: temperature }
      humidity: { named: humidity }
`
const meter = (version: number, path: string): string => `
dialect: meter-test
version: ${version}
payload: json
topics: ["meter-test/{device}"]
time: [{ path: "$.at", format: unix-ms }]
samples:
  - quantities: { temperature: { path: "${path}" } }
`

describe('translate, on the line', () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-dialects-'))
  const configuration = `dialects: [${folder}]\n`
  const config = join(folder, 'millrace.config')
  const services: RunningService[] = []
  let translate: RunningService
  let outcomes: Outcomes
  /** Records that other tests have left for continuity to read. */
  let unreadableBefore: number

  const unreadable = (): Promise<number> => (services[1] as RunningService).metric('millrace_unreadable_records_total')
  const write = (name: string, text: string): void => writeFileSync(join(folder, `${name}.yaml`), text)
  const name = (device: string): string => `${run}-${device}`
  const redrive = (...args: readonly string[]): Promise<string> => millrace('redrive', 'translate', '--config', config, ...args)

  before(async () => {
    write('barn', barn('reject'))
    write('quiet', barn('ignore'))
    write('plain', PLAIN)
    write('meter', meter(1, '$.celsius'))
    writeFileSync(config, configuration)
    await millrace('migrate')
    await millrace('schemas', 'register')
    await millrace('devices', 'add', '--account', 'test', '--site', 'barn', ...['a', 'b', 'c', 'meter', 'plain', 'foreign'].map(name))
    await millrace('devices', 'via', name('gate'), name('a'), name('b'), name('new*'))
    outcomes = await openOutcomes(['translate', 'store'])
    services.push(await startService('store'), await startService('run', 'continuity'))
    translate = await launchConfigured(configuration, 'run', 'translate')
    services.push(translate)
    await translate.ready()
    await until('continuity has read what is there', async () => /^continuity +0 /m.test(await millrace('lag', '--over', '0s')))
    unreadableBefore = await unreadable()
  })

  after(async () => {
    for (const service of services) await service[Symbol.asyncDispose]()
    await outcomes?.[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true })
  })

  const rows = async (device: string): Promise<readonly unknown[]> =>
    (await outcomes.readings(device)).map(({ tsMicros, values }) => [tsMicros / 1000, values])
  const gateway = (tags: readonly object[], topic = 'barn', key = name('gate')): Promise<void> =>
    produceRaw([{ key, topic: `${topic}/${key}/all`, payload: { tags } }])

  it('makes a row of each device of a message, and one dead letter of those that it may not speak for', async () => {
    const at = Date.now() - 5000
    await gateway([
      { tag: name('a'), at, t: 20.5, h: 60 },
      { tag: name('foreign'), at, t: 1 },
      { tag: name('b'), at, t: 21.5 },
      { tag: name('a'), at: at + 1000, t: 20.75 },
      { tag: name('stranger'), at, t: 2 },
      { tag: name('b'), at: at + 1000, t: 900 },
    ])
    await until('the rows', async () => (await outcomes.rows(name('a'))) === 2 && (await outcomes.rows(name('b'))) === 1)
    expect(await rows(name('a'))).to.deep.equal([
      [at, { temperature: 20.5, humidity: 60 }],
      [at + 1000, { temperature: 20.75 }],
    ])
    expect(await rows(name('b'))).to.deep.equal([[at, { temperature: 21.5 }]])
    expect(await outcomes.rows(name('foreign'))).to.equal(0)
    const letters = await outcomes.deadLetters(name('gate'))
    expect(letters.map(({ reason, samples, quantities }) => [reason, samples, quantities])).to.have.deep.members([
      ['not-via-this-gateway', [1, 4], []],
      ['out-of-range', [5], ['temperature']],
    ])
    expect(letters.find(({ samples }) => samples.length === 2)?.detail).to.include(
      `millrace devices via ${name('gate')} ${name('foreign')}`,
    )
  })

  it('redrives what of a message was an unknown device, once it is there', async () => {
    const at = Date.now() - 4000
    await gateway([
      { tag: name('b'), at, t: 5 },
      { tag: name('new1'), at, t: 6 },
      { tag: name('new2'), at, t: 7 },
    ])
    const unknown = async () => (await outcomes.deadLetters(name('gate'))).filter(({ reason }) => reason === 'unknown-device')
    await until('a dead letter', async () => (await unknown()).length === 1)
    expect((await unknown())[0]).to.deep.include({ samples: [1, 2], quantities: [] })
    await millrace('devices', 'add', '--account', 'test', '--site', 'barn', name('new1'), name('new2'))
    const said = await redrive('--reason', 'unknown-device', '--device', name('gate'))
    expect(said).to.match(/1 succeeded/)
    await until('the rows', async () => (await outcomes.rows(name('new2'))) === 1)
    expect(await rows(name('new1'))).to.deep.equal([[at, { temperature: 6 }]])
    expect(await rows(name('new2'))).to.deep.equal([[at, { temperature: 7 }]])
    expect(await unknown()).to.have.length(1)
  })

  it('takes a corrected dialect within seconds, and a redrive makes rows of what was not found', async () => {
    const at = Date.now() - 3000
    const send = (index: number): Promise<void> =>
      produceRaw([{ key: name('meter'), topic: `meter-test/${name('meter')}`, payload: { at: at + index, temp: 10 + index } }])
    await send(0)
    const missed = async () => outcomes.deadLetters(name('meter'))
    await until('a dead letter', async () => (await missed()).length === 1)
    expect((await missed())[0]?.reason).to.equal('nothing-found')
    write('meter', 'dialect: meter-test\nversion: [')
    await until('the broken file is in /health', async () => /meter\.yaml/.test((await translate.health())?.dialects ?? ''))
    await translate.metricIs(1, 'millrace_dialect_version', { dialect: 'meter-test' })
    write('meter', meter(2, '$.temp'))
    await translate.metricIs(2, 'millrace_dialect_version', { dialect: 'meter-test' })
    expect(await translate.health()).to.deep.equal({})
    await send(1)
    await until('its row', async () => (await outcomes.rows(name('meter'))) === 1)
    await redrive('--reason', 'nothing-found', '--device', name('meter'))
    await until('both rows', async () => (await outcomes.rows(name('meter'))) === 2)
    expect(await rows(name('meter'))).to.deep.equal([
      [at, { temperature: 10 }],
      [at + 1, { temperature: 11 }],
    ])
  })

  it('keeps what no dialect takes until one does', async () => {
    const at = Date.now() - 2000
    await produceRaw([{ key: name('c'), topic: `late-test/${name('c')}`, payload: { at, temp: 3 } }])
    await until('a dead letter', async () => (await outcomes.deadLetters(name('c'))).length === 1)
    expect((await outcomes.deadLetters(name('c')))[0]).to.include({ reason: 'unknown-topic' })
    write('late', meter(1, '$.temp').replaceAll('meter-test', 'late-test'))
    await redrive('--reason', 'unknown-topic', '--device', name('c'))
    await until('its row', async () => (await outcomes.rows(name('c'))) === 1)
    expect(await rows(name('c'))).to.deep.equal([[at, { temperature: 3 }]])
  })

  it('makes one row of values of one time, though they come in messages and batches of their own', async () => {
    const second = Math.floor(Date.now() / 1000) * 1000 - 2000
    const send = (metric: string, payload: string, receivedMs: number): Promise<void> =>
      produceRaw([{ key: name('plain'), topic: `plain-test/${name('plain')}/${metric}`, payload, receivedMs }])
    await send('temperature', '21.5', second + 100)
    await until('a row', async () => (await outcomes.rows(name('plain'))) === 1)
    await send('humidity', '61', second + 900)
    await until('both values', async () => Object.keys((await outcomes.readings(name('plain')))[0]?.values ?? {}).length === 2)
    expect(await rows(name('plain'))).to.deep.equal([[second, { temperature: 21.5, humidity: 61 }]])
  })

  it('is not stopped by gateways that hear 1,306 foreign tags, and writes few dead letters of them', async () => {
    const at = Date.now() - 1000
    const foreign = Array.from({ length: 1306 }, (_, index) => ({ tag: `${run}-f${index}`, at, t: 1 }))
    const gates = Array.from({ length: 20 }, (_, index) => name(`g${index}`))
    const own = gates.map((gate) => `${gate}-own`)
    await millrace('devices', 'add', '--account', 'test', '--site', 'barn', ...own)
    for (const [index, gate] of gates.entries()) await millrace('devices', 'via', gate, own[index] as string)
    const messages = 10
    // All gateways were good, and hear the tags from then on.
    for (const gate of gates) await gateway([{ tag: `${gate}-own`, at: at - 1, t: 1 }], 'barn', gate)
    for (let message = 0; message < messages; message++)
      await produceRaw(
        gates.map((gate) => ({
          key: gate,
          topic: `barn/${gate}/all`,
          payload: { tags: message === 5 ? [...foreign, { tag: `${gate}-own`, at, t: 2 }] : foreign },
        })),
      )
    await until('rows of what is theirs', async () =>
      (await Promise.all(own.map((device) => outcomes.rows(device)))).every((count) => count === 2),
    )
    expect(await translate.health()).to.deep.equal({})
    const letters = await outcomes.deadLetters(...gates)
    expect(letters.map(({ reason }) => reason).filter((reason) => reason !== 'not-via-this-gateway')).to.deep.equal([])
    expect(letters.length).to.be.within(1, gates.length * messages)
  })

  it('counts foreign tags without a dead letter, if the dialect ignores them', async () => {
    const at = Date.now() - 500
    const before = await translate.metric('millrace_dropped_total', { reason: 'unknown-device' })
    const foreign = Array.from({ length: 1306 }, (_, index) => ({ tag: `${run}-f${index}`, at, t: 1 }))
    await gateway([...foreign, { tag: name('a'), at, t: 4 }], 'quiet-barn')
    await until('its row', async () => (await rows(name('a'))).some((row) => (row as readonly unknown[])[0] === at))
    await translate.metricIs(before + 1306, 'millrace_dropped_total', { reason: 'unknown-device' })
  })

  it('leaves the ledger of frame numbers alone', async () => {
    const { addsUp, devices } = JSON.parse(await millrace('continuity', '--json')) as ContinuityReport
    expect(addsUp).to.equal(true)
    const own = devices.filter(({ device }) => device.startsWith(run))
    for (const { device, frames } of own) expect(frames, device).to.deep.equal(noCounts())
    expect((await unreadable()) - unreadableBefore).to.equal(0)
  })
})
