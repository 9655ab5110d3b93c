import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { projectRoot } from '../../schemas/files.ts'
import { freePort, type RunningService, startService, until } from '../pipeline/service.ts'
import { closing } from './closing.ts'
import { type Claims, openHostileClient } from './hostile-client.ts'
import { provision, sendMessages } from './messages.ts'
import { openOutcomes } from './outcomes.ts'

const run = `s${Date.now().toString(36)}`
const REFUSED = 0x87
const MESSAGES = 50
const clientId = 'millrace-bridge'
/** As the local stack's own clients have it: the bridge alone knows it. */
const password = (): string => readFileSync(process.env.MQTT_PASSWORD_FILE ?? '', 'utf8').trim()

/** What a stranger may say of himself. */
const strangers: readonly (readonly [string, Omit<Claims, 'clientId'>])[] = [
  ['without a name', {}],
  ['with the bridge’s name', { username: 'millrace-bridge' }],
  ['with the bridge’s name and a wrong password', { username: 'millrace-bridge', password: 'guess' }],
  ['with the bridge’s name and no password but an empty one', { username: 'millrace-bridge', password: '' }],
  ['with a device’s own name and password', { username: `${run}-device`, password: 'its own' }],
]

describe('a stranger with the client ID of the bridge', () => {
  const device = `${run}-a`
  const { use } = closing()
  let bridge: RunningService | undefined

  async function connect(claims: Omit<Claims, 'clientId'>, id = clientId): Promise<number | undefined> {
    await using client = await openHostileClient({ clientId: id, ...claims })
    return client.connack
  }

  const problemd = (service: RunningService, part: RegExp): Promise<void> =>
    until(`health says ${part}`, async () => Object.entries((await service.health()) ?? {}).some((each) => part.test(each.join(': '))))

  before(async () => {
    await provision(device)
    bridge = await startService('bridge')
  })

  after(async () => bridge?.[Symbol.asyncDispose]())

  it('is refused while the bridge is there, whoever he says he is, and the bridge stays connected', async () => {
    for (const [who, claims] of strangers)
      for (const clean of [true, false])
        for (const id of [clientId, `${clientId}-2`]) expect(await connect({ ...claims, clean }, id), `${who}, ${id}`).to.equal(REFUSED)
    expect(await bridge?.metric('millrace_broker_connections_total')).to.equal(1)
    expect(await bridge?.health()).to.deep.equal({})
  })

  it('takes nothing that is queued while the bridge is away: every row comes', async () => {
    const outcomes = await use(openOutcomes())
    await use(startService('run', 'translate'))
    await use(startService('store'))
    await bridge?.[Symbol.asyncDispose]()
    const sent = Array.from({ length: MESSAGES }, (_, index) => ({
      topic: `devices/${device}/telemetry`,
      payload: JSON.stringify({ ts: Date.now() - 60_000 + index * 1_000, temperature: 20 }),
    }))
    await sendMessages(sent)
    for (const [who, claims] of strangers)
      for (const clean of [true, false]) expect(await connect({ ...claims, clean, sessionExpirySeconds: 600 }), who).to.equal(REFUSED)
    bridge = await startService('bridge')
    await until('every row', async () => (await outcomes.rows(device)) === MESSAGES)
    expect(await bridge.metric('millrace_lost_sessions_total')).to.equal(0)
  })

  it('may be anybody else: a device by its name, a client without one', async () => {
    expect(await connect({}, `${run}-device`)).to.equal(0)
    expect(await connect({ username: `${run}-device` }, `${run}-device`)).to.equal(0)
    expect(await connect({}, '')).to.equal(0)
  })

  it('is noticed if he knows the password: health says who has taken the session, and that it is lost', async () => {
    if (bridge === undefined) throw new Error('the bridge does not run')
    expect(await connect({ username: 'millrace-bridge', password: password(), clean: false, sessionExpirySeconds: 600 })).to.equal(0)
    await problemd(bridge, /^mqtt session taken over: another client has connected with client ID millrace-bridge/)
    await until('it is counted', async () => ((await bridge?.metric('millrace_session_takeovers_total')) ?? 0) >= 1)
    await until('the bridge has its session again', async () => (await bridge?.health())?.mqtt === undefined)
    await bridge[Symbol.asyncDispose]()
    // Discards the session, and with it what is queued.
    expect(await connect({ username: 'millrace-bridge', password: password(), clean: true })).to.equal(0)
    bridge = await startService('bridge')
    await problemd(bridge, /^mqtt session: the session of client ID millrace-bridge was lost or taken/)
    await bridge.metricIs(1, 'millrace_lost_sessions_total')
  })
})

