import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { projectRoot } from '../../schemas/files.ts'
import { type ScratchDatabase, scratchDatabase } from '../pipeline/scratch-database.ts'
import { freePort, millrace, until } from '../pipeline/service.ts'
import { address, testDatabase } from '../pipeline/stack-clients.ts'
import { type Ran, runMillrace } from './command.ts'

const run = `x${Date.now().toString(36)}`

/** One line that begins so, and no stack. */
function expectOneLine({ code, error }: Ran, expectedCode: number, ...parts: readonly string[]): void {
  expect(error).to.match(/^millrace: [^\n]+\n$/)
  for (const part of parts) expect(error).to.include(part)
  expect(code).to.equal(expectedCode)
}

describe('an error that is nobody’s defect is one line that names what it is about', () => {
  let folder: string
  let scratch: ScratchDatabase

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-errors-'))
    scratch = await scratchDatabase('TELEMETRY_DATABASE_URL')
  })

  after(async () => {
    rmSync(folder, { recursive: true, force: true })
    await scratch[Symbol.asyncDispose]()
  })

  function config(yaml: string): string {
    const path = join(folder, 'millrace.yaml')
    writeFileSync(path, yaml)
    return path
  }

  for (const route of [
    'devices/+/telemetry',
    'devices/#',
    'devices/{device}/#',
    'devices/{device}/{device}',
    '$share/x/{device}',
    'devices/{device}/status',
  ])
    it(`of the route ${route}: the file is named`, async () => {
      const path = config(`bridge: { routes: { telemetry: "${route}" } }\n`)
      expectOneLine(await runMillrace(['bridge', '--config', path]), 2, path, 'bridge: routes', JSON.stringify(route))
    })

  it('of a processor that there is not: no word on its port', async () => {
    for (const args of [
      ['run', 'nosuch'],
      ['run', 'standardise', 'nosuch'],
      ['up', '--config', config('processors: [nosuch]\n')],
    ]) {
      const ran = await runMillrace(args)
      expectOneLine(ran, 2, 'millrace: there is no processor "nosuch"')
      expect(ran.error).to.not.include('port')
    }
  })

  it('of a configuration that is no YAML, or has unknown keys', async () => {
    const path = config('bridge: { client_id: [\n')
    const { code, error } = await runMillrace(['lag', '--config', path])
    expect([code, error.includes(path)]).to.deep.equal([2, true])
    expect(error).to.not.match(/\n {4}at /)
    expectOneLine(await runMillrace(['lag', '--config', config('bridge: { clientid: x }\n')]), 2, path, 'clientid')
  })

  it('of a table readings that the configuration did not ask for', async () => {
    await scratch.query('CREATE TABLE readings (x int)')
    const env = { TELEMETRY_DATABASE_URL: scratch.url }
    expectOneLine(await runMillrace(['migrate'], env), 1, 'readings exists, but is neither')
    await scratch.query('DROP TABLE readings')
  })

  it('of a database that a newer Millrace has migrated', async () => {
    const env = { TELEMETRY_DATABASE_URL: scratch.url }
    expect((await runMillrace(['migrate'], env)).code).to.equal(0)
    await scratch.query("INSERT INTO schema_migration (name, checksum) VALUES ('9999-from-tomorrow', 'x')")
    expectOneLine(await runMillrace(['migrate'], env), 1, '9999-from-tomorrow', 'use the newer version')
  })

  it('of a schema file that is none: a copy of the project with a broken one', async () => {
    const copy = join(folder, 'project')
    for (const name of ['bin', 'db', 'schemas', 'package.json', 'dist'])
      cpSync(join(projectRoot, name), join(copy, name), { recursive: true })
    symlinkSync(join(projectRoot, 'node_modules'), join(copy, 'node_modules'))
    const broken = async (file: string, change: (text: string) => string): Promise<Ran> => {
      const path = join(copy, file)
      const text = readFileSync(path, 'utf8')
      writeFileSync(path, change(text))
      const ran = await runCopy(copy, ['schemas', 'check'])
      writeFileSync(path, text)
      return ran
    }
    expectOneLine(
      await broken('schemas/firmware/hive-1.avsc', (text) => text.replace('"0.01"', '"hot"')),
      1,
      'schemas/firmware/hive-1.avsc: ',
    )
    expectOneLine(await broken('schemas/firmware/hive-1.avsc', (text) => text.slice(0, -5)), 1, 'schemas/firmware/hive-1.avsc: ')
    expectOneLine(await broken('schemas/readings.avsc', (text) => text.replace(/"minimum": [^,]+,/, '')), 1, 'schemas/readings.avsc: ')
  })

  it('of a port that somebody else has', async () => {
    const path = config(`metrics: { ports: { bridge: ${new URL(process.env.REGISTRY_URL ?? '').port} } }\n`)
    expectOneLine(await runMillrace(['bridge', '--config', path]), 1, 'cannot listen on 127.0.0.1')
  })

  it('of a processor that does not exist, or of a file that exists already', async () => {
    expectOneLine(await runMillrace(['run', 'nothing']), 2, 'nothing')
    await millrace('migrate')
    const existing = config('x')
    expectOneLine(await runMillrace(['dead', 'export', 'bridge', '--out', existing]), 1, existing, 'EEXIST')
  })

  it('of a list of devices: the device and its line are named, and nothing is written', async () => {
    await millrace('devices', 'add', '--account', `${run}-a`, `${run}-taken`)
    const list = (text: string): Promise<Ran> => runMillrace(['devices', 'add', '--account', `${run}-b`, '-'], {}, text)
    expectOneLine(await list(`${run}-1\n\n${run}-2\r\n${run} ö\n`), 2, 'line 4', '"ö"')
    expectOneLine(await list(`${run}-1\n${run}-2\n${run}-taken\n`), 2, `device ${run}-taken is assigned elsewhere`, 'line 3')
    expectOneLine(
      await runMillrace(['devices', 'move', '--account', `${run}-b`, `${run}-taken`, `${run}-who`]),
      2,
      `device ${run}-who is not known`,
    )
    const database = testDatabase(address('APP_DATABASE_URL'))
    await database.connect()
    const { rows } = await database.query(
      'SELECT (SELECT count(*) FROM devices WHERE id LIKE $1) AS devices, (SELECT count(*) FROM accounts WHERE name LIKE $1) AS accounts',
      [`${run}%`],
    )
    await database.end()
    expect(rows[0]).to.deep.equal({ devices: '1', accounts: '1' })
    const good = await list(`\ufeff${run}-1\n\n  ${run}-2 ${run}-3\r\n${run}-1\n`)
    expect([good.code, good.output]).to.deep.equal([0, `3 devices: 3 new, 3 newly assigned to account ${run}-b\n`])
  })
})

