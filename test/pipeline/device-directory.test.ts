import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { ConnectorError, type DeviceDirectory, type Log } from '../../connectors/contract.ts'
import { createDatabase, type Database } from '../../connectors/postgres/database.ts'
import { openDeviceDirectory } from '../../connectors/postgres/device-directory.ts'
import { AssignmentError, moveDevices, provisionDevices } from '../../connectors/postgres/devices.ts'
import { migrateApp } from '../../connectors/postgres/migrate.ts'
import { readMigrations } from '../../connectors/postgres/migrations.ts'
import type { DeviceId } from '../../processors/contract.ts'
import { type ScratchDatabase, scratchDatabase } from './scratch-database.ts'

const silent: Log = { info: () => undefined, warn: () => undefined, error: () => undefined }
const hive = 'hive-000001' as DeviceId
const other = 'hive-000002' as DeviceId
const may = new Date('2026-05-01T00:00:00.123Z')
const june = new Date('2026-06-01T00:00:00Z')
const micros = (date: Date): number => date.getTime() * 1000

describe('the device directory', () => {
  let scratch: ScratchDatabase
  let database: Database
  let directory: DeviceDirectory

  beforeEach(async () => {
    scratch = await scratchDatabase('APP_DATABASE_URL')
    await migrateApp({ url: scratch.url, migrations: await readMigrations(join(import.meta.dirname, '../../../db/app')) })
    database = createDatabase({ url: scratch.url, applicationName: 'test' })
    directory = await openDeviceDirectory({ url: scratch.url, log: silent, signal: new AbortController().signal })
  })

  afterEach(async () => {
    await directory[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
    await scratch[Symbol.asyncDispose]()
  })

  const provision = (devices: readonly DeviceId[], from: Date | null = may, site: string | null = 'orchard') =>
    provisionDevices(database, { account: 'bees', site, devices, from })
  const prepared = async (device: DeviceId) => {
    await directory.prepare(new Set([device]))
    return directory.assignments(device)
  }
  /** Waits for what a notification brings. */
  const eventually = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
    for (let waits = 0; !(await condition()); waits++) {
      if (waits > 200) throw new Error('it did not happen within 2 s')
      await sleep(10)
    }
  }

  it('does not know a device that is not there', async () => {
    expect(await prepared(hive)).to.equal(undefined)
  })

  it('knows a device with its assignment, to the microsecond', async () => {
    const { accountId, siteId } = await provision([hive])
    const assignment = { fromMicros: micros(may), toMicros: Number.POSITIVE_INFINITY, accountId: Number(accountId), siteId: Number(siteId) }
    expect(await prepared(hive)).to.deep.equal([assignment])
  })

  it('knows a device without an assignment, and one that is assigned to no site, always', async () => {
    await scratch.query('INSERT INTO devices (id) VALUES ($1)', [hive])
    expect(await prepared(hive)).to.deep.equal([])
    const { accountId } = await provision([other], null, null)
    const always = { fromMicros: Number.NEGATIVE_INFINITY, toMicros: Number.POSITIVE_INFINITY }
    expect(await prepared(other)).to.deep.equal([{ ...always, accountId: Number(accountId), siteId: null }])
  })

  it('knows a device at once that was unknown a moment ago', async () => {
    expect(await prepared(hive)).to.equal(undefined)
    await provision([hive])
    await eventually(async () => (await prepared(hive))?.length === 1)
  })

  it('follows a device that moves, without being asked', async () => {
    await provision([hive])
    expect(await prepared(hive)).to.have.length(1)
    await moveDevices(database, [hive], { account: 'bees', site: 'storage' }, june)
    await eventually(() => directory.assignments(hive)?.length === 2)
    expect(directory.assignments(hive)?.map(({ fromMicros, toMicros }) => [fromMicros, toMicros])).to.deep.equal([
      [micros(may), micros(june)],
      [micros(june), Number.POSITIVE_INFINITY],
    ])
  })

  it('forgets a device that is deleted', async () => {
    await provision([hive])
    await prepared(hive)
    await scratch.query('DELETE FROM devices')
    await eventually(() => directory.assignments(hive) === undefined)
  })

  it('follows changes of very many devices at once', async () => {
    const fleet = Array.from({ length: 20_000 }, (_, index) => `hive-${String(index).padStart(6, '0')}` as DeviceId)
    const { created, assigned } = await provision(fleet)
    expect({ created, assigned }).to.deep.equal({ created: 20_000, assigned: 20_000 })
    await eventually(() => directory.assignments('hive-019999' as DeviceId)?.length === 1)
    await scratch.query("DELETE FROM assignments WHERE device_id < 'hive-000500'")
    await eventually(() => directory.assignments('hive-000499' as DeviceId)?.length === 0)
    expect(directory.assignments('hive-000500' as DeviceId)).to.have.length(1)
  }).timeout(10_000)

  it('knows what changed while its connection was down', async () => {
    await provision([hive])
    await prepared(hive)
    await scratch.query(
      `BEGIN; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'millrace devices' AND datname = current_database();
       UPDATE assignments SET valid = tstzrange(lower(valid), '2026-06-01Z'); COMMIT`,
    )
    await eventually(async () => (await prepared(hive))?.[0]?.toMicros === micros(june))
  })

  it('waits while the database is away, and answers when it is back', async () => {
    await provision([hive])
    await prepared(hive)
    // Connections to this database are refused.
    const [{ name } = {}] = await scratch.query('SELECT current_database() AS name')
    const admin = await scratch.connect()
    await admin.query(`ALTER DATABASE ${String(name)} CONNECTION LIMIT 0`)
    await admin.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'millrace devices' AND datname = current_database()",
    )
    await sleep(50)
    let answered = false
    const preparing = prepared(hive).then((assignments) => {
      answered = true
      return assignments
    })
    await sleep(300)
    expect(answered).to.equal(false)
    await admin.query(`ALTER DATABASE ${String(name)} CONNECTION LIMIT -1`)
    expect(await preparing).to.have.length(1)
  })

  it('rejects what waits when it is disposed of', async () => {
    await directory[Symbol.asyncDispose]()
    const error = await directory.prepare(new Set([hive])).catch((cause: unknown) => cause)
    expect(error).to.be.instanceOf(ConnectorError)
  })

  it('cannot be opened on a database without its tables', async () => {
    await scratch.query('DROP TABLE assignments CASCADE')
    const opening = openDeviceDirectory({ url: scratch.url, log: silent, signal: new AbortController().signal })
    const error = await opening.catch((cause: unknown) => cause)
    expect(error).to.include({ transient: false, code: '42P01' })
  })

  describe('provisioning', () => {
    it('changes nothing the second time', async () => {
      const first = await provision([hive, other, hive])
      expect(first).to.include({ created: 2, assigned: 2 })
      expect(await provision([hive, other])).to.deep.equal({ ...first, created: 0, assigned: 0 })
      expect(await provision([hive, other], june)).to.deep.equal({ ...first, created: 0, assigned: 0 })
    })

    it('refuses a device that is elsewhere, and then leaves no account behind', async () => {
      await provision([hive])
      const error = await provisionDevices(database, { account: 'wasps', site: null, devices: [hive], from: june }).catch(
        (cause: unknown) => cause,
      )
      expect(error).to.be.instanceOf(AssignmentError).with.property('message').that.contains('move')
      expect(await scratch.query("SELECT FROM accounts WHERE name = 'wasps'")).to.deep.equal([])
    })

    it('moves a device where it already is without a trace, and replaces an assignment that begins at that moment', async () => {
      await provision([hive])
      await moveDevices(database, [hive], { account: 'bees', site: 'orchard' }, june)
      expect(await scratch.query('SELECT FROM assignments')).to.have.length(1)
      await moveDevices(database, [hive], { account: 'bees', site: 'storage' }, may)
      expect(await scratch.query('SELECT name FROM assignments JOIN sites ON id = site_id')).to.deep.equal([{ name: 'storage' }])
    })

    it('does not move a device that nobody knows', async () => {
      const error = await moveDevices(database, [hive], { account: 'bees', site: null }, may).catch((cause: unknown) => cause)
      expect(error).to.be.instanceOf(AssignmentError)
    })
  })
})
