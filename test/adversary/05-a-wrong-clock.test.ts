import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import type pg from 'pg'
import { createRegistry } from '../../connectors/registry/registry.ts'
import { projectRoot } from '../../schemas/files.ts'
import { frameRecord, produce, testFirmware, wire } from '../pipeline/frames.ts'
import { launchConfigured, millrace, type RunningService, startService, until } from '../pipeline/service.ts'
import { address, testDatabase } from '../pipeline/stack-clients.ts'
import { closing } from './closing.ts'
import { provision, sendMessages } from './messages.ts'
import { type Outcomes, openOutcomes } from './outcomes.ts'

const run = `c05-${Date.now().toString(36)}`
const DAY_MS = 86_400_000

describe('a clock that is wrong', () => {
  const { use, atEnd } = closing()
  const folder = mkdtempSync(join(tmpdir(), 'millrace-clock-'))
  const shift = join(folder, 'shift')
  let outcomes: Outcomes
  let app: pg.Client

  const device = (name: string): string => `${run}-${name}`
  const setClock = (offMs: number): void => writeFileSync(shift, String(offMs))
  /** The bridge, with a clock that is off by what `setClock` says. */
  const launchBridge = async (): Promise<RunningService> => {
    const { NODE_OPTIONS: options } = process.env
    process.env.NODE_OPTIONS = `${options ?? ''} --import ${projectRoot}dist/test/adversary/shifted-clock.js`
    process.env.MILLRACE_TEST_CLOCK = shift
    try {
      return await launchConfigured(`bridge: { client_id: ${run} }\n`, 'bridge')
    } finally {
      if (options === undefined) delete process.env.NODE_OPTIONS
      else process.env.NODE_OPTIONS = options
      delete process.env.MILLRACE_TEST_CLOCK
    }
  }
  const clockProblem = async (bridge: RunningService): Promise<string> => (await bridge.health())?.clock ?? ''
  const reading = (temperature: number): Promise<void> =>
    sendMessages([
      { topic: `devices/${device('a')}/telemetry`, payload: `{"ts":${Date.now()},"temperature":${temperature}}` },
      { topic: `devices/${device('a')}/status`, payload: `{"state":"${temperature % 2 === 0 ? 'ready' : 'sleeping'}","boot":1}` },
    ])
  const state = async (): Promise<unknown> =>
    (await app.query('SELECT state FROM device_status WHERE device_id = $1', [device('a')])).rows[0]?.state

  before(async () => {
    atEnd(async () => rmSync(folder, { recursive: true }))
    await provision(...['a', 'b', 'c'].map(device))
    app = testDatabase(address('APP_DATABASE_URL'))
    await app.connect()
    atEnd(() => app.end())
    outcomes = await use(openOutcomes())
    for (const service of [['run', 'standardise'], ['run', 'translate'], ['run', 'devices'], ['store']]) await use(startService(...service))
  })

  it('in the bridge holds everything back, whether it was wrong at the start or is set while it runs; health says by how much', async () => {
    setClock(-3 * DAY_MS)
    const bridge = await use(launchBridge())
    await bridge.ready()
    await until('health says so', async () =>
      (await clockProblem(bridge)).includes('3 d behind that of Kafka and 3 d behind that of the app database'),
    )
    await reading(20)
    await delay(1_000)
    expect(await outcomes.rows(device('a'))).to.equal(0)
    expect(await bridge.metric('millrace_clock_ahead_seconds', { reference: 'kafka' })).to.be.closeTo((-3 * DAY_MS) / 1000, 5)

    setClock(0)
    await until('it goes on by itself', async () => (await outcomes.rows(device('a'))) === 1)
    // A group that has to agree anew takes half a minute.
    await until('the state is there', async () => (await state()) === 'ready', 60_000)
    await until('health is good', async () => Object.keys((await bridge.health()) ?? { gone: '' }).length === 0)

    setClock(30 * DAY_MS)
    // Until the clock of the service is looked at again.
    await delay(100)
    await reading(21)
    await until('health says so', async () => (await clockProblem(bridge)).includes('30 d ahead of that of Kafka'))
    await delay(1_000)
    expect(await outcomes.rows(device('a'))).to.equal(1)
    setClock(0)
    await until('it goes on by itself', async () => (await outcomes.rows(device('a'))) === 2)
    await until('the state is not kept for 30 days', async () => (await state()) === 'sleeping', 60_000)
    expect(await outcomes.reasons(device('a'))).to.deep.equal([])
  })

  it('in an older bridge made dead letters of good samples: a redrive with the right clock fixes them, and not those of a device with a wrong one', async () => {
    const firmware = testFirmware(run.replace('-', ''))
    const schemaId = await createRegistry(address('REGISTRY_URL')).register(firmware.subject, firmware.schema('0.01'))
    const nowMs = Date.now()
    await produce([
      // The bridge was three days slow.
      frameRecord(device('b'), wire(schemaId, firmware.datum(0, nowMs, [2000, 2100])), nowMs - 3 * DAY_MS),
      // The device is 25 hours fast.
      frameRecord(device('c'), wire(schemaId, firmware.datum(0, nowMs + 25 * 3_600_000, [2000, 2100])), nowMs),
    ])
    await until('both are dead letters', async () => (await outcomes.reasons(device('b'), device('c'))).length === 2)
    expect(await outcomes.reasons(device('b'), device('c'))).to.deep.equal(Array(2).fill('standardise time-out-of-range'))
    await millrace('redrive', 'standardise', '--reason', 'time-out-of-range')
    await until('the good ones are rows', async () => (await outcomes.rows(device('b'))) === 2)
    expect((await outcomes.readings(device('b')))[0]?.tsMicros).to.equal(nowMs * 1000)
    await until('the others failed again', async () => (await outcomes.reasons(device('c'))).length === 2)
    expect(await outcomes.rows(device('c'))).to.equal(0)
  })
})
