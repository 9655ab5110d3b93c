import { type ChildProcess, execFile, execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { projectRoot } from '../../schemas/files.ts'
import { localDirectory } from '../../services/local-directory.ts'
import { type FreshRoot, freshRoot, type Ran } from './fresh-root.ts'
import { withoutNpm } from './own-folder.ts'
import { freePort, millrace, until } from './service.ts'
import { address, testDatabase, testPublisher } from './stack-clients.ts'

const exec = promisify(execFile)
const run = `deb${Date.now().toString(36)}`
const device = `${run}-hive`
const SERVICES = ['bridge', 'standardise', 'translate', 'devices', 'continuity', 'store'] as const
/** Of 100, by `systemd-analyze security`: the strictest that the services' units pass. */
const EXPOSURE = 12
const NEWER = '2.0'
const OLDER = '1.0'

/** Builds the package uncompressed, which takes a fifth of the time. */
async function build(folder: string, version: string, epoch: string): Promise<string> {
  const env = { ...withoutNpm(), VERSION: version, COMPRESSION: 'none', SOURCE_DATE_EPOCH: epoch, TMPDIR: folder }
  return (await exec(`${projectRoot}deploy/debian/build`, [folder], { env })).stdout.trim()
}

/** The sum of what a package installs, with names, owners, modes and times. */
function contents(deb: string): string {
  const archive = spawnSync('sh', ['-c', 'dpkg-deb --fsys-tarfile "$1" | sha256sum', 'sh', deb], { encoding: 'utf8' })
  expect(archive.status, archive.stderr).to.equal(0)
  return archive.stdout
}

/** The sum of what says how it is installed, but for the version. */
function control(deb: string): string {
  const text = execFileSync('dpkg-deb', ['--field', deb], { encoding: 'utf8' }).replace(/^Version: .*$/m, '')
  const scripts = ['postinst', 'prerm', 'postrm', 'conffiles', 'md5sums'].map((name) =>
    execFileSync('dpkg-deb', ['--info', deb, name], { maxBuffer: 1e8 }),
  )
  return createHash('sha256').update(text).update(Buffer.concat(scripts)).digest('hex')
}

describe('the Debian package, on a machine that has nothing of Millrace', function () {
  this.timeout(240_000)
  let folder: string
  let root: FreshRoot
  let supervisor: ChildProcess | undefined
  let [older, newer] = ['', '']
  const telemetry = testDatabase(address('TELEMETRY_DATABASE_URL'))
  const inside = (...path: readonly string[]): string => join(root.path, ...path)
  const pid = (service: string): number => Number(readFileSync(inside('var/lib/millrace/pid', service), 'utf8'))
  const stored = async (): Promise<number> =>
    Number((await telemetry.query('SELECT count(*) AS rows FROM readings WHERE device_id = $1', [device])).rows[0]?.rows)
  const succeeds = (ran: Ran): string => {
    expect(ran.code, ran.output).to.equal(0)
    return ran.output
  }
  const apt = async (...args: readonly string[]): Promise<string> =>
    succeeds(
      await root.run(
        'apt-get',
        '-y',
        '-qq',
        '--no-install-recommends',
        '-o',
        'DPkg::Lock::Timeout=60',
        '-o',
        'DPkg::Options::=--force-unsafe-io',
        ...args,
      ),
    )

  before(async () => {
    expect(process.getuid?.(), 'needs root, for a root of its own').to.equal(0)
    folder = mkdtempSync(join(tmpdir(), 'millrace-deb-'))
    for (const name of ['one', 'two']) mkdirSync(join(folder, name))
    const epoch = '1790000000'
    older = await build(join(folder, 'one'), OLDER, epoch)
    newer = await build(join(folder, 'two'), NEWER, epoch)
    root = freshRoot(process.env.MILLRACE_DEBIAN_BASE ?? '/')
    for (const deb of [older, newer]) cpSync(deb, inside('root', deb.split('/').pop() as string))
    await telemetry.connect()
  })

  after(async () => {
    supervisor?.kill('SIGTERM')
    if (supervisor?.exitCode === null) await new Promise((resolve) => supervisor?.once('exit', resolve))
    await telemetry.end()
    root?.[Symbol.dispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  it('is made of the same bytes in another folder and at another time', () => {
    expect(contents(older)).to.equal(contents(newer))
    expect(control(older)).to.equal(control(newer))
  })

  it('is installed by apt, and one command brings it to an existing stack', async () => {
    expect(await apt('install', `/root/millrace_${OLDER}_amd64.deb`)).to.include('run millrace-configure')
    const ports = await Promise.all([...SERVICES, 'watch'].map(async (name) => `${name}: ${await freePort()}`))
    writeFileSync(
      inside('etc/millrace/millrace.yaml'),
      `metrics: { ports: { ${ports.join(', ')} } }\nkafka: { session_timeout_ms: 6000 }\n`,
    )
    const addresses = readFileSync(join(localDirectory(process.env), 'env'), 'utf8')
    writeFileSync(inside('root/addresses'), addresses)
    for (const [, path] of addresses.matchAll(/^\w+_FILE=(.*)$/gm)) {
      mkdirSync(inside(dirname(path as string)), { recursive: true })
      cpSync(path as string, inside(path as string))
    }
    const said = succeeds(await root.run('millrace-configure', '/root/addresses'))
    expect(said)
      .to.include(`services: ${SERVICES.join(' ')}`)
      .and.include('millrace up')
    for (const path of ['environment', 'secrets/MQTT_PASSWORD'])
      expect(statSync(inside('etc/millrace', path)).mode & 0o777, path).to.equal(0o640)
    expect((await root.run('setpriv', '--reuid=nobody', '--clear-groups', 'millrace', 'lag')).output).to.include(
      'be root, or in the group millrace',
    )
    expect(succeeds(await root.run('millrace-configure'))).to.include('nothing to migrate')
  })

  it('has units that systemd takes without a word, and that leave a service little', () => {
    const units = readdirSync(inside('usr/lib/systemd/system')).filter((name) => name.startsWith('millrace'))
    expect(units).to.include.members(['millrace.target', 'millrace-watch.service', ...SERVICES.map((name) => `millrace-${name}.service`)])
    for (const unit of units) {
      const path = join('/usr/lib/systemd/system', unit)
      const verified = spawnSync('systemd-analyze', ['verify', `--root=${root.path}`, '--man=no', path], { encoding: 'utf8' })
      expect([verified.status, verified.stdout + verified.stderr], unit).to.deep.equal([0, ''])
      if (!unit.endsWith('.service')) continue
      const security = ['security', '--offline=true', `--threshold=${EXPOSURE}`, `--root=${root.path}`, path]
      const exposed = spawnSync('systemd-analyze', security, { encoding: 'utf8' })
      expect(exposed.status, exposed.stdout + exposed.stderr).to.equal(0)
    }
  })

  it('carries rows, as a user of its own', async () => {
    supervisor = root.start('setpriv', '--reuid=millrace', '--regid=millrace', '--init-groups', 'millrace', 'up')
    succeeds(await root.run('millrace', 'status', '--wait', '120'))
    for (const service of SERVICES)
      expect(readFileSync(`/proc/${pid(service)}/status`, 'utf8'), service).to.match(new RegExp(`^Uid:\\s+${userOf(root)}\\s`, 'm'))
    succeeds(await root.run('millrace', 'devices', 'add', '--account', 'test', '--site', 'orchard', device))
    const publisher = await testPublisher({ clientId: `${run}-first` })
    await publisher.publishAsync(`devices/${device}/telemetry`, JSON.stringify({ ts: Date.now() - 3_600_000, temperature: 20 }), { qos: 1 })
    await publisher.endAsync()
    await until('the row is there', async () => (await stored()) === 1, 120_000)
  })

  it('is upgraded under load, one service after the other, and loses nothing', async () => {
    const before = new Map(SERVICES.map((service) => [service, pid(service)]))
    const publisher = await testPublisher({ clientId: `${run}-load` })
    let [sent, upgraded] = [0, false]
    const began = Date.now() - 3_000_000
    const load = (async () => {
      for (; !upgraded; sent++, await delay(20))
        await publisher.publishAsync(`devices/${device}/telemetry`, JSON.stringify({ ts: began + sent, temperature: sent % 40 }), {
          qos: 1,
        })
    })()
    try {
      const said = await apt('install', `/root/millrace_${NEWER}_amd64.deb`)
      for (const service of SERVICES) expect(said).to.include(`ready: ${service}\n`)
    } finally {
      upgraded = true
      await load
      await publisher.endAsync()
    }
    expect(succeeds(await root.run('dpkg-query', '--show', 'millrace'))).to.equal(`millrace\t${NEWER}\n`)
    for (const [service, old] of before) expect(pid(service), service).not.to.equal(old)
    expect(readFileSync(inside('etc/millrace/millrace.yaml'), 'utf8'), 'the configuration').to.include('session_timeout_ms')
    await until(`all ${sent + 1} are rows`, async () => (await stored()) === sent + 1, 120_000)
  })

  it('leaves settings and data when it is removed, and takes only its own when it is purged', async () => {
    mkdirSync(inside('var/lib/millrace/archive'))
    writeFileSync(inside('var/lib/millrace/archive/day.parquet'), '')
    await apt('remove', 'millrace')
    expect(existsSync(inside('usr/lib/millrace'))).to.equal(false)
    await until('the services have ended', async () => supervisor?.exitCode === 0, 120_000)
    for (const kept of ['etc/millrace/millrace.yaml', 'etc/millrace/environment', 'var/lib/millrace/log/store.log'])
      expect(existsSync(inside(kept)), kept).to.equal(true)
    await apt('purge', 'millrace')
    expect(existsSync(inside('etc/millrace'))).to.equal(false)
    expect(readdirSync(inside('var/lib/millrace'))).to.deep.equal(['archive'])
    expect(await millrace('devices', 'list')).to.include(device)
    expect(await stored()).to.be.greaterThan(1)
  })
})

function userOf(root: FreshRoot): string {
  return /^millrace:[^:]*:(\d+):/m.exec(readFileSync(join(root.path, 'etc/passwd'), 'utf8'))?.[1] ?? 'no user'
}
