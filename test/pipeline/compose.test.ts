import type { ChildProcess } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import mqtt from 'mqtt'
import { parse } from 'yaml'
import { projectRoot } from '../../schemas/files.ts'
import { type FreshRoot, freshRoot } from './fresh-root.ts'
import { freePort, millrace, until } from './service.ts'
import { address } from './stack-clients.ts'

const device = `compose${Date.now().toString(36)}`
const folder = join(projectRoot, 'deploy/compose')
const compose = parse(readFileSync(join(folder, 'compose.yaml'), 'utf8'), { merge: true, maxAliasCount: -1 }) as {
  readonly services: Readonly<
    Record<
      string,
      {
        readonly image: string
        readonly user?: string
        readonly environment?: Record<string, string>
        readonly volumes?: readonly string[]
      }
    >
  >
}
const MOSQUITTO = 1883

/** Where a volume of compose.yaml is within the service `secrets`, as /volumes/bridge. */
const places = new Map(
  (compose.services.secrets?.volumes ?? []).filter((each) => !each.startsWith('.')).map((each) => each.split(':') as [string, string]),
)

describe('what compose.yaml starts, without an engine', function () {
  this.timeout(150_000)
  let root: FreshRoot
  let port = 0
  const started: ChildProcess[] = []
  const inside = (path: string): string => join(root.path, path)
  const secret = (path: string): string => readFileSync(inside(`volumes/${path}`), 'utf8').trim()
  /** What a service has mounted from the sources, where it has it. */
  const mounted = (service: string): void => {
    for (const volume of compose.services[service]?.volumes ?? []) {
      const [source = '', target = ''] = volume.split(':')
      if (source.startsWith('.')) cpSync(join(folder, source), inside(target), { recursive: true })
    }
  }
  const as = (uid: number, ...words: readonly string[]): [string, ...string[]] => [
    'setpriv',
    `--reuid=${uid}`,
    `--regid=${uid}`,
    '--clear-groups',
    '--no-new-privs',
    '--bounding-set=-all',
    ...words,
  ]
  const connect = (username?: string, password?: string): Promise<mqtt.MqttClient> =>
    mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, {
      protocolVersion: 5,
      reconnectPeriod: 0,
      ...(username === undefined || password === undefined ? {} : { username, password }),
    })
  const refused = async (...user: readonly string[]): Promise<string> => {
    try {
      await (await connect(...user)).endAsync()
    } catch (cause) {
      return String(cause)
    }
    return 'connected'
  }

  before(async () => {
    expect(process.getuid?.(), 'needs root, for a root of its own').to.equal(0)
    root = freshRoot('/')
    port = await freePort()
    for (const place of places.values()) mkdirSync(inside(place), { recursive: true })
    mounted('secrets')
    mounted('mosquitto')
  })

  after(async () => {
    for (const each of started) each.kill('SIGTERM')
    for (const each of started)
      if (each.exitCode === null && each.signalCode === null) await new Promise((resolve) => each.once('exit', resolve))
    root?.[Symbol.dispose]()
  })

  it('makes each secret once, for its reader only, and prints none', async () => {
    const make = () => root.run('/bin/sh', '/etc/millrace/secrets', '/volumes')
    expect(await make()).to.deep.equal({ code: 0, output: '' })
    const all = (): readonly (readonly [string, string, number])[] =>
      readdirSync(inside('volumes'), { recursive: true, withFileTypes: true })
        .filter((each) => each.isFile())
        .map((each) => join(each.parentPath, each.name))
        .map((path) => [path, readFileSync(path, 'utf8'), statSync(path).mode & 0o777] as const)
    const first = all()
    expect(first.length).to.be.greaterThan(25)
    for (const [path, , mode] of first) expect(mode, path).to.equal(0o600)
    expect(await make()).to.deep.equal({ code: 0, output: '' })
    expect(all()).to.deep.equal(first)
    for (const [name, uid] of Object.entries({ postgres: 70, grafana: 472, bridge: 10001, broker: MOSQUITTO, 'broker-files': MOSQUITTO }))
      expect(statSync(inside(`volumes/${name}`)).uid, name).to.equal(uid)
  })

  it('has every secret that a variable of compose.yaml names, in the volume that its service mounts', () => {
    let looked = 0
    for (const [service, { environment = {}, volumes = [] }] of Object.entries(compose.services))
      for (const [name, path] of Object.entries(environment)) {
        if (!name.endsWith('_FILE')) continue
        const volume = volumes.map((each) => each.split(':')).find(([, target]) => target === dirname(path))?.[0] ?? ''
        const place = places.get(volume)
        expect(place, `${service}: ${name}`).not.to.equal(undefined)
        expect(existsSync(inside(`${place}/${path.split('/').pop()}`)), `${service}: ${name}: ${path}`).to.equal(true)
        looked++
      }
    expect(looked).to.be.greaterThan(25)
  })

  it('has a broker that knows the bridge, lets nobody in without a password, and is asked for its health by a user who may do nothing', async () => {
    mkdirSync(inside('run/millrace'), { recursive: true })
    symlinkSync('/volumes/broker', inside('run/millrace/broker'))
    mkdirSync(inside('mosquitto/data'), { recursive: true })
    expect((await root.run('chown', `${MOSQUITTO}`, '/mosquitto/data')).code).to.equal(0)
    // The network is this machine's.
    const file = inside('etc/millrace/mosquitto/mosquitto.conf')
    writeFileSync(file, readFileSync(file, 'utf8').replace('listener 1883', `listener ${port} 127.0.0.1`))
    started.push(root.start(...as(MOSQUITTO, 'mosquitto', '-c', '/etc/millrace/mosquitto/mosquitto.conf')))
    await until('the broker answers', async () => (await refused()).includes('Not authorized'), 60_000)
    expect(await refused('millrace-bridge', 'guessed')).to.include('Not authorized')
    const asked = ['env', 'XDG_CONFIG_HOME=/run/millrace/broker', 'mosquitto_pub', '-p', String(port), '-q', '1', '-t', 'health', '-n']
    const health = await root.run(...as(MOSQUITTO, ...asked))
    expect(health.code, health.output).to.equal(0)
    const bridge = await connect('millrace-bridge', secret('bridge/mqtt'))
    await bridge.subscribeAsync('devices/+/telemetry')
    await bridge.endAsync()
  })

  it('lets a device in whose password was issued, within seconds, and nobody else speak for it', async () => {
    const said = await millrace('devices', 'add', '--account', 'test', '--password', device)
    const password = /\S{20,}/.exec(said.replaceAll(device, ''))?.[0] ?? ''
    writeFileSync(
      inside('etc/millrace/broker-files.yaml'),
      readFileSync(join(folder, 'broker.yaml'), 'utf8').replace('/run/millrace/secrets/users', '/volumes/broker-files/users'),
    )
    const written = await root.run(
      'setpriv',
      `--reuid=${MOSQUITTO}`,
      `--regid=${MOSQUITTO}`,
      '--clear-groups',
      // The sources may be in a folder of root's.
      '--inh-caps=+dac_read_search',
      '--ambient-caps=+dac_read_search',
      'env',
      'MILLRACE_LOCAL=/var/lib/millrace',
      `APP_BROKER_URL=${address('APP_DATABASE_URL')}`,
      process.execPath,
      `${projectRoot}dist/bin/millrace.js`,
      'devices',
      'broker-files',
      '--config',
      '/etc/millrace/broker-files.yaml',
    )
    expect(written.output).to.include('broker: told')
    await until('the device is let in', async () => (await refused(device, password)) === 'connected', 60_000)
    const [bridge, hive] = [await connect('millrace-bridge', secret('bridge/mqtt')), await connect(device, password)]
    const heard: string[] = []
    bridge.on('message', (topic) => heard.push(topic))
    await bridge.subscribeAsync('devices/+/telemetry', { qos: 1 })
    await hive.publishAsync('devices/other/telemetry', '{}', { qos: 1 }).catch((cause: unknown) => cause)
    await hive.publishAsync(`devices/${device}/telemetry`, '{}', { qos: 1 })
    await until('its message comes', async () => heard.length > 0, 60_000)
    expect(heard).to.deep.equal([`devices/${device}/telemetry`])
    await Promise.all([bridge.endAsync(), hive.endAsync()])
  })
})
