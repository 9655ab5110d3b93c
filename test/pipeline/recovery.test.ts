import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'chai'
import type pg from 'pg'
import { createRegistry } from '../../connectors/registry/registry.ts'
import type { ContinuityReport } from '../../ops/continuity/report.ts'
import { closing } from '../adversary/closing.ts'
import { runMillrace } from '../adversary/command.ts'
import { caughtUp } from '../adversary/lags.ts'
import { provision, sendMessages } from '../adversary/messages.ts'
import { testFirmware } from './frames.ts'
import { crash, type Part, revive, stop } from './local-parts.ts'
import { differences } from './rollup-oracle.ts'
import { millrace, type RunningService, startService, until } from './service.ts'
import { address, superuserVariables, testDatabase } from './stack-clients.ts'

const run = promisify(execFile)
const FRAMES = 20
const SERVICES = {
  bridge: ['bridge'],
  standardise: ['run', 'standardise'],
  store: ['store'],
  continuity: ['run', 'continuity'],
} as const
type Name = keyof typeof SERVICES
interface GroupLag {
  readonly group: string
  readonly lag: number
  readonly causes: readonly string[]
}
const READERS = ['standardise', 'store', 'continuity'] as const

/**
 * The three losses of docs/recovery.md, on a stack of its own (test/run): everything that others
 * have there would be lost too. What the runbook says to type is what runs here.
 */
