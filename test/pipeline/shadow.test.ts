import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import type pg from 'pg'
import { KAFKAJS } from '../../connectors/kafka/client.ts'
import { createRegistry } from '../../connectors/registry/registry.ts'
import type { Example } from '../../ops/shadow/report.ts'
import { topics, valueSubject } from '../../processors/topics.ts'
import { avroType } from '../../schemas/avro-type.ts'
import { projectRoot } from '../../schemas/files.ts'
import { deviceStatusSchema } from '../../schemas/generated/device-status.ts'
import { frameRecord, produce, testFirmware, wire } from './frames.ts'
import { launchConfigured, millrace, type RunningService, until } from './service.ts'
import { address, testDatabase, testKafka } from './stack-clients.ts'

const run = `s${Date.now().toString(36)}`
const device = `${run}-hive`
const late = `${run}-late`

interface Shadowed {
  readonly code: number | null
  readonly result: {
    readonly inputs: number
    readonly differences: number
    readonly alike: { readonly records: number; readonly items: number; readonly deadLetters: number; readonly repeats: number }
    readonly byField: readonly {
      readonly kind: string
      readonly count: number
      readonly largest: number | null
      readonly examples: readonly Example[]
    }[]
    readonly notCompared: { readonly notYet: number; readonly cut: number }
    readonly tables: readonly unknown[]
    readonly reasons: Readonly<Record<string, number>>
    readonly stopped: string | null
  }
}

