import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import type mqtt from 'mqtt'
import type pg from 'pg'
import type { CoverageReport } from '../../ops/firmware/coverage.ts'
import { testFirmware } from './frames.ts'
import { millrace, type RunningService, startService, until } from './service.ts'
import { address, testDatabase, testPublisher } from './stack-clients.ts'

/** Names of this run: the stack keeps those of earlier ones. */
const run = `f${Date.now().toString(36)}`
/** So that what earlier tests have sent within the hour is not read. */
const since = ['--since', new Date().toISOString()] as const

describe('a firmware that is registered while everything runs', () => {
  const firmware = testFirmware(run)
  const device = `${run}-hive`
  const services: RunningService[] = []
  let folder: string
  let database: pg.Client
  let publisher: mqtt.MqttClient

  before(async function () {
    this.timeout(60_000)
    await millrace('migrate')
    await millrace('schemas', 'register')
    await millrace('devices', 'add', '--account', 'test', device)
    folder = mkdtempSync(join(tmpdir(), 'millrace-firmware-'))
    database = testDatabase(address('TELEMETRY_DATABASE_URL'))
    await database.connect()
    publisher = await testPublisher({ clientId: `${run}-publisher` })
    services.push(...(await Promise.all([startService('bridge'), startService('run', 'standardise'), startService('store')])))
  })

  after(async () => {
    await publisher?.endAsync()
    for (const service of services) await service[Symbol.asyncDispose]()
    await database?.end()
    rmSync(folder, { recursive: true })
  })

  const send = (seq: number, temperatures: readonly number[]): Promise<unknown> =>
    publisher.publishAsync(`devices/${device}/telemetry`, firmware.frame(seq, Date.now() - 5_000, temperatures), { qos: 1 })
  const temperatures = async (): Promise<readonly number[]> => {
    const { rows } = await database.query('SELECT temperature FROM readings WHERE device_id = $1 ORDER BY temperature', [device])
    return rows.map((row: { temperature: number }) => row.temperature)
  }
  const details = async (): Promise<readonly string[]> => {
    const lines = (await millrace('dead', 'export', 'bridge', '--device', device)).split('\n').filter((line) => line.startsWith('{'))
    return lines.map((line) => (JSON.parse(line) as { detail: string }).detail)
  }

  const report = async (...options: readonly string[]): Promise<CoverageReport> => {
    const said = await millrace('firmware', '--json', ...(options.includes('--since') ? options : [...since, ...options]))
    return JSON.parse(said.split('\n').find((line) => line.startsWith('{')) ?? '') as CoverageReport
  }

  it('has its early frames back with the command that their dead letter names, and its later ones without', async function () {
    this.timeout(60_000)
    await send(0, [2000, 2100])
    await until('a dead letter', async () => (await details()).length === 1)
    const [, command] = /: millrace (redrive .*)$/.exec((await details())[0] ?? '') ?? []
    expect(command).to.equal(`redrive bridge --reason unknown-fingerprint --fingerprint ${firmware.fingerprint.toString('hex')}`)
    expect(await temperatures()).to.deep.equal([])
    const before = await report('--device', device)
    expect(before.devices).to.deep.equal([{ device, provisioned: true, birth: null, readings: {}, firmware: null, from: null }])
    const fingerprint = firmware.fingerprint.toString('hex')
    expect(before.strange).to.have.length(1)
    expect(before.strange[0]).to.deep.include({ device, fingerprint, messages: 1, known: false, command: `millrace ${command}` })

    const file = join(folder, 'mine.avsc')
    writeFileSync(file, firmware.schema('0.01'))
    const said = await millrace('schemas', 'register', file)
    expect(said).to.include('1 schemas registered')
    expect(said).to.include(`If its frames came before: millrace ${command}`)
    expect(await millrace(...(command as string).split(' '))).to.include('1 dead letters redriven: 1 succeeded')
    await until('the early rows', async () => (await temperatures()).length === 2)

    await send(1, [2200])
    await until('the later row', async () => (await temperatures()).length === 3)
    expect(await temperatures()).to.deep.equal([20, 21, 22])
    expect(await details()).to.have.length(1)
    // The same again sends nothing twice.
    expect(await millrace(...(command as string).split(' '))).to.include('0 dead letters redriven')

    const after = await report('--firmware', `${run}-1`)
    expect(after.firmwares).to.have.length(1)
    expect(after.firmwares[0]).to.deep.include({ firmware: `${run}-1`, kind: 'firmware', devices: 1, fingerprints: [fingerprint] })
    expect(after.firmwares[0]?.measures[0]).to.include({ field: 'temperature', conversion: 'raw × 0.01' })
    expect(after.strange.filter((each) => each.device === device)).to.deep.equal([])
    expect(after.devices.map((each) => [each.device, each.from])).to.deep.equal([[device, 'readings']])
    // An age of nothing: no reading is that new, and nothing else says what the device runs.
    expect((await report('--device', device, '--since', '0s')).devices[0]).to.include({ firmware: null })
    expect(await millrace('firmware', ...since)).to.match(new RegExp(`^${run}-1 +firmware +1 `, 'm'))
  })

  it('is refused, with all that is registered beside it, if it could not read what is there', async () => {
    const { fields, ...record } = JSON.parse(firmware.schema('0.01')) as { fields: readonly { name: string }[] }
    const more = { ...fields.at(-1), name: 'more', standard: 'weight' }
    writeFileSync(join(folder, 'mine.avsc'), JSON.stringify({ ...record, fields: [...fields, more] }))
    writeFileSync(join(folder, 'another.avsc'), testFirmware(`${run}b`).schema('0.01'))
    const failure = await millrace('schemas', 'register', folder).catch(String)
    expect(failure).to.include('exited with 1')
    expect(failure).to.match(/mine\.avsc: cannot be read with what telemetry\.frames-millrace\.firmware\.\w+\.V1 has/)
    expect(failure).to.include('nothing was registered')
  })
})
