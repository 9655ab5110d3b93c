import { expect } from 'chai'
import type pg from 'pg'
import { createRegistry } from '../../connectors/registry/registry.ts'
import { caughtUp } from '../adversary/lags.ts'
import { type Load, steadyLoad } from './frame-load.ts'
import { testFirmware } from './frames.ts'
import { millrace, type RunningService, startService, until } from './service.ts'
import { address, testDatabase } from './stack-clients.ts'

/** Devices of this run: the stack keeps those of earlier ones. */
const run = `s${Date.now().toString(36)}`
const devices = Array.from({ length: 60 }, (_, index) => `${run}-${index}`)
const FRAMES_PER_SECOND = 1000

describe('several instances of a processor', () => {
  let database: pg.Client
  let schemaId: number
  let load: Load | undefined
  const firmware = testFirmware(run)
  const instances: RunningService[] = []
  /** Frames of loads that are over. */
  let earlier = 0

  const start = async (...args: readonly string[]): Promise<RunningService> => {
    const service = await startService(...args)
    instances.push(service)
    return service
  }
  const rows = async (): Promise<number> =>
    Number((await database.query('SELECT count(*) FROM readings WHERE device_id LIKE $1', [`${run}-%`])).rows[0].count)
  const offsets = async (): Promise<{ readonly stored: number; readonly epochs: number }> => {
    const text =
      "SELECT coalesce(sum(stored), 0) AS stored, coalesce(sum(epoch), 0) AS epochs FROM consumer_offset WHERE consumer = 'store'"
    const { stored, epochs } = (await database.query(text)).rows[0]
    return { stored: Number(stored), epochs: Number(epochs) }
  }
  const flowing = async (): Promise<void> => {
    const at = await rows()
    await until('rows arrive', async () => (await rows()) > at, 60_000)
  }
  const partitions = (service: RunningService): number => {
    const last = [...service.log().matchAll(/"message":"partitions assigned","fields":(\{.*\})\}/g)].at(-1)?.[1]
    return last === undefined ? 0 : (JSON.parse(last) as { partitions: string }).partitions.split(' ').filter(Boolean).length
  }

  before(async () => {
    await millrace('migrate')
    await millrace('schemas', 'register')
    database = testDatabase(address('TELEMETRY_DATABASE_URL'))
    await database.connect()
    schemaId = await createRegistry(address('REGISTRY_URL')).register(firmware.subject, firmware.schema('0.01'))
    await millrace('devices', 'add', '--account', 'test', ...devices)
  })

  // What other tests left unread must not be counted for this one's.
  before(async function () {
    this.timeout(120_000)
    await start('run', 'standardise')
    await start('store')
    await caughtUp('standardise', 'store')
    for (const service of instances.splice(0)) await service[Symbol.asyncDispose]()
  })

  beforeEach(async () => {
    earlier = await rows()
  })

  afterEach(async () => {
    // Also if the test failed before it did.
    await load?.stop()
    for (const service of instances.splice(0)) await service[Symbol.asyncDispose]()
  })

  after(async () => {
    await database?.end()
  })

  it('share the partitions: from one to three and back under load nothing is lost or doubled', async function () {
    this.timeout(240_000)
    const at = await offsets()
    const [standardise, store] = [await start('run', 'standardise'), await start('store')]
    load = await steadyLoad(firmware, schemaId, devices, FRAMES_PER_SECOND)
    await flowing()
    const more = [await start('run', 'standardise'), await start('run', 'standardise'), await start('store'), await start('store')]
    await until('each has its share', async () => [standardise, store, ...more].every((service) => partitions(service) === 2), 60_000)
    await flowing()
    // One of each leaves in good order, the other one is killed.
    for (const [index, service] of more.entries()) await (index % 2 === 0 ? service[Symbol.asyncDispose]() : service.kill())
    await until(
      'the first ones have everything again',
      async () => [standardise, store].every((service) => partitions(service) === 6),
      60_000,
    )
    await flowing()
    const sent = await load.stop()
    await until(`${sent} rows`, async () => (await rows()) - earlier >= sent, 60_000)
    expect((await rows()) - earlier).to.equal(sent)
    expect((await offsets()).stored - at.stored).to.equal(sent)
  })

  it('a paused owner that wakes up is refused by the database, and does not take its partitions back', async function () {
    this.timeout(240_000)
    const at = await offsets()
    await start('run', 'standardise')
    const paused = await start('store')
    load = await steadyLoad(firmware, schemaId, devices, FRAMES_PER_SECOND)
    await flowing()
    process.kill(paused.pid, 'SIGSTOP')
    let successor: RunningService
    try {
      // The session timeout of services under test is 6 s.
      successor = await start('store')
      await until('the successor has every partition', async () => partitions(successor) === 6, 60_000)
      await flowing()
    } finally {
      process.kill(paused.pid, 'SIGCONT')
    }
    await until(
      'the database refuses the one that was paused',
      async () => (await paused.metric('millrace_fenced_commits_total')) >= 1,
      30_000,
    )
    expect(paused.log()).to.include('another owner has a partition; nothing was written')
    await until('they share the partitions', async () => partitions(paused) === 3 && partitions(successor) === 3, 60_000)
    await flowing()
    const settled = (await offsets()).epochs
    await flowing()
    const sent = await load.stop()
    await until(`${sent} rows`, async () => (await rows()) - earlier >= sent, 60_000)
    expect((await rows()) - earlier).to.equal(sent)
    expect((await offsets()).stored - at.stored).to.equal(sent)
    expect((await offsets()).epochs, 'nobody claims any more').to.equal(settled)
    expect(await successor.metric('millrace_fenced_commits_total')).to.be.at.most(1)
  })
})