describe('a shadow run', () => {
  const registry = createRegistry(address('REGISTRY_URL'))
  const firmware = testFirmware(run)
  const services: RunningService[] = []
  const folder = mkdtempSync(join(tmpdir(), 'shadow-'))
  const config = join(folder, 'millrace.yaml')
  const settings = `processors: [standardise, devices, ${projectRoot}examples/frost-alert]\n`
  let began: number
  const kafka = testKafka(run)
  const admin = kafka[KAFKAJS].admin()
  let id: number
  let app: pg.Client
  /**
   * Milliseconds since 1970 at which the frames are received: after all that other tests have left
   * in the topics, for a slice ends at the first record that is later.
   */
  let received: number

  before(async () => {
    began = Date.now() - 30_000
    writeFileSync(config, settings)
    await millrace('migrate', '--config', config)
    await millrace('schemas', 'register', '--config', config)
    await millrace('devices', 'add', '--account', 'test', '--from', new Date(began - 1000).toISOString(), device)
    id = await registry.register(firmware.subject, firmware.schema('0.01'))
    app = testDatabase(address('APP_DATABASE_URL'))
    await app.connect()
    await admin.connect()
    for (const name of ['standardise', 'frost-alert']) services.push(await launchConfigured(settings, 'run', name))
    for (const service of services) await service.ready()
    received = Date.now()
    const frames = [
      [100, 200],
      [-50, 300],
      [400, -200, 500],
    ].map((temperatures, seq) => frameRecord(device, wire(id, firmware.datum(seq, began + seq * 5000, temperatures)), received + seq))
    const refused = frameRecord(late, wire(id, firmware.datum(0, began, [2000])), received + 50)
    await produce([...frames, refused])
    await until('all is read', async () => /^frost-alert +0 /m.test(await millrace('lag', '--over', '0s', '--config', config)))
    await until('the offsets of standardise are committed', async () =>
      /^standardise +0 /m.test(await millrace('lag', '--over', '0s', '--config', config)),
    )
    await until('the alerts are there', async () => (await ends())['frost.alerts'] !== 0n)
    await delay(700)
    await until('all is read', async () => /^frost-alert +0 /m.test(await millrace('lag', '--over', '0s', '--config', config)))
  })

  after(async () => {
    for (const service of services) await service[Symbol.asyncDispose]()
    await admin.disconnect()
    await app?.end()
    rmSync(folder, { recursive: true, force: true })
  })

  /** Of every topic: how many records it was ever sent. */
  async function ends(): Promise<Readonly<Record<string, bigint>>> {
    const names = (await admin.listTopics()).filter((name) => name !== topics.clock && !name.startsWith('__')).sort()
    const found: Record<string, bigint> = {}
    for (const name of names) found[name] = (await admin.fetchTopicOffsets(name)).reduce((sum, { high }) => sum + BigInt(high), 0n)
    return found
  }

  const slice = (): readonly string[] => ['--from', new Date(received - 1).toISOString(), '--to', new Date(received + 1000).toISOString()]

  function shadow(...args: readonly string[]): Promise<Shadowed> {
    return new Promise((resolve, reject) => {
      execFile(
        process.execPath,
        [`${projectRoot}dist/bin/millrace.js`, 'shadow', ...args, ...slice(), '--json', '--config', config],
        (error, stdout, stderr) => {
          try {
            resolve({ code: error === null ? 0 : Number(error.code), result: JSON.parse(stdout) as Shadowed['result'] })
          } catch {
            reject(new Error(`${stdout}${stderr}`))
          }
        },
      )
    })
  }

  it('finds no difference in what is deployed, dead letters included, and leaves no trace', async () => {
    const before = [await ends(), await registry.subjects(''), (await admin.listGroups()).groups.map(({ groupId }) => groupId).sort()]
    const { code, result } = await shadow('standardise', '--device', device, '--device', late)
    expect(result).to.deep.include({ inputs: 4, differences: 0, alike: { records: 3, items: 0, deadLetters: 1, repeats: 0 } })
    expect(code).to.equal(0)
    const after = [await ends(), await registry.subjects(''), (await admin.listGroups()).groups.map(({ groupId }) => groupId).sort()]
    expect(after).to.deep.equal(before)
  })

  it('shows what a changed threshold changes: the alerts that are gone, and no others', async () => {
    // A working copy elsewhere, of the same name.
    const copy = join(folder, 'frost-alert')
    cpSync(`${projectRoot}dist/examples/frost-alert`, copy, { recursive: true })
    const file = join(copy, 'processor.js')
    const text = readFileSync(file, 'utf8')
    const changed = text
      .replace('temperature >= 0', 'temperature >= -1')
      .replaceAll("'../../", `'${projectRoot}dist/`)
      .replace(/^\/\/# sourceMappingURL.*$/m, '')
    expect(changed).to.include('temperature >= -1')
    writeFileSync(file, changed)
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
    symlinkSync(`${projectRoot}node_modules`, join(folder, 'node_modules'))
    const before = await ends()
    const { code, result } = await shadow(copy, '--device', device)
    expect(result.byField.map(({ kind, count }) => `${count} ${kind}`)).to.deep.equal(['1 frost.alerts (only the deployed one)'])
    expect(result.byField[0]?.examples[0]).to.deep.include({ device, ts: (began + 5000) * 1000, working: null })
    expect(result.alike).to.deep.include({ records: 1 })
    expect(code).to.equal(1)
    expect(await ends()).to.deep.equal(before)
  })

  it('shows what a corrected firmware and a device that was added change', async () => {
    await registry.register(firmware.subject, firmware.schema('0.02'))
    await millrace('devices', 'add', '--account', 'test', '--from', new Date(began - 1000).toISOString(), late)
    const { code, result } = await shadow('standardise', '--device', device, '--device', late)
    expect(result.byField.map(({ kind, count, largest }) => [kind, count, largest])).to.deep.equal([
      ['standardise.dead (only the deployed one)', 1, null],
      ['telemetry.readings (only the working copy)', 1, null],
      ['telemetry.readings temperature', 7, 5],
    ])
    const temperature = result.byField.at(-1)?.examples[0]
    expect(temperature).to.deep.include({ device, ts: began * 1000, deployed: 1, working: 2 })
    expect(temperature?.source).to.match(/^telemetry\.frames\/\d+\/\d+$/)
    expect(code).to.equal(1)
    await millrace('redrive', 'standardise', '--device', late, '--config', config)
    const again = await shadow('standardise', '--device', device, '--device', late)
    expect(again.result.byField.map(({ kind, count }) => `${count} ${kind}`)).to.deep.equal(['7 telemetry.readings temperature'])
  })

  it('leaves out inputs that the deployed one has not come to yet, and says so', async () => {
    await services.pop()?.[Symbol.asyncDispose]()
    await produce([frameRecord(device, wire(id, firmware.datum(3, began + 20_000, [-700])), received + 60)])
    await until('the frame is standardised', async () =>
      /^standardise +0 /m.test(await millrace('lag', '--over', '0s', '--config', config)),
    )
    const { code, result } = await shadow('frost-alert', '--device', device)
    expect(result).to.deep.include({ inputs: 3, differences: 0, notCompared: { notYet: 1, cut: 0 } })
    expect(code).to.equal(0)
  })

  it('says what a business process would change, and changes nothing', async () => {
    const statusId = await registry.register(valueSubject(topics.deviceStatus), JSON.stringify(deviceStatusSchema.json))
    const born = { device_id: device, state: 'ready', boot: 7, firmware: 'hive-1', received: received * 1000 } as const
    const birth = wire(statusId, avroType(deviceStatusSchema.json).toBuffer(born))
    const [known, stranger] = [Buffer.from(device), Buffer.from(`${run}-stranger`)]
    await produce(
      [[known, birth] as const, [stranger, birth] as const, [known, Buffer.from('garbage')] as const].map(([key, value]) => ({
        topic: topics.deviceStatus,
        key,
        value,
        timestampMs: received + 10,
      })),
    )
    const rows = async (): Promise<readonly unknown[]> =>
      (await app.query('SELECT * FROM device_status WHERE device_id LIKE $1', [`${run}%`])).rows
    const { code, result } = await shadow('devices', '--device', device, '--device', String(stranger))
    expect(result).to.deep.include({
      inputs: 3,
      tables: [{ table: 'device_status', inserted: 1, updated: 0, deleted: 0 }],
      reasons: { 'unknown-device': 1, undecodable: 1 },
    })
    expect(code).to.equal(1)
    expect(await rows()).to.deep.equal([])
  })

  it('ends early where others have the locks, and does not wait for them for long', async () => {
    await app.query('BEGIN')
    await app.query('SELECT 1 FROM devices WHERE id = $1 FOR UPDATE', [device])
    try {
      const { code, result } = await shadow('devices', '--device', device)
      expect(result).to.deep.include({ inputs: 2, devices: 0, tables: [] })
      expect(result.stopped).to.match(/others have the locks/)
      expect(code).to.equal(1)
    } finally {
      await app.query('ROLLBACK')
    }
  })

  it('leaves nothing of a process that commits by itself', async () => {
    const stubborn = join(folder, 'stubborn')
    mkdirSync(stubborn)
    writeFileSync(
      join(stubborn, 'process.js'),
      `import { deviceStatus } from '${projectRoot}dist/processors/devices/status.js'
       export const businessProcess = {
         from: deviceStatus, database: 'app', order: 'as-they-came', time: () => 0, needs: deviceStatus.needs, reasons: {},
         async handle(device, items, tx) {
           await tx.query('INSERT INTO devices (id) VALUES ($1)', [device + '-before'])
           await tx.query('COMMIT').catch(() => undefined)
           await tx.query('INSERT INTO devices (id) VALUES ($1)', [device + '-after'])
         },
       }`,
    )
    const failure = await shadow(stubborn, '--device', device).catch(String)
    expect(failure).to.match(/read-only transaction/)
    expect((await app.query('SELECT id FROM devices WHERE id LIKE $1', [`${device}%`])).rows).to.deep.equal([{ id: device }])
  })
})
