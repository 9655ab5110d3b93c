import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect } from 'chai'
import pg from 'pg'
import { serversOf } from '../../connectors/postgres/servers.ts'
import { createRegistry } from '../../connectors/registry/registry.ts'
import { closing } from '../adversary/closing.ts'
import { runMillrace } from '../adversary/command.ts'
import { caughtUp } from '../adversary/lags.ts'
import { sendMessages } from '../adversary/messages.ts'
import { testFirmware } from './frames.ts'
import { promote, revive, stop } from './local-parts.ts'
import { differences } from './rollup-oracle.ts'
import { launchConfigured, millrace, type RunningService, until } from './service.ts'
import { address } from './stack-clients.ts'

const run = promisify(execFile)
const SERVERS = ['postgres', 'standby'] as const
type Server = (typeof SERVERS)[number]
const FRAMES = 10
const LATE_MS = 60_000
const PROCESSORS = 'processors: [standardise, devices, continuity, alerts]\n'
const SERVICES = {
  bridge: ['bridge'],
  standardise: ['run', 'standardise'],
  store: ['store'],
  continuity: ['run', 'continuity'],
  devices: ['run', 'devices'],
  alerts: ['run', 'alerts'],
} as const
type Name = keyof typeof SERVICES

/**
 * What docs/recovery.md says of a standby, on a stack that has one (test/run): replication is cut,
 * so that the standby surely lacks what was committed, the primary is killed, and the standby is
 * promoted.
 */
