import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import type { DeviceDirectory, Log } from '../../connectors/contract.ts'
import { createDatabase, type Database } from '../../connectors/postgres/database.ts'
import { openDeviceDirectory } from '../../connectors/postgres/device-directory.ts'
import { listDevices, provisionDevices } from '../../connectors/postgres/devices.ts'
import { addRules, GatewayRuleError, listRules, removeRules } from '../../connectors/postgres/gateways.ts'
import { migrateApp } from '../../connectors/postgres/migrate.ts'
import { readMigrations } from '../../connectors/postgres/migrations.ts'
import type { DeviceId } from '../../processors/contract.ts'
import { type DevicePattern, parseDevicePattern } from '../../processors/device-pattern.ts'
import { runMillrace } from '../adversary/command.ts'
import { deviceDirectoryConformance } from '../conformance/device-directory.ts'
import { poolingProxy } from './pooling-proxy.ts'
import { type ScratchDatabase, scratchDatabase } from './scratch-database.ts'

const silent: Log = { info: () => undefined, warn: () => undefined, error: () => undefined }
const patterns = (...texts: readonly string[]): readonly DevicePattern[] => texts.flatMap((text) => parseDevicePattern(text) ?? [])
const ids = (...names: readonly string[]): readonly DeviceId[] => names as readonly DeviceId[]

async function migrated(): Promise<ScratchDatabase> {
  const scratch = await scratchDatabase('APP_DATABASE_URL')
  await migrateApp({ url: scratch.url, migrations: await readMigrations(join(import.meta.dirname, '../../../db/app')) })
  return scratch
}

function opened(url: string): Promise<DeviceDirectory> {
  return openDeviceDirectory({ url, log: silent, signal: new AbortController().signal, gateways: true })
}

deviceDirectoryConformance('on PostgreSQL', async () => {
  const scratch = await migrated()
  const database = createDatabase({ url: scratch.url, applicationName: 'test' })
  const directory = await opened(scratch.url)
  return {
    directory,
    async provision(devices, via) {
      await provisionDevices(database, { account: 'bees', site: null, devices, from: null, via: via ?? null })
    },
    async remove(device) {
      await scratch.query('DELETE FROM devices WHERE id = $1', [device])
    },
    async allow(gateway, ...texts) {
      await addRules(database, gateway, patterns(...texts))
    },
    async forbid(gateway, ...texts) {
      await removeRules(database, gateway, patterns(...texts))
    },
    async [Symbol.asyncDispose]() {
      await directory[Symbol.asyncDispose]()
      await database[Symbol.asyncDispose]()
      await scratch[Symbol.asyncDispose]()
    },
  }
})

