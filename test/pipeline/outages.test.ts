import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { createRegistry } from '../../connectors/registry/registry.ts'
import { type Load, steadyLoad } from './frame-load.ts'
import { frameRecord, produce, testFirmware, wire } from './frames.ts'
import { crash, type Part, revive } from './local-parts.ts'
import { launchService, millrace, type RunningService, startService, until } from './service.ts'
import { address, testDatabase, testPublisher } from './stack-clients.ts'

/** Devices of this run: the stack keeps those of earlier ones. */
const run = `o${Date.now().toString(36)}`
const devices = Array.from({ length: 20 }, (_, index) => `${run}-${index}`)
const FRAMES_PER_SECOND = 500
/** How long a part is away; longer ones by hand, with MILLRACE_OUTAGE_S. */
const OUTAGE_MS = Number(process.env.MILLRACE_OUTAGE_S ?? 12) * 1000
const MOST_BYTES = 300 << 20
const services = {
  standardise: ['run', 'standardise'],
  translate: ['run', 'translate'],
  store: ['store'],
  bridge: ['bridge'],
} as const
type Name = keyof typeof services

describe('an outage', () => {
  let schemaId: number
  let load: Load | undefined
  const firmware = testFirmware(run)
  const running = new Map<Name, RunningService>()

  /** Rows of this run; asked over a connection of its own, for the database may have been away. */
  const rows = async (pattern = `${run}-%`): Promise<number> => {
    const database = testDatabase(address('TELEMETRY_DATABASE_URL'))
    await database.connect()
    try {
      return Number((await database.query('SELECT count(*) FROM readings WHERE device_id LIKE $1', [pattern])).rows[0].count)
    } finally {
      await database.end()
    }
  }
  const deadLetters = async (): Promise<number> => {
    let deadLetters = 0
    for (const processor of ['bridge', 'standardise', 'translate', 'store']) {
      const exported = await millrace('dead', 'export', processor)
      deadLetters += exported.split('\n').filter((line) => line.includes(`"device":"${run}`)).length
    }
    return deadLetters
  }
  const service = (name: Name): RunningService => {
    const found = running.get(name)
    if (found === undefined) throw new Error(`${name} does not run`)
    return found
  }
  const healthy = async (): Promise<void> => {
    for (const [name, each] of running)
      await until(`${name} is healthy again`, async () => Object.keys((await each.health()) ?? { gone: '' }).length === 0, 60_000)
  }
  const problemd = (name: Name, part: RegExp): Promise<void> =>
    until(
      `health of ${name} says ${part}`,
      async () => Object.entries((await service(name).health()) ?? {}).some((each) => part.test(each.join(': '))),
      30_000,
    )

  before(async () => {
    await millrace('migrate')
    await millrace('schemas', 'register')
    schemaId = await createRegistry(address('REGISTRY_URL')).register(firmware.subject, firmware.schema('0.01'))
    await millrace('devices', 'add', '--account', 'test', ...devices)
  })

  afterEach(async () => {
    // Also if the test failed before it did.
    await load?.stop()
    await revive('kafka', 'registry', 'mosquitto', 'postgres')
    for (const each of running.values()) await each[Symbol.asyncDispose]()
    running.clear()
  })

  /**
   * Takes parts away under load; everything must be stored after they are back, by the same
   * processes, and nothing be a dead letter.
   */
  async function throughOutage(parts: readonly Part[], meanwhile: () => Promise<void>): Promise<void> {
    const earlier = await rows()
    for (const name of ['standardise', 'store'] as const) running.set(name, await startService(...services[name]))
    load = await steadyLoad(firmware, schemaId, devices, FRAMES_PER_SECOND)
    await until('rows arrive', async () => (await rows()) > earlier, 30_000)
    // The store finds readings to commit, even if standardise notices first and sends no more.
    const { pid } = service('store')
    process.kill(pid, 'SIGSTOP')
    const { length } = devices
    const before = await service('standardise').metric('millrace_emitted_records_total')
    await until(
      'readings wait for the store',
      async () => (await service('standardise').metric('millrace_emitted_records_total')) >= before + length,
    )
    await crash(...parts)
    process.kill(pid, 'SIGCONT')
    const since = Date.now()
    await meanwhile()
    await delay(Math.max(0, OUTAGE_MS - (Date.now() - since)))
    for (const each of running.values()) expect(each.memoryBytes()).to.be.below(MOST_BYTES)
    await revive(...parts)
    await delay(2000)
    const sent = await load.stop()
    await until(`${sent} rows`, async () => (await rows()) - earlier >= sent, 90_000)
    expect((await rows()) - earlier).to.equal(sent)
    await healthy()
    expect(await deadLetters()).to.equal(0)
    for (const each of running.values()) expect(each.memoryBytes()).to.be.below(MOST_BYTES)
  }

  it('of PostgreSQL stops store and standardise where they are', async function () {
    this.timeout(OUTAGE_MS + 240_000)
    await throughOutage(['postgres'], async () => {
      await problemd('store', /^database: committing to the database/)
      await problemd('standardise', /^looking up schemas and devices/)
    })
    expect(service('store').log()).to.include('committing to the database failed; trying again')
  })

  it('of Kafka is waited out by every service', async function () {
    this.timeout(OUTAGE_MS + 240_000)
    await throughOutage(['kafka'], async () => {
      await problemd('store', /^reading from Kafka: Kafka has not answered for \d+ s/)
      await problemd('standardise', /^reading from Kafka: Kafka has not answered for \d+ s/)
    })
  })

  it('of the registry stops nothing that is known, and what is not known waits for it', async function () {
    this.timeout(OUTAGE_MS + 240_000)
    const late = testFirmware(`${run}late`)
    const device = devices[0] as string
    const moment = Date.now() - 60_000_000
    await throughOutage(['registry'], async () => {
      const at = await rows()
      await until('rows arrive without the registry', async () => (await rows()) > at, 30_000)
    })
    const at = await rows()
    // An ID that nobody knows yet may be one that the registry was just given.
    await crash('registry')
    await produce([frameRecord(device, wire(schemaId + 1, late.datum(0, moment, [2000])))])
    await problemd('standardise', /^looking up schemas and devices/)
    await revive('registry')
    expect(await createRegistry(address('REGISTRY_URL')).register(late.subject, late.schema('0.01'))).to.equal(schemaId + 1)
    await healthy()
    // Whichever of the two asked the registry first: it is not lost, and it is not guessed at.
    await until('a row or a dead letter', async () => (await rows()) - at + (await deadLetters()) === 1, 30_000)
  })

  it('of Mosquitto is told by the bridge, which goes on when it is back', async function () {
    this.timeout(OUTAGE_MS + 120_000)
    for (const name of ['bridge', 'translate', 'store'] as const) running.set(name, await startService(...services[name]))
    const earlier = await rows()
    await crash('mosquitto')
    await problemd('bridge', /^mqtt: session is /)
    await revive('mosquitto')
    await healthy()
    const publisher = await testPublisher({ clientId: `${run}-publisher` })
    await publisher.publishAsync(`devices/${devices[0]}/telemetry`, '{"temperature": 20}', { qos: 1 })
    await publisher.endAsync()
    await until('the row', async () => (await rows()) === earlier + 1)
  })

  for (const part of ['postgres', 'kafka', 'registry', 'mosquitto'] as const) {
    it(`of ${part} at the start is waited out: nothing ends, everything runs once it is there`, async function () {
      this.timeout(180_000)
      const earlier = await rows()
      await crash(part)
      for (const [name, args] of Object.entries(services)) running.set(name as Name, await launchService(...args))
      const affected: readonly Name[] =
        part === 'postgres'
          ? ['standardise', 'translate', 'store']
          : part === 'mosquitto'
            ? ['bridge']
            : ['bridge', 'standardise', 'translate', 'store']
      for (const name of affected) await problemd(name, /./)
      await revive(part)
      for (const each of running.values()) await each.ready(90_000)
      await healthy()
      const publisher = await testPublisher({ clientId: `${run}-publisher` })
      await publisher.publishAsync(`devices/${devices[0]}/telemetry`, '{"temperature": 20}', { qos: 1 })
      await publisher.endAsync()
      await until('the row', async () => (await rows()) === earlier + 1, 60_000)
    })
  }
})