describe('a standby is promoted', function () {
  this.timeout(180_000)
  const { use, atEnd } = closing()
  const devices = Array.from({ length: 10 }, (_, index) => `follows-${index}`)
  const firmware = testFirmware('follows')
  const start = Date.now() - 24 * 3_600_000
  const running = new Map<Name, RunningService>()
  let primary: Server = 'postgres'
  let sent = 0

  const other = (): Server => (primary === 'postgres' ? 'standby' : 'postgres')
  /** One server, without a look at which it is. */
  const urlOf = (server: Server, variable: 'TELEMETRY_DATABASE_URL' | 'APP_DATABASE_URL' = 'TELEMETRY_DATABASE_URL'): string =>
    serversOf(address(variable)).urls[SERVERS.indexOf(server)] ?? ''
  async function database<Result>(url: string, work: (client: pg.Client) => Promise<Result>): Promise<Result> {
    const client = new pg.Client(url)
    await client.connect()
    try {
      return await work(client)
    } finally {
      await client.end()
    }
  }
  const ask = (url: string, text: string): Promise<readonly Record<string, unknown>[]> =>
    database(url, async (client) => (await client.query<Record<string, unknown>>(text)).rows)
  const asSuperuser = (server: Server, text: string): Promise<readonly Record<string, unknown>[]> => {
    const url = new URL(urlOf(server))
    url.username = 'postgres'
    return ask(url.href, text)
  }
  const begin = async (...names: readonly Name[]): Promise<void> => {
    for (const name of names) running.set(name, await use(launchConfigured(PROCESSORS, ...SERVICES[name])))
    for (const name of names) await running.get(name)?.ready(LATE_MS)
    // Only who has subscribed is sent what comes.
    if (names.includes('bridge')) await until('the bridge listens', async () => (await running.get('bridge')?.health())?.mqtt === undefined)
  }
  /**
   * A frame with one sample of each device, ten seconds after the last one: however many a fast
   * machine sends, none is of the future, which alerts would leave out.
   */
  const send = async (frames: number, temperature = 20): Promise<void> => {
    for (let frame = 0; frame < frames; frame++, sent++)
      await sendMessages(
        devices.map((device) => ({
          topic: `devices/${device}/telemetry`,
          payload: firmware.frame(sent, start + sent * 10_000, [temperature * 100]),
        })),
      )
  }
  const tell = (state: 'ready' | 'sleeping'): Promise<void> =>
    sendMessages(
      devices.map((device) => ({ topic: `devices/${device}/status`, payload: JSON.stringify({ state, boot: 1, firmware: 'f' }) })),
    )
  const rows = async (server = primary): Promise<number> =>
    Number((await ask(urlOf(server), 'SELECT count(*) AS rows FROM readings'))[0]?.rows)
  const stored = (frames = sent): Promise<void> =>
    until(`${frames * devices.length} rows`, async () => (await rows()) === frames * devices.length, LATE_MS)
  const states = async (): Promise<readonly unknown[]> =>
    (await ask(urlOf(primary, 'APP_DATABASE_URL'), 'SELECT state, count(*)::int AS devices FROM device_status GROUP BY 1')).map((row) => ({
      ...row,
    }))
  const alerts = async (): Promise<readonly unknown[]> =>
    (
      await ask(
        urlOf(primary, 'APP_DATABASE_URL'),
        'SELECT (closed_at IS NULL) AS open, count(*)::int AS alerts, count(DISTINCT device_id)::int AS devices FROM alerts GROUP BY 1 ORDER BY 1',
      )
    ).map((row) => ({ ...row }))
  const alertIds = (): Promise<readonly unknown[]> =>
    ask(urlOf(primary, 'APP_DATABASE_URL'), 'SELECT device_id, id FROM alerts ORDER BY device_id')
  const becomes = (what: string, look: () => Promise<unknown>, expected: unknown): Promise<void> =>
    until(what, async () => JSON.stringify(await look()) === JSON.stringify(expected), LATE_MS)

  /** The standby has all that the primary has. */
  const followed = (): Promise<void> =>
    until(
      `${other()} has all of ${primary}`,
      async () =>
        (
          await asSuperuser(
            primary,
            `SELECT FROM pg_stat_replication WHERE state = 'streaming' AND replay_lsn >= pg_current_wal_flush_lsn()`,
          )
        ).length === 1,
      LATE_MS,
    )
  /** From now on the standby lacks what the primary commits. */
  const cutReplication = async (): Promise<void> => {
    await followed()
    await asSuperuser(other(), `ALTER SYSTEM SET primary_conninfo = ''`)
    await asSuperuser(other(), 'SELECT pg_reload_conf()')
    await until(
      'nobody follows the primary',
      async () => (await asSuperuser(primary, 'SELECT FROM pg_stat_replication')).length === 0,
      LATE_MS,
    )
  }
  const takeOver = async (): Promise<void> => {
    await promote()
    primary = other()
  }
  /** All that was sent, once, in both databases. */
  const whole = async (): Promise<void> => {
    await stored()
    await caughtUp('standardise', 'store', 'continuity', 'devices')
    expect(await database(urlOf(primary), differences)).to.deep.equal([])
    const report = JSON.parse((await runMillrace(['continuity', '--json'])).output)
    expect(report).to.deep.include({ addsUp: true })
    expect(report.frames).to.deep.include({ stored: sent * devices.length, missing: 0 })
  }

  before(async () => {
    // The bridge does not start without its topics.
    await millrace('migrate')
    await begin('bridge')
    await millrace('migrate', '--config', running.get('bridge')?.config ?? '')
    await millrace('schemas', 'register', '--config', running.get('bridge')?.config ?? '')
    await millrace('devices', 'add', '--account', 'follows', '--site', 'here', ...devices)
    await millrace(...'alerts rules add hot --kind threshold --quantity temperature --above 38 --clear 36 --account follows'.split(' '))
    await createRegistry(address('REGISTRY_URL')).register(firmware.subject, firmware.schema('0.01'))
    await begin('standardise', 'store', 'continuity', 'devices', 'alerts')
    await send(FRAMES)
    await tell('ready')
    await whole()
  })

  it('under load: what it had not received comes again from Kafka, in both databases', async () => {
    await cutReplication()
    await send(FRAMES)
    await tell('sleeping')
    await send(1, 50)
    await stored()
    await becomes('the devices sleep', states, [{ state: 'sleeping', devices: devices.length }])
    await becomes('each has an alert', alerts, [{ open: true, alerts: devices.length, devices: devices.length }])
    const opened = await alertIds()
    expect(await rows(other())).to.equal(FRAMES * devices.length)
    let done = false
    const load = (async () => {
      while (!done) await send(1, 50)
    })()
    await takeOver()
    await until('the store goes on', async () => (await rows()) > (2 * FRAMES + 1) * devices.length, LATE_MS)
    done = true
    await load
    await whole()
    await becomes('the devices sleep', states, [{ state: 'sleeping', devices: devices.length }])
    await becomes('each has an alert', alerts, [{ open: true, alerts: devices.length, devices: devices.length }])
    // What was told of them before is told of the same alerts.
    expect(await alertIds()).to.deep.equal(opened)
  })

  it('and the old primary is started beside it: nobody writes to it, though the address has it first', async () => {
    const [found] = await asSuperuser(primary, `SELECT setting AS programs FROM pg_config WHERE name = 'BINDIR'`)
    const data = String((await asSuperuser(primary, 'SHOW data_directory'))[0]?.data_directory).replace(/standby$/, 'postgres')
    const control = (...args: readonly string[]): Promise<unknown> => {
      const command = [`${found?.programs}/pg_ctl`, '-D', data, '-w', '-s', ...args]
      // PostgreSQL refuses to run as root.
      const as = process.getuid?.() === 0 ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups', '--'] : []
      const [program = '', ...rest] = [...as, ...command]
      return run(program, rest, { cwd: '/' })
    }
    await control('-l', '/dev/null', 'start')
    atEnd(() => control('-m', 'immediate', 'stop').catch(() => undefined))
    expect(await asSuperuser('postgres', 'SELECT pg_is_in_recovery() AS standby')).to.deep.equal([{ standby: false }])
    const old = await rows('postgres')
    const written = (): Promise<unknown> => asSuperuser('postgres', 'SELECT max(committed_at) AS at FROM consumer_offset')
    const before = await written()
    await asSuperuser(primary, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'millrace%'`)
    await running.get('store')?.kill()
    await begin('store')
    await send(2)
    await whole()

    // Nor while it is the only one that answers.
    await stop(primary)
    await send(2)
    await until(
      'a service says why it waits',
      async () => (running.get('store')?.log() ?? '').includes('is an old primary: its timeline is 1, and that of the newest is 2'),
      LATE_MS,
    )
    await revive(primary)
    await whole()
    expect(await rows('postgres')).to.equal(old)
    expect(await written()).to.deep.equal(before)
    await control('-m', 'immediate', 'stop')
    await revive('postgres')
    await followed()
  })

  it('of a line that has nothing to do: nothing is sent after it, and all comes back', async () => {
    await cutReplication()
    const before = await rows()
    await send(FRAMES)
    await tell('ready')
    await whole()
    await becomes('the devices are ready', states, [{ state: 'ready', devices: devices.length }])
    await becomes('the alerts are closed', alerts, [{ open: false, alerts: devices.length, devices: devices.length }])
    expect(await rows(other())).to.equal(before)
    await takeOver()
    await whole()
    await becomes('the devices are ready', states, [{ state: 'ready', devices: devices.length }])
    await becomes('the alerts are closed', alerts, [{ open: false, alerts: devices.length, devices: devices.length }])
    await revive('postgres', 'standby')
    await followed()
  })
})