describe('a service that is started without millrace up', () => {
  for (const [what, options, expected] of [
    ['has the heap of one that is', undefined, '--max-old-space-size=160'],
    ['keeps the heap that NODE_OPTIONS gives it', '--max-old-space-size=300', undefined],
  ] as const)
    it(what, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'millrace-heap-'))
      const port = await freePort()
      const path = join(folder, 'millrace.yaml')
      writeFileSync(path, `metrics: { ports: { standardise: ${port} } }\n`)
      const child = spawn(`${projectRoot}bin/millrace`, ['run', 'standardise', '--config', path], {
        env: { ...process.env, NODE_OPTIONS: options, KAFKA_BROKERS: '127.0.0.1:1', REGISTRY_URL: 'http://127.0.0.1:1' },
        stdio: 'ignore',
      })
      try {
        await until('it answers', () =>
          fetch(`http://127.0.0.1:${port}/health`).then(
            () => true,
            () => false,
          ),
        )
        const command = readFileSync(`/proc/${child.pid}/cmdline`, 'utf8').split('\0')
        expect(command.find((argument) => argument.startsWith('--max-old-space-size'))).to.equal(expected)
      } finally {
        child.kill()
        await new Promise((resolve) => child.once('exit', resolve))
        rmSync(folder, { recursive: true })
      }
    })
})

function runCopy(root: string, args: readonly string[]): Promise<Ran> {
  return runMillrace(args, {}, '', `${root}/bin/millrace`)
}
