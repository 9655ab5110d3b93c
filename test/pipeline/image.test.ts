import type { ChildProcess } from 'node:child_process'
import { execFileSync } from 'node:child_process'
import { chownSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { projectRoot } from '../../schemas/files.ts'
import { type FreshRoot, freshRoot, type Ran } from './fresh-root.ts'
import { withoutNpm } from './own-folder.ts'
import { freePort, millrace, until } from './service.ts'
import { address, testDatabase, testPublisher } from './stack-clients.ts'

const run = `image${Date.now().toString(36)}`
const device = `${run}-hive`
const SERVICES = ['bridge', 'standardise', 'translate', 'store'] as const
const SECRETS = '/run/millrace/secrets'
const ADDRESSES = `${SECRETS}/addresses`
const VARIABLE = /^(MQTT|KAFKA|REGISTRY|TELEMETRY|APP|POSTGRES)_/

/** What an image says of itself. */
interface ImageConfig {
  readonly User: string
  readonly Env: readonly string[]
  readonly Entrypoint: readonly string[]
  readonly WorkingDir: string
  readonly Healthcheck: { readonly Test: readonly string[] }
}

/**
 * The last stage of the Containerfile, on a layer over this machine's own root. The image of the
 * whole file, unpacked, is what MILLRACE_IMAGE_ROOT names, its configuration MILLRACE_IMAGE_CONFIG.
 */
async function applyLastStage(root: FreshRoot): Promise<ImageConfig> {
  const text = readFileSync(`${projectRoot}deploy/image/Containerfile`, 'utf8')
  const lines = text
    .replace(/^#.*\n/gm, '')
    .replace(/\s*\\\n\s*/g, ' ')
    .split('\n')
    .filter((line) => line !== '')
  const stage = lines.slice(lines.lastIndexOf('FROM ' + '$' + '{BASE}') + 1)
  const config = { User: '', Env: [] as string[], Entrypoint: [] as string[], WorkingDir: '/', Healthcheck: { Test: [] as string[] } }
  const json = (value: string): string[] => JSON.parse(value.slice(value.indexOf('[')))
  for (const line of stage) {
    const [, instruction = '', rest = ''] = /^(\w+) (.*)$/.exec(line) ?? []
    const words = rest.split(' ')
    if (instruction === 'COPY' && words[0] === '--from=build')
      execFileSync(`${projectRoot}deploy/library`, [join(root.path, words[2] as string)], { stdio: 'pipe', env: withoutNpm() })
    else if (instruction === 'COPY') cpSync(join(projectRoot, words[0] as string), join(root.path, words[1] as string))
    else if (instruction === 'RUN') expect((await root.run('sh', '-c', rest)).code, rest).to.equal(0)
    else if (instruction === 'ENV') config.Env.push(...words)
    else if (instruction === 'USER') config.User = rest
    else if (instruction === 'WORKDIR') config.WorkingDir = rest
    else if (instruction === 'ENTRYPOINT') config.Entrypoint = json(rest)
    else if (instruction === 'HEALTHCHECK') config.Healthcheck.Test = ['CMD', ...json(rest)]
    else expect(['EXPOSE', 'LABEL', 'CMD']).to.include(instruction)
  }
  return config
}

describe('the image, run by chroot with a read-only root', function () {
  this.timeout(180_000)
  let root: FreshRoot
  let image: ImageConfig
  const started: ChildProcess[] = []
  const ports = new Map<string, number>()
  const telemetry = testDatabase(address('TELEMETRY_DATABASE_URL'))
  const inside = (path: string): string => join(root.path, path)

  /** As an engine starts a container: user, environment and folder are the image's. */
  const contained = (...words: readonly string[]): [string, ...string[]] => [
    'setpriv',
    `--reuid=${image.User.split(':')[0]}`,
    `--regid=${image.User.split(':')[1]}`,
    '--clear-groups',
    '--no-new-privs',
    '--bounding-set=-all',
    'env',
    '-i',
    '-C',
    image.WorkingDir,
    ...image.Env,
    'bash',
    '-c',
    // A command line is everybody's to read.
    `set -a; . ${ADDRESSES}; exec "$@"`,
    'bash',
    ...words,
  ]
  const ran = (...words: readonly string[]): Promise<Ran> => root.run(...contained(...words))
  const healthy = async (service: string): Promise<boolean> =>
    (await ran(...image.Healthcheck.Test.slice(1), String(ports.get(service)))).code === 0

  before(async () => {
    expect(process.getuid?.(), 'needs root, for a root of its own').to.equal(0)
    const { MILLRACE_IMAGE_ROOT: built, MILLRACE_IMAGE_CONFIG: config = '' } = process.env
    root = freshRoot(built ?? '/')
    image = built === undefined ? await applyLastStage(root) : (JSON.parse(readFileSync(config, 'utf8')) as ImageConfig)
    for (const name of SERVICES) ports.set(name, await freePort())
    // What an engine mounts: the configuration, and secrets that only the user of the image may read.
    const [uid, gid] = image.User.split(':').map(Number) as [number, number]
    mkdirSync(inside(SECRETS), { recursive: true })
    const named = [...ports].map(([name, port]) => `${name}: ${port}`).join(', ')
    writeFileSync(inside('etc/millrace/millrace.yaml'), `metrics: { ports: { ${named} } }\nkafka: { session_timeout_ms: 6000 }\n`)
    const copies = new Map<string, string>()
    const copied = (path: string): string => {
      const copy = copies.get(path) ?? `${SECRETS}/${copies.size}`
      copies.set(path, copy)
      cpSync(path, inside(copy))
      chownSync(inside(copy), uid, gid)
      return copy
    }
    const addresses = Object.entries(process.env)
      .filter(([name]) => VARIABLE.test(name))
      .map(([name, value = '']) => {
        const moved = name.endsWith('_FILE') ? copied(value) : value.replace(/(?<=_file=)[^&]+/g, copied)
        return `${name}='${moved}'\n`
      })
    writeFileSync(inside(ADDRESSES), addresses.join(''), { mode: 0o400 })
    chownSync(inside(ADDRESSES), uid, gid)
    root.seal()
    await telemetry.connect()
  })

  after(async () => {
    for (const service of started) service.kill('SIGTERM')
    for (const service of started)
      if (service.exitCode === null && service.signalCode === null) await new Promise((resolve) => service.once('exit', resolve))
    await telemetry.end()
    root?.[Symbol.dispose]()
  })

  it('runs as a user that is a number and no root, and says how it is asked for its health', () => {
    expect(image.User).to.match(/^[1-9]\d*:[1-9]\d*$/)
    expect(image.Entrypoint).to.deep.equal(['millrace'])
    expect(image.Healthcheck.Test).to.deep.equal(['CMD', 'millrace-healthy'])
  })

  it('has what services need, and no tests, no tools of development', () => {
    const library = inside('usr/lib/millrace')
    expect(readdirSync(library)).to.have.members([
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'bin',
      'db',
      'dist',
      'node',
      'node_modules',
      'ops',
      'package.json',
      'schemas',
    ])
    for (const name of ['typescript', 'mocha', '@biomejs', 'playwright-core', 's3rver', 'npm'])
      expect(existsSync(join(library, 'node_modules', name)), name).to.equal(false)
    const kib = Number(execFileSync('du', ['-sk', library], { encoding: 'utf8' }).split('\t')[0])
    expect(kib / 1024, 'MiB').to.be.lessThan(340)
    expect(statSync(library).uid).to.equal(0)
  })

  it('runs the command line, and can write nowhere but to /tmp', async () => {
    const help = await ran(...image.Entrypoint, 'help')
    expect(help.code, help.output).to.equal(0)
    expect(help.output).to.include('millrace')
    const written = await ran(
      'bash',
      '-c',
      'touch /tmp/here && ! touch /etc/millrace/x && ! touch /usr/lib/millrace/x && ! touch /var/lib/millrace/x',
    )
    expect(written.code, written.output).to.equal(0)
  })

  it('carries rows, each service healthy once it has started and not before', async () => {
    expect(await healthy('store')).to.equal(false)
    for (const name of SERVICES) started.push(root.start(...contained(...image.Entrypoint, 'run', name)))
    await until('all are healthy', async () => (await Promise.all(SERVICES.map(healthy))).every((each) => each), 120_000)
    for (const { pid } of started)
      expect(readFileSync(`/proc/${pid}/status`, 'utf8')).to.match(new RegExp(`^Uid:\\s+${image.User.split(':')[0]}\\s`, 'm'))
    await millrace('devices', 'add', '--account', 'test', '--site', 'orchard', device)
    const publisher = await testPublisher({ clientId: device })
    await publisher.publishAsync(`devices/${device}/telemetry`, JSON.stringify({ ts: Date.now() - 3_600_000, temperature: 20 }), { qos: 1 })
    await publisher.endAsync()
    const stored = async (): Promise<number> =>
      Number((await telemetry.query('SELECT count(*) AS rows FROM readings WHERE device_id = $1', [device])).rows[0]?.rows)
    await until('the row is there', async () => (await stored()) === 1, 120_000)
  })

  it('ends when it is told to', async () => {
    for (const service of started) service.kill('SIGTERM')
    for (const service of started) await until('it ends', async () => service.exitCode !== null || service.signalCode !== null, 60_000)
    expect(started.map(({ exitCode }) => exitCode)).to.deep.equal(SERVICES.map(() => 0))
  })
})