describe('the broker configuration that the documentation shows', () => {
  it('ties client IDs to users: neither a stranger nor a device gets the session of the bridge, or of another device', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-broker-'))
    const port = await freePort()
    const page = readFileSync(`${projectRoot}docs/broker.md`, 'utf8')
    const [conf = '', acl = ''] = [...page.matchAll(/```conf\n([\s\S]*?)```/g)].map((match) => match[1] ?? '')
    mkdirSync(join(folder, 'data'))
    writeFileSync(join(folder, 'acl'), acl, { mode: 0o600 })
    writeFileSync(
      join(folder, 'mosquitto.conf'),
      `${conf
        .replaceAll('/etc/mosquitto', folder)
        .replaceAll('/var/lib/mosquitto', join(folder, 'data'))
        .replace(/^listener .*$/m, `listener ${port} 127.0.0.1`)
        .replace(/^(certfile|keyfile|cafile) .*\n/gm, '')}\nuser root\n`,
    )
    const PASSWORDS = { 'millrace-bridge': 'of the bridge', 'hive-1': 'of hive 1', 'hive-2': 'of hive 2' }
    writeFileSync(
      join(folder, 'passwords'),
      Object.entries(PASSWORDS)
        .map(([name, text]) => `${name}:${text}\n`)
        .join(''),
      { mode: 0o600 },
    )
    await finished('mosquitto_passwd', '-U', join(folder, 'passwords'))
    const broker = spawn('mosquitto', ['-c', join(folder, 'mosquitto.conf')], {
      stdio: 'ignore',
      env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
    })
    try {
      const url = `mqtt://127.0.0.1:${port}`
      const as = (username: keyof typeof PASSWORDS, id = username as string) =>
        openHostileClient({ url, clientId: id, username, password: PASSWORDS[username], clean: false, sessionExpirySeconds: 600 })
      await until('the broker answers', async () => {
        await using client = await as('hive-2')
        return client.connack === 0
      })
      await using bridge = await as('millrace-bridge')
      expect([bridge.connack, await bridge.subscribe('devices/+/telemetry')]).to.deep.equal([0, 1])
      for (const claims of [
        {},
        { username: 'millrace-bridge' },
        { username: 'millrace-bridge', password: 'guess' },
        { username: 'hive-9', password: 'x' },
      ]) {
        await using client = await openHostileClient({ url, clientId, ...claims })
        expect(client.connack, JSON.stringify(claims)).to.equal(REFUSED)
      }
      await using victim = await as('hive-2')
      // It may say so: its name becomes its client ID.
      await using device = await as('hive-1', clientId)
      await using other = await as('hive-1', 'hive-2')
      expect([device.connack, other.connack]).to.deep.equal([0, 0])
      expect(await other.publish('devices/hive-1/telemetry', 'x')).to.equal(0)
      expect(await other.publish('devices/hive-2/telemetry', 'x')).to.equal(REFUSED)
      expect(await victim.publish('devices/hive-2/telemetry', 'x')).to.equal(0)
      await until('the bridge gets both', async () => bridge.received.length === 2)
    } finally {
      broker.kill()
      await new Promise((resolve) => broker.once('exit', resolve))
      rmSync(folder, { recursive: true })
    }
  })
})

function finished(command: string, ...args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    spawn(command, args, { stdio: 'ignore', env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` } })
      .once('error', reject)
      .once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`${command} exited with ${code}`))))
  })
}