/** A way to the database that counts what is asked. */
async function counting(url: string): Promise<{ readonly url: string; readonly asked: () => number } & AsyncDisposable> {
  const target = new URL(url)
  const sockets = new Set<Socket>()
  let asked = 0
  const server = createServer((client) => {
    const postgres = connect(Number(target.port), target.hostname)
    for (const socket of [client, postgres]) sockets.add(socket.on('error', () => undefined))
    client.on('data', () => asked++)
    client.pipe(postgres).pipe(client)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const through = new URL(url)
  through.hostname = '127.0.0.1'
  through.port = String((server.address() as AddressInfo).port)
  return {
    url: through.href,
    asked: () => asked,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

describe('rules of gateways', () => {
  let scratch: ScratchDatabase
  let database: Database

  beforeEach(async () => {
    scratch = await migrated()
    database = createDatabase({ url: scratch.url, applicationName: 'test' })
  })

  afterEach(async () => {
    await database[Symbol.asyncDispose]()
    await scratch[Symbol.asyncDispose]()
  })

  const provision = (devices: readonly DeviceId[], via: string | null = null) =>
    provisionDevices(database, { account: 'bees', site: null, devices, from: null, via })

  it('say how many are new, and how many known devices they are for', async () => {
    await provision(ids('silo-1', 'silo-2', 'silo_3', 'barn'))
    expect(await addRules(database, 'gw', patterns('silo-*', 'barn', 'barn'))).to.deep.equal({ changed: 2, devices: 3 })
    expect(await addRules(database, 'gw', patterns('silo-*'))).to.deep.equal({ changed: 0, devices: 2 })
    expect(await addRules(database, 'gw', patterns('silo_*'))).to.deep.equal({ changed: 1, devices: 1 })
    expect(await removeRules(database, 'gw', patterns('silo-*'))).to.deep.equal({ changed: 1, devices: 2 })
    expect(await listRules(database, 'gw')).to.deep.equal([
      { gateway: 'gw', device: 'barn' },
      { gateway: 'gw', device: 'silo_*' },
    ])
  })

  it('are removed all or none: the error names those that are not there', async () => {
    await addRules(database, 'gw', patterns('a'))
    const error = await removeRules(database, 'gw', patterns('a', 'b*')).catch((cause: unknown) => cause)
    expect(error).to.be.instanceOf(GatewayRuleError).with.property('message', 'gw has no rule b*')
    expect(await listRules(database, undefined)).to.have.length(1)
  })

  it('are added all or none: a gateway has at most a hundred patterns, and any number of devices', async () => {
    const many = Array.from({ length: 101 }, (_, index) => `site-${index}-*`)
    const error = await addRules(database, 'gw', patterns(...many)).catch((cause: unknown) => cause)
    expect(error).to.be.instanceOf(GatewayRuleError).with.property('message').that.contains('101 patterns')
    expect(await listRules(database, undefined)).to.deep.equal([])
    await addRules(database, 'gw', patterns(...many.slice(1), ...many.map((text) => text.replace('*', '1'))))
    expect(await listRules(database, 'gw')).to.have.length(201)
  })

  it('show in the list of devices', async () => {
    await provision(ids('silo-1', 'silo-2'))
    await provision(ids('barn'), 'gw')
    await addRules(database, 'another', patterns('silo-1', 's*', 'b*'))
    expect((await listDevices(database)).map(({ id, via }) => [id, via])).to.deep.equal([
      ['barn', 'another, gw'],
      ['silo-1', 'another'],
      ['silo-2', 'another'],
    ])
  })

  it('do not let a device be added half: neither the device nor the rule is there if it is elsewhere', async () => {
    await provision(ids('barn'))
    const added = provisionDevices(database, { account: 'wasps', site: null, devices: ids('barn'), from: null, via: 'gw' })
    expect(await added.catch((cause: unknown) => cause)).to.be.instanceOf(Error)
    expect(await listRules(database, undefined)).to.deep.equal([])
  })

  it('of 20,000 devices are known at once, and 1,306 foreign tags cost no query of their own', async () => {
    const fleet = Array.from({ length: 20_000 }, (_, index) => `tag-${index}` as DeviceId)
    await provision(fleet, 'gw')
    await using way = await counting(scratch.url)
    await using directory = await opened(way.url)
    expect(fleet.every((device) => directory.speaksFor('gw', device))).to.equal(true)
    const before = way.asked()
    const began = performance.now()
    for (let round = 0; round < 300; round++) {
      await directory.prepare(new Set())
      for (let tag = 0; tag < 1306; tag++) if (directory.speaksFor('gw', `foreign-${tag}` as DeviceId)) throw new Error(`tag ${tag}`)
    }
    // Heartbeats: two a second of the directory's own, and up to four because of these questions.
    expect(way.asked() - before).to.be.at.most(6 * Math.ceil((performance.now() - began) / 1000) + 1)
  }).timeout(30_000)

  it('that were given while nobody listened are there once the connection is back', async () => {
    await using directory = await opened(scratch.url)
    await scratch.query(
      `BEGIN; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'millrace devices' AND datname = current_database();
       INSERT INTO gateway_devices (gateway, device) VALUES ('gw', 'barn'); COMMIT`,
    )
    await delay(50)
    await directory.prepare(new Set())
    expect(directory.speaksFor('gw', 'barn' as DeviceId)).to.equal(true)
  })

  it('are followed within seconds where no notifications come, and at once with a new device', async () => {
    await using proxy = await poolingProxy(scratch.url, 'deaf')
    await using directory = await opened(proxy.url)
    await directory.prepare(new Set())
    await provision(ids('tag-1'), 'gw')
    await directory.prepare(new Set(ids('tag-1')))
    expect(directory.speaksFor('gw', 'tag-1' as DeviceId)).to.equal(true)
    await addRules(database, 'gw', patterns('silo-*'))
    for (let waits = 0; !directory.speaksFor('gw', 'silo-1' as DeviceId); waits++) {
      if (waits > 60) throw new Error('it did not happen within 6 s')
      await delay(100)
    }
  }).timeout(20_000)

  it('refuse names that can be no gateway or device, also those that SQL writes', async () => {
    for (const [gateway, device] of [
      ['', 'a'],
      ['x'.repeat(513), 'a'],
      ['gw', ''],
      ['gw', 'a/b'],
      ['gw', '-a'],
    ]) {
      const refused = scratch.query('INSERT INTO gateway_devices (gateway, device) VALUES ($1, $2)', [gateway, device])
      expect(await refused.catch((cause: unknown) => (cause as { code?: unknown }).code)).to.equal('23514')
    }
  })

  it('are given, shown and taken by the command, which names what it refuses', async () => {
    const env = { APP_DATABASE_URL: scratch.url, MQTT_PASSWORD_FILE: undefined }
    const run = (...words: readonly string[]) => runMillrace(['devices', ...words], env)
    const lines = async (...words: readonly string[]): Promise<unknown> => {
      const { code, output, error } = await run(...words)
      return [code, output + error]
    }
    expect(await lines('add', '--account', 'bees', '--via', 'gw', 'tag-1')).to.deep.equal([
      0,
      '1 devices: 1 new, 1 newly assigned to account bees, via gateway gw\n',
    ])
    expect(await lines('via', 'gw', 'silo-*')).to.deep.equal([0, 'gw: 1 new of 1 rules, for 0 devices that are known now\n'])
    expect(await lines('via', 'gw')).to.deep.equal([0, 'gw\tsilo-*\ngw\ttag-1\n'])
    expect(await lines('via')).to.deep.equal([0, 'gw\tsilo-*\ngw\ttag-1\n'])
    expect(await lines('list')).to.deep.equal([0, 'tag-1\tbees\t-\t-\tgw\t-\t-\t-\t-\n'])
    expect(await lines('via', 'gw', 'tag-1', '--remove')).to.deep.equal([0, 'gw: 1 rules fewer, which 1 known devices were in\n'])
    const refusals: readonly (readonly [readonly string[], RegExp])[] = [
      [['via', 'gw', 'tag-1', '--remove'], /gw has no rule tag-1; nothing was changed/],
      [['via', 'gw', 'a/b'], /"a\/b" is not a device ID or a pattern with \*/],
      [['via', 'home/+/tele', 'a'], /gateway: expected one gateway, and no filter with \+ or #, got "home\/\+\/tele"/],
      [['via', '', 'a'], /gateway: expected the identity in the topic/],
      [['via', 'gw', '--remove'], /--remove: expected a gateway, and the patterns/],
      [['add', '--account', 'bees', '--via', 'x'.repeat(513), 'a'], /--via: expected at most 512 bytes, got "xxx/],
    ]
    for (const [words, expected] of refusals) {
      const { code, error } = await run(...words)
      expect(code, words.join(' ')).to.not.equal(0)
      expect(error).to.match(expected)
    }
  })
})
