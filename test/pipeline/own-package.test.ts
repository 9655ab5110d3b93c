import { execFile, execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { KAFKAJS } from '../../connectors/kafka/client.ts'
import { avroType } from '../../schemas/avro-type.ts'
import { projectRoot } from '../../schemas/files.ts'
import { WIRE_BYTES } from '../../schemas/wire-format.ts'
import { copyModules, withoutNpm } from './own-folder.ts'
import { launchConfigured, launchWith, millrace, type RunningService, until } from './service.ts'
import { address, askRegistry, testDatabase, testKafka, testPublisher } from './stack-clients.ts'

const exec = promisify(execFile)
const run = `n${Date.now().toString(36)}`
const device = `${run}-cold`
/** Of this run: a stack keeps the topics and tables of earlier ones. */
const [watch, log] = [`watch-${run}`, `log-${run}`]

/** Runs a program; what it printed is the error if it fails. */
async function ran(cwd: string, program: string, ...args: readonly string[]): Promise<string> {
  try {
    return (await exec(program, [...args], { cwd, env: withoutNpm() })).stdout
  } catch (cause) {
    const { stdout, stderr } = cause as { readonly stdout: string; readonly stderr: string }
    throw new Error(`${program} ${args.join(' ')} failed:\n${stdout}\n${stderr}`, { cause })
  }
}

const INSTALL = ['install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error']

describe('processors in packages of their own, in a folder that has Millrace from npm', () => {
  let folder: string
  let packed: string
  const services: RunningService[] = []
  const npx = (...args: readonly string[]): Promise<string> => ran(folder, 'npx', 'millrace', ...args)

  before(async function () {
    this.timeout(60_000)
    packed = mkdtempSync(join(tmpdir(), 'millrace-packed-'))
    folder = mkdtempSync(join(tmpdir(), 'millrace-own-'))
    const [{ filename }] = JSON.parse(
      await ran(projectRoot, 'npm', 'pack', '--ignore-scripts', '--json', '--pack-destination', packed),
    ) as [{ readonly filename: string }]
    copyModules(folder)
    await ran(folder, 'npm', ...INSTALL, join(packed, filename))
  })

  after(async () => {
    for (const service of services) await service[Symbol.asyncDispose]()
    for (const each of [folder, packed]) rmSync(each, { recursive: true, force: true })
  })

  it('are created, installed, built, and pass their test', async function () {
    this.timeout(60_000)
    expect(await npx('new', 'processor', watch))
      .to.include(`wrote ${watch}/processor.ts`)
      .and.include('npm install')
    await npx('new', 'process', log)
    await Promise.all(
      [watch, log].map(async (name) => {
        await ran(join(folder, name), 'npm', ...INSTALL)
        expect(await ran(join(folder, name), 'npm', 'test')).to.match(/^\S+ pass [34]$/m)
      }),
    )
  })

  it('do not compile if they emit to an output that is not declared, or what does not fit its schema', async () => {
    const own = join(folder, watch)
    const source = readFileSync(join(own, 'processor.ts'), 'utf8')
    const right = "emit('alerts', { device_id, ts, temperature })"
    expect(source).to.include(right)
    const mistakes = [
      ["emit('warnings', { device_id, ts, temperature })", '"warnings"'],
      ["emit('alerts', { device_id, ts })", 'temperature'],
      ["emit('alerts', { device_id, ts: String(ts), temperature })", 'ts'],
      ["reject('no-such-reason', 'x')", '"no-such-reason"'],
    ] as const
    const copies = mistakes.map((_, index) => join(own, `mistake-${index}.ts`))
    for (const [index, [wrong]] of mistakes.entries()) writeFileSync(copies[index] as string, source.replace(right, wrong))
    const failure = await ran(own, 'npx', 'tsc', '--noEmit').catch(String)
    // What belongs to a line without a blank before it is told below it.
    const errors = failure.split(/\n(?=\S)/)
    for (const [index, [wrong, error]] of mistakes.entries())
      expect(errors.filter((each) => each.startsWith(`mistake-${index}.ts(`)).join('\n'), wrong)
        .to.match(/^\S+\(\d+,\d+\): error TS2322/)
        .and.include(error)
    for (const copy of copies) rmSync(copy)
  })

  it('run by their path, and nothing else is edited: topics, tables, subjects, lag follow; a reading gives a record and a row', async function () {
    this.timeout(60_000)
    writeFileSync(join(folder, 'millrace.yaml'), `processors: [standardise, translate, ./${watch}, ./${log}]\n`)
    expect(await npx('migrate'))
      .to.include(`applied ${log}/0001-${log}`)
      .and.include(`topic ${watch}.alerts created`)
    expect(await npx('migrate')).to.equal('nothing to migrate\n')
    await npx('schemas', 'register')
    const subjects = (await (await askRegistry(`/subjects`)).json()) as readonly string[]
    expect(subjects).to.include.members([`${watch}.alerts-value`, `${watch}.dead-value`, `${log}.dead-value`])
    await millrace('devices', 'add', '--account', 'test', '--site', 'orchard', device)
    const installed = { program: join(folder, 'node_modules/millrace/dist/bin/millrace.js') }
    const settings = `processors: [standardise, translate, ${folder}/${watch}, ${folder}/${log}]\n`
    services.push(
      await launchConfigured('', 'bridge'),
      await launchConfigured('', 'run', 'translate'),
      await launchWith({ settings, ...installed }, 'run', watch),
      // Another copy of Millrace than the one that it is built with.
      await launchConfigured(settings, 'run', log),
    )
    for (const service of services) await service.ready()

    const alerts = await readAlerts()
    const publisher = await testPublisher({ clientId: `${run}-publisher` })
    const began = Date.now() - 60_000
    const samples = [1.5, -0.5].map((temperature, index) => ({ ts: began + index * 1000, temperature }))
    await publisher.publishAsync(`devices/${device}/telemetry`, JSON.stringify(samples), { qos: 1 })
    await publisher.endAsync()
    const app = testDatabase(address('APP_DATABASE_URL'))
    await app.connect()
    try {
      await until('an alert', async () => alerts.found.length > 0)
      expect(alerts.found).to.deep.equal([{ device_id: device, ts: (began + 1000) * 1000, temperature: -0.5 }])
      const query = `SELECT extract(epoch FROM ts) * 1000 AS ms, temperature FROM log_${run} WHERE device_id = $1`
      await until('a row', async () => (await app.query(query, [device])).rowCount === 1)
      const [row] = (await app.query<{ ms: string; temperature: number }>(query, [device])).rows
      expect([Number(row?.ms), row?.temperature]).to.deep.equal([began + 1000, -0.5])
    } finally {
      await app.end()
      await alerts.stop()
    }
    await until('their offsets are committed', async () => new RegExp(`^${watch} +0 `, 'm').test(await npx('lag', '--over', '0s')))
    await until('and the other ones', async () => new RegExp(`^${log} +0 `, 'm').test(await npx('lag', '--over', '0s')))
  })

  /** Collects the alerts of the test's device. */
  async function readAlerts(): Promise<{ readonly found: unknown[]; stop(): Promise<void> }> {
    const found: unknown[] = []
    const type = avroType(JSON.parse(readFileSync(join(folder, watch, `${watch}.avsc`), 'utf8')))
    const consumer = testKafka(run)[KAFKAJS].consumer({
      groupId: `${run}-reader`,
    })
    await consumer.connect()
    await consumer.subscribe({ topics: [`${watch}.alerts`], fromBeginning: true })
    await consumer.run({
      eachMessage: async ({ message: { key, value } }) => {
        if (String(key) === device && value !== null) found.push({ ...(type.fromBuffer(value.subarray(WIRE_BYTES)) as object) })
      },
    })
    return { found, stop: () => consumer.disconnect() }
  }
})

describe('processors in a copy of the sources', () => {
  let copy: string

  before(function () {
    this.timeout(60_000)
    copy = mkdtempSync(join(tmpdir(), 'millrace-sources-'))
    const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: projectRoot, encoding: 'utf8' })
    for (const file of files.trim().split('\n')) {
      mkdirSync(dirname(join(copy, file)), { recursive: true })
      cpSync(join(projectRoot, file), join(copy, file))
    }
    cpSync(join(projectRoot, 'dist'), join(copy, 'dist'), { recursive: true })
    symlinkSync(join(projectRoot, 'node_modules'), join(copy, 'node_modules'))
  })

  after(() => rmSync(copy, { recursive: true, force: true }))

  it('are folders of processors/ that compile, pass lint and their test, and are run by their name', async function () {
    this.timeout(60_000)
    const bin = join(copy, 'dist/bin/millrace.js')
    await ran(copy, process.execPath, bin, 'new', 'processor', 'frost-watch')
    await ran(copy, process.execPath, bin, 'new', 'process', 'frost-log')
    await ran(copy, 'npx', 'tsc')
    await ran(copy, process.execPath, 'dist/bin/generate.js')
    expect(readFileSync(join(copy, 'docs/dead-letters.md'), 'utf8')).to.include('frost-watch')
    await ran(copy, process.execPath, 'dist/bin/generate.js', '--check')
    await ran(copy, 'npx', 'biome', 'check', '--vcs-enabled=false', 'processors/frost-watch', 'processors/frost-log')
    const tested = await ran(copy, 'npx', 'mocha', 'dist/processors/frost-watch/*.test.js', 'dist/processors/frost-log/*.test.js')
    expect(tested).to.include('7 passing')
    const config = join(copy, 'own.yaml')
    writeFileSync(config, 'processors: [standardise, frost-watch, frost-log]\n')
    expect(await ran(copy, process.execPath, bin, 'lag', '--over', '0s', '--config', config))
      .to.include('frost-watch')
      .and.include('frost-log')
  })
})
