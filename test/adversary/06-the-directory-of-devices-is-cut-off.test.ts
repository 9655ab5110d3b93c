import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { ConnectorError, type DeviceDirectory, type Log } from '../../connectors/contract.ts'
import { createDatabase } from '../../connectors/postgres/database.ts'
import { type DeviceDirectoryOptions, openDeviceDirectory } from '../../connectors/postgres/device-directory.ts'
import { moveDevices, provisionDevices } from '../../connectors/postgres/devices.ts'
import { migrateApp } from '../../connectors/postgres/migrate.ts'
import { readMigrations } from '../../connectors/postgres/migrations.ts'
import { openSession } from '../../connectors/postgres/session.ts'
import type { DeviceId } from '../../processors/contract.ts'
import { openProxy } from '../chaos/proxy.ts'
import { poolingProxy } from '../pipeline/pooling-proxy.ts'
import { type ScratchDatabase, scratchDatabase } from '../pipeline/scratch-database.ts'
import { until } from '../pipeline/service.ts'

const hive = 'hive-1' as DeviceId

describe('the directory of devices, cut off from its database', function () {
  this.timeout(60_000)
  let scratch: ScratchDatabase
  let directory: DeviceDirectory | undefined
  let warnings: string[]
  let problem: string | null
  const log: Log = { info: () => undefined, warn: (message) => void warnings.push(message), error: () => undefined }

  const open = async (url: string, options: Partial<DeviceDirectoryOptions> = {}): Promise<DeviceDirectory> => {
    directory = await openDeviceDirectory({
      url,
      log,
      signal: new AbortController().signal,
      problem: (what) => {
        problem = what
      },
      ...options,
    })
    return directory
  }
  /** Numbers of assignments: one before the move, two after it. */
  const prepared = async (devices: DeviceDirectory): Promise<number | undefined> => {
    await devices.prepare(new Set([hive]))
    return devices.assignments(hive)?.length
  }
  /** Over a connection of its own. */
  const move = async (): Promise<void> => {
    await using database = createDatabase({ url: scratch.url, applicationName: 'test' })
    await moveDevices(database, [hive], { account: 'wasps', site: null }, new Date('2026-06-01T00:00:00Z'))
  }

  beforeEach(async () => {
    warnings = []
    problem = null
    directory = undefined
    scratch = await scratchDatabase('APP_DATABASE_URL')
    await migrateApp({ url: scratch.url, migrations: await readMigrations(join(import.meta.dirname, '../../../db/app')) })
    await using database = createDatabase({ url: scratch.url, applicationName: 'test' })
    await provisionDevices(database, { account: 'bees', site: null, devices: [hive], from: null })
  })

  afterEach(async () => {
    await directory?.[Symbol.asyncDispose]()
    await scratch[Symbol.asyncDispose]()
  })

  it('does not give out the old account while its connection stalls: it waits, says so, and then knows the new one', async () => {
    await using proxy = await openProxy(Number(new URL(scratch.url).port))
    const url = new URL(scratch.url)
    url.host = `127.0.0.1:${proxy.port}`
    const devices = await open(url.href)
    expect(await prepared(devices)).to.equal(1)
    proxy.stall()
    await move()
    await delay(2_500)
    let answer: number | undefined
    const asked = prepared(devices).then((count) => {
      answer = count
    })
    await until('health says it', async () => problem?.includes('has not answered for') === true, 5_000)
    expect(answer).to.equal(undefined)
    proxy.resume()
    await asked
    expect(answer).to.equal(2)
    await until('health is good', async () => problem === null, 5_000)
  })

  it('leaves a connection whose server process stands still', async () => {
    const devices = await open(scratch.url)
    const [{ pid } = {}] = await scratch.query(
      "SELECT pid FROM pg_stat_activity WHERE application_name = 'millrace devices' AND datname = current_database()",
    )
    process.kill(Number(pid), 'SIGSTOP')
    try {
      await move()
      await delay(2_500)
      expect(await prepared(devices)).to.equal(2)
    } finally {
      process.kill(Number(pid), 'SIGCONT')
    }
  })

  it('finds what it was not told of', async () => {
    const devices = await open(scratch.url, { readAllMs: 500 })
    for (const event of ['inserted', 'deleted', 'changed_from', 'changed_to', 'truncated'])
      await scratch.query(`DROP TRIGGER assignments_${event} ON assignments`)
    await move()
    await until('the new account is known', async () => (await prepared(devices)) === 2, 5_000)
  })

  it('reads again and again if a pooler keeps notifications from it, and says so', async () => {
    await using proxy = await poolingProxy(scratch.url, 'deaf')
    const devices = await open(proxy.url)
    expect(warnings).to.have.length(1)
    expect(warnings[0]).to.include('is not heard')
    await move()
    await until('the new account is known', async () => (await prepared(devices)) === 2, 5_000)
    expect(problem).to.equal(null)
  })

  it('does not begin behind a pooler of transactions, nor does anybody: it says what is in between', async () => {
    await using proxy = await poolingProxy(scratch.url, 'transactions')
    for (const opening of [() => open(proxy.url), () => openSession({ url: proxy.url, applicationName: 'test' })]) {
      const error = await opening().catch((cause: unknown) => cause)
      expect(error).to.be.instanceOf(ConnectorError).and.include({ code: 'pooler', transient: false })
      expect(String(error)).to.include('pool_mode')
    }
  })
})
