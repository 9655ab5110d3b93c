import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Program, type Supervisor, supervise } from '../../ops/supervisor/supervisor.ts'
import { topics, valueSubject } from '../../processors/topics.ts'
import { projectRoot } from '../../schemas/files.ts'
import { closing } from '../adversary/closing.ts'
import { sendMessages } from '../adversary/messages.ts'
import { type Outcomes, openOutcomes } from '../adversary/outcomes.ts'
import { freePort, millrace, until } from './service.ts'
import { askRegistry } from './stack-clients.ts'

const run = `qr${Date.now().toString(36)}`
const device = `${run}-hive`
/** Of this run, so that its column can be dropped afterwards. */
const traffic = `traffic_${run}`
const field = { name: traffic, type: ['null', 'double'], default: null, unit: '/min', minimum: 0, maximum: 1000, doc: 'Bees.' }

describe('a quantity that is added while everything runs', function () {
  this.timeout(90_000)
  const { use, atEnd } = closing()
  const folder = mkdtempSync(join(tmpdir(), 'millrace-running-'))
  const config = join(folder, 'millrace.yaml')
  const restarted: string[] = []
  let outcomes: Outcomes
  let settings: string
  let sent = 0

  before(async () => {
    atEnd(async () => rmSync(folder, { recursive: true }))
    await millrace('migrate')
    await millrace('schemas', 'register')
    await millrace('devices', 'add', '--account', 'test', '--site', 'test', device)
    outcomes = await use(openOutcomes())
    const ports = { bridge: await freePort(), store: await freePort(), translate: await freePort() }
    settings = `metrics: { ports: ${JSON.stringify(ports)} }\nkafka: { session_timeout_ms: 6000 }\n`
    writeFileSync(config, settings)
    const programs = [['bridge'], ['store'], ['run', 'translate']].map((args): Program => {
      const name = args.at(-1) ?? ''
      return {
        name,
        command: process.execPath,
        args: [`${projectRoot}dist/bin/millrace.js`, ...args, '--config', config],
        env: process.env,
        logFile: join(folder, `${name}.log`),
        pidFile: join(folder, `${name}.pid`),
      }
    })
    const supervisor: Supervisor = await supervise({
      programs,
      graceMs: 10_000,
      happened: (event) => {
        if (event.tag === 'ended') restarted.push(event.name)
      },
    })
    await use(Promise.resolve(supervisor))
  })

  const send = async (): Promise<void> => {
    const ts = new Date(Date.UTC(2026, 10, 23) + sent++ * 1000).toISOString()
    await sendMessages([{ topic: `devices/${device}/telemetry`, payload: JSON.stringify({ ts, temperature: 20, [traffic]: 7 }) }])
  }
  const rows = async (column: string): Promise<number> =>
    Number((await outcomes.query(`SELECT count(${column}) AS rows FROM readings WHERE device_id = $1`, [device]))[0]?.rows)

  it('flows into its column with migrate and schemas register alone, and nothing else is lost', async () => {
    await until(
      'a reading without it is a row',
      async () => {
        await send()
        return (await rows('temperature')) > 0
      },
      40_000,
    )
    writeFileSync(join(folder, 'own.avsc'), JSON.stringify({ type: 'record', name: 'Own', namespace: 'orchard', fields: [field] }))
    writeFileSync(config, `${settings}quantities: ./own.avsc\n`)
    expect(await millrace('migrate', '--config', config)).to.equal(`added to readings: ${traffic}\n`)
    atEnd(async () => {
      await outcomes.query(`ALTER TABLE readings DROP COLUMN IF EXISTS ${traffic} CASCADE`)
    })
    // The file alone ends nobody: it may be there long before the column is.
    expect(restarted).to.deep.equal([])
    await millrace('schemas', 'register', '--config', config)
    const versions = `/subjects/${valueSubject(topics.readings)}/versions`
    const { version } = (await (await askRegistry(`${versions}/latest`)).json()) as { readonly version: number }
    atEnd(async () => {
      await askRegistry(`${versions}/${version}`, { method: 'DELETE' })
    })
    await until(
      'a reading with it is a row',
      async () => {
        await send()
        return (await rows(traffic)) > 0
      },
      40_000,
    )
    expect(restarted.toSorted()).to.deep.equal(['store', 'translate'])
    await until('all have come', async () => (await rows('temperature')) === sent)
    // What translate refused of those that came too early is added.
    await millrace('redrive', 'translate', '--device', device, '--config', config)
    await until('it is whole', async () => (await rows(traffic)) === sent)
  })
})