describe('what was lost comes back', function () {
  this.timeout(180_000)
  const { use } = closing()
  const devices = Array.from({ length: 10 }, (_, index) => `lost-${index}`)
  const firmware = testFirmware('lost')
  const start = Date.now() - 3 * 3_600_000
  const running = new Map<Name, RunningService>()
  let sent = 0

  const begin = async (...names: readonly Name[]): Promise<void> => {
    for (const name of names) running.set(name, await use(startService(...SERVICES[name])))
    // Only who has subscribed is sent what comes.
    if (names.includes('bridge')) await until('the bridge listens', async () => (await running.get('bridge')?.health())?.mqtt === undefined)
  }
  const end = async (...names: readonly Name[]): Promise<void> => {
    for (const name of names) await running.get(name)?.[Symbol.asyncDispose]()
  }
  /** A frame with one sample of 20 °C, of each device. */
  const send = async (frames: number): Promise<void> => {
    for (let frame = 0; frame < frames; frame++, sent++)
      await sendMessages(
        devices.map((device) => ({
          topic: `devices/${device}/telemetry`,
          payload: firmware.frame(sent, start + sent * 60_000, [2000]),
        })),
      )
  }
  const database = async <Result>(work: (client: pg.Client) => Promise<Result>): Promise<Result> => {
    const client = testDatabase(address('TELEMETRY_DATABASE_URL'))
    await client.connect()
    try {
      return await work(client)
    } finally {
      await client.end()
    }
  }
  const rows = async (): Promise<number> =>
    Number((await database((client) => client.query('SELECT count(*) AS rows FROM readings WHERE temperature = 20'))).rows[0].rows)
  const stored = (frames: number): Promise<void> =>
    until(`${frames * devices.length} rows`, async () => (await rows()) === frames * devices.length, 60_000)
  /** What a command prints, without what it logs of a Kafka or registry that is new. */
  const json = async (...command: readonly string[]): Promise<unknown> => JSON.parse((await runMillrace([...command, '--json'])).output)
  const lagOf = async (name: string): Promise<GroupLag> => {
    const { groups } = (await json('lag', '--over', '0s')) as { readonly groups: readonly GroupLag[] }
    const found = groups.find(({ group }) => group === name)
    if (found === undefined) throw new Error(`lag says nothing of ${name}`)
    return found
  }
  const instance = (part: Part): string => join(process.env.MILLRACE_LOCAL ?? '', 'data', part)

  before(async () => {
    await provision(...devices)
    await createRegistry(address('REGISTRY_URL')).register(firmware.subject, firmware.schema('0.01'))
    await begin(...(Object.keys(SERVICES) as Name[]))
    await send(FRAMES)
    await stored(FRAMES)
    await caughtUp(...READERS)
  })

  it('databases from an older backup: Kafka gives again what they lack, roll-ups and ledger too', async () => {
    const env = { ...process.env, ...superuserVariables(address('TELEMETRY_DATABASE_URL')) }
    const backup = mkdtempSync(join(tmpdir(), 'millrace-backup-'))
    await run('pg_basebackup', ['-D', backup, '-X', 'stream', '-c', 'fast'], { env })
    await send(FRAMES)
    await stored(2 * FRAMES)
    await caughtUp(...READERS)
    const data = String((await database((client) => client.query('SHOW data_directory'))).rows[0].data_directory)
    await end('store', 'continuity')
    await stop('postgres')
    const { uid, gid } = statSync(data)
    rmSync(data, { recursive: true })
    cpSync(backup, data, { recursive: true })
    await run('chown', ['-R', `${uid}:${gid}`, data])
    await run('chmod', ['0700', data])
    rmSync(backup, { recursive: true })
    await revive('postgres')

    expect(await rows()).to.equal(FRAMES * devices.length)
    const behind = await lagOf('store')
    expect(behind.lag).to.be.greaterThan(0)
    expect(behind.causes[0]).to.equal('not running: nobody is in its consumer group')
    await begin('store', 'continuity')
    await stored(2 * FRAMES)
    await caughtUp(...READERS)
    expect(await database(differences)).to.deep.equal([])
    expect(await continuity()).to.deep.include({ addsUp: true, stored: sent * devices.length, missing: 0 })
  })

  it('a registry that has lost everything: what services had read is registered again, whatever its IDs', async () => {
    await stop('registry')
    rmSync(instance('registry'), { recursive: true })
    await revive('registry')
    // IDs are given out anew: one that stood for the firmware stands for a stranger's schema now.
    const stranger = createRegistry(address('REGISTRY_URL'))
    for (const name of ['stranger', 'another']) await stranger.register(`${name}-value`, `{"type":"record","name":"${name}","fields":[]}`)
    expect(await millrace('schemas', 'restore', '--dry-run')).to.match(/^(\d+) schemas of \1 firmwares would be registered again$/m)
    expect(await millrace('schemas', 'restore')).to.match(new RegExp(`^${firmware.subject}: .* has ID \\d+ now$`, 'm'))
    expect(await millrace('schemas', 'restore')).to.match(/^0 schemas of \d+ firmwares were registered again$/m)
    await send(FRAMES)
    await stored(3 * FRAMES)
    // Who starts now knows only the new registry, and what the database remembers.
    await end('bridge', 'standardise', 'store')
    await begin('bridge', 'standardise', 'store')
    await send(FRAMES)
    await stored(4 * FRAMES)
    await caughtUp(...READERS)
    expect(await continuity()).to.deep.include({ addsUp: true, stored: sent * devices.length, missing: 0 })
  })

  it('a Kafka that has lost everything: the line goes on with new topics, and continuity names what was in the old ones only', async () => {
    await end('store', 'standardise')
    const before = sent
    await send(FRAMES)
    await until('the bridge has forwarded them', async () => (await lagOf('standardise')).lag === FRAMES * devices.length, 60_000)
    await end('bridge', 'continuity')
    await crash('kafka')
    rmSync(instance('kafka'), { recursive: true })
    await revive('kafka')
    expect(await millrace('migrate')).to.include('topic telemetry.frames created')
    expect((await lagOf('store')).causes.join('\n')).to.include('was deleted and made again: it begins at the first record')
    await begin('standardise', 'store', 'continuity', 'bridge')
    await send(FRAMES)
    await stored(before + FRAMES)
    await caughtUp(...READERS)
    await until(
      'continuity names them',
      async () => (await continuity()).missing === FRAMES * devices.length && (await continuity()).addsUp,
      60_000,
    )
  })

  async function continuity(): Promise<{ readonly addsUp: boolean; readonly stored: number; readonly missing: number }> {
    const { addsUp, frames } = (await json('continuity')) as ContinuityReport
    return { addsUp, stored: frames.stored, missing: frames.missing }
  }
})
