import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { roleName } from '../../connectors/postgres/grant-roles.ts'
import { migrateApp, migrateRoles } from '../../connectors/postgres/migrate.ts'
import { readMigrations } from '../../connectors/postgres/migrations.ts'
import { ROLES } from '../../connectors/postgres/roles.ts'
import { projectRoot } from '../../schemas/files.ts'
import { closing } from '../adversary/closing.ts'
import { runMillrace } from '../adversary/command.ts'
import type { Claims, HostileClient } from '../adversary/hostile-client.ts'
import { provision } from '../adversary/messages.ts'
import { openOutcomes } from '../adversary/outcomes.ts'
import { type DeviceBroker, openDeviceBroker, USERS } from './device-broker.ts'
import { type ScratchDatabase, scratchDatabase } from './scratch-database.ts'
import { launchWith, startService, until } from './service.ts'

const run = `i${Date.now().toString(36)}`
const name = (end: string): string => `${run}-${end}`
const prefix = `identity_${randomBytes(4).toString('hex')}`
const DENIED = 0x87

describe('the identity of devices', function () {
  this.timeout(120_000)
  const { use, atEnd } = closing()
  let database: ScratchDatabase
  let broker: DeviceBroker
  /** Hears all that the broker delivers of devices. */
  let observer: HostileClient
  let operator: HostileClient
  const passwords = new Map<string, string>()

  before(async () => {
    atEnd(async () => {
      await using server = await scratchDatabase('APP_DATABASE_URL')
      for (const role of ROLES) await server.query(`DROP ROLE IF EXISTS ${roleName(prefix, role)}`)
    })
    database = await use(scratchDatabase('APP_DATABASE_URL'))
    await migrateApp({ url: database.url, migrations: await readMigrations(`${projectRoot}db/app`) })
    await migrateRoles(database.url, { database: 'app', prefix })
    broker = await use(openDeviceBroker(database.url))
    await broker.devices('authority')
    await broker.start()
    observer = await use(broker.withPassword('observer', USERS.observer))
    await observer.subscribe('#')
    operator = await use(broker.withPassword('operator', USERS.operator))
    await operator.publish('devices/kept/commands', 'kept', true)
  })

  const at = (path: string): string => join(broker.folder, path)
  /** Topics on which a payload was delivered. */
  const topicsOf = (payload: string): readonly string[] =>
    observer.received.filter((each) => each.payload.toString() === payload).map(({ topic }) => topic)

  /** What was sent before it has been delivered as well: the broker keeps the order. */
  async function delivered(client: HostileClient, device: string): Promise<void> {
    const last = `last ${randomBytes(4).toString('hex')}`
    expect(await client.publish(`devices/${device}/telemetry`, last)).to.equal(0)
    await until('the last message is delivered', async () => topicsOf(last).length === 1, 60_000)
  }

  const ended = (client: HostileClient): Promise<boolean> =>
    Promise.race([client.closed.then(() => true), new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 300))])

  async function expectRefused(opening: Promise<HostileClient>, why: string): Promise<void> {
    await using client = await opening
    expect(client.connack === undefined || client.connack >= 0x80, why).to.equal(true)
  }

  describe('is provisioned', () => {
    it('from a CSV, with keys for their owner only; a repeat makes none', async () => {
      writeFileSync(at('fleet.csv'), `device,account,site\n${['a', 'b', 'c'].map((end) => `${name(end)},bees,orchard\n`).join('')}`)
      const add = ['import', '--certificate', '--out', at('out'), at('fleet.csv')]
      expect((await broker.devices(...add)).output).to.include('3 certificates issued')
      expect(statSync(at(`out/${name('a')}.key`)).mode & 0o777).to.equal(0o600)
      expect((await broker.devices(...add)).output)
        .to.include('0 certificates issued')
        .and.to.include('3 devices have one already')
    })

    it('with passwords, which are all that standard output has', async () => {
      const { output } = await broker.devices('add', '--account', 'bees', '--password', name('p'), name('q'))
      const lines = output
        .trim()
        .split('\n')
        .map((line) => line.split('\t'))
      expect(lines.map(([device]) => device)).to.deep.equal([name('p'), name('q')])
      for (const [device = '', password = ''] of lines) passwords.set(device, password)
      expect([...passwords.values()].every((password) => /^[\w-]{32}$/.test(password))).to.equal(true)
    })

    it('with a signing request: the key has never left the device', async () => {
      mkdirSync(at('csr'))
      const subject = ['-subj', `/CN=${name('r')}`, '-keyout', at(`csr/${name('r')}.key`), '-out', at(`csr/${name('r')}.csr`)]
      spawnSync('openssl', ['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', ...subject])
      await broker.devices('add', '--account', 'bees', '--csr', at('csr'), '--out', at('csr'), name('r'))
      await using client = await broker.withCertificate(name('r'), {}, 'csr')
      await delivered(client, name('r'))
    })

    it('as a gateway that has a rule; not as a name that nobody knows, nor as the bridge', async () => {
      await broker.devices('via', name('gw'), 'tag-*')
      await broker.devices('rotate', '--certificate', '--out', at('out'), name('gw'))
      await using client = await broker.withCertificate(name('gw'))
      await delivered(client, name('gw'))
      for (const [device, expected] of [
        [name('nobody'), 'provision first'],
        ['Millrace-Bridge', 'does not begin with millrace-'],
      ] as const) {
        const ran = await runMillrace(['devices', 'rotate', '--password', device, '--config', broker.config], broker.env)
        expect([ran.code, ran.output, ran.error.includes(expected)]).to.deep.equal([2, '', true])
      }
    })

    it('in numbers: a fleet of more than one transaction, each device once', async () => {
      const fleet = Array.from({ length: 1_100 }, (_, index) => `${run}f${index}`)
      const ran = await runMillrace(
        ['devices', 'add', '--account', 'many', '--password', '-', '--config', broker.config],
        broker.env,
        fleet.join('\n'),
      )
      expect(
        ran.output
          .trim()
          .split('\n')
          .map((line) => line.split('\t')[0]),
      ).to.deep.equal(fleet)
      await using last = await broker.withPassword(fleet.at(-1) ?? '', ran.output.trim().split('\t').at(-1))
      expect(last.connack).to.equal(0)
    })

    it('without any key or password in the database', async () => {
      const rows = await database.query(
        'SELECT to_jsonb(c)::text AS row FROM device_credentials c UNION ALL SELECT to_jsonb(a)::text FROM device_authority a',
      )
      const all = rows.map(({ row }) => String(row)).join('\n')
      expect(all).to.include('BEGIN CERTIFICATE').and.to.include('BEGIN X509 CRL').and.not.to.include('PRIVATE')
      for (const password of passwords.values()) expect(all).not.to.include(password)
      const key = readFileSync(at('authority/ca.key'), 'utf8').split('\n')[1] ?? ''
      expect(all).not.to.include(key)
    })
  })

  for (const kind of ['certificate', 'password'] as const)
    describe(`is not another’s, with a ${kind}`, () => {
      const [me, victim] = kind === 'certificate' ? [name('a'), name('b')] : [name('p'), name('q')]
      const come = (device: string, claims: Partial<Claims> = {}): Promise<HostileClient> =>
        kind === 'certificate' ? broker.withCertificate(device, claims) : broker.withPassword(device, passwords.get(device), claims)

      it('in the topic: not with any QoS, not retained, not below its own, no commands, no $SYS', async () => {
        await using client = await come(me)
        const topics = ['telemetry', 'status', 'commands', 'telemetry/x'].map((level) => `devices/${victim}/${level}`)
        for (const topic of [...topics, `devices/${me}/commands`, `devices/${me}/telemetry/x`, `devices/${me}`, 'elsewhere', '$SYS/x'])
          for (const retain of [false, true]) {
            expect(await client.publish(topic, 'forged', retain), topic).to.equal(DENIED)
            client.throwOver(topic, 'forged', retain)
          }
        await delivered(client, me)
        expect(topicsOf('forged')).to.deep.equal([])
        // Nor is it kept for who comes later.
        await using auditor = await broker.withPassword('auditor', USERS.auditor)
        await auditor.subscribe('#')
        await until(
          'what is kept is delivered',
          async () => auditor.received.some(({ topic }) => topic === 'devices/kept/commands'),
          60_000,
        )
        expect(auditor.received.map(({ payload }) => payload.toString())).not.to.include('forged')
      })

      it('in the last will: that on another’s topic is never published, its own is', async () => {
        for (const device of [victim, me]) {
          const client = await come(me, { will: { topic: `devices/${device}/status`, payload: Buffer.from(`will ${kind}`), retain: true } })
          expect(client.connack).to.equal(0)
          await client[Symbol.asyncDispose]()
        }
        await until('its own will is delivered', async () => topicsOf(`will ${kind}`).length > 0, 60_000)
        await using client = await come(me)
        await delivered(client, me)
        expect(topicsOf(`will ${kind}`)).to.deep.equal([`devices/${me}/status`])
        expect(await client.publish(`devices/${me}/status`, '', true)).to.equal(0)
      })

      it('in a subscription: it hears its own commands, and nothing else', async () => {
        await using client = await come(me)
        const others = ['#', 'devices/#', '+/+/+', `devices/${victim}/commands`, `devices/+/commands`, '$SYS/#', `devices/${me}/telemetry`]
        for (const filter of [...others, '$share/x/devices/#', `$share/x/devices/${victim}/commands`]) await client.subscribe(filter)
        await using other = await come(victim)
        await delivered(other, victim)
        await operator.publish(`devices/${victim}/commands`, 'for the victim')
        await delivered(client, me)
        await operator.publish(`devices/${me}/commands`, 'for me')
        await until('its own command comes', async () => client.received.length > 0, 60_000)
        expect([...new Set(client.received.map(({ topic }) => topic))]).to.deep.equal([`devices/${me}/commands`])
      })

      it('in the client ID: neither another’s session nor the bridge’s is taken, discarded or resumed', async () => {
        await using bridge = await broker.withPassword('millrace-bridge', USERS['millrace-bridge'], {
          clean: false,
          sessionExpirySeconds: 60,
        })
        await using other = await come(victim, { clean: false, sessionExpirySeconds: 60 })
        await other.subscribe(`devices/${victim}/commands`)
        for (const clientId of [victim, 'millrace-bridge'])
          for (const clean of [true, false]) {
            await using client = await come(me, { clientId, clean })
            expect([client.connack, client.sessionPresent]).to.deep.equal([0, false])
            await delivered(client, me)
          }
        await operator.publish(`devices/${victim}/commands`, 'still for the victim')
        await until('the victim has its session', async () => other.received.length === 1, 60_000)
        expect([await ended(other), await ended(bridge)]).to.deep.equal([false, false])
      })

      it('in the user name', async () => {
        if (kind === 'certificate') {
          await using client = await come(me, { username: victim, clientId: victim, password: 'x' })
          expect(await client.publish(`devices/${victim}/telemetry`, 'forged')).to.equal(DENIED)
          await delivered(client, me)
          return
        }
        const own = passwords.get(me)
        for (const username of [victim, name('a'), 'millrace-bridge', 'operator', '+', '#', `${me}/x`, '', `${me} `])
          for (const password of [own, undefined, ''])
            await expectRefused(broker.withPassword(username, password), `${username} with ${password}`)
      })
    })

  describe('is nobody’s', () => {
    it('without a certificate of the authority, or without a name', async () => {
      const { certificates, passwords: port } = broker.ports
      const anonymous = { clientId: 'x', tls: { ca: readFileSync(at('server.crt')), servername: 'localhost' } }
      await expectRefused(broker.withPassword('x', undefined, { ...anonymous, url: `mqtts://127.0.0.1:${certificates}` }), 'no certificate')
      const own = ['-subj', `/CN=${name('a')}`, '-keyout', at('csr/own.key'), '-out', at('csr/own.pem')]
      spawnSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', ...own])
      await expectRefused(broker.withCertificate('own', {}, 'csr'), 'its own authority')
      // A certificate is nothing where a password is wanted.
      await expectRefused(broker.withCertificate(name('a'), { url: `mqtts://127.0.0.1:${port}` }), 'a certificate for a password')
    })
  })

  describe('is that of the topic', () => {
    const { use } = closing()

    it('whatever a payload says: the rows are the sender’s', async () => {
      const [me, victim] = [name('a'), name('b')]
      await provision(me, victim)
      const outcomes = await use(openOutcomes())
      const line = await use(launchWith({ env: { ...broker.env, APP_DATABASE_URL: process.env.APP_DATABASE_URL } }, 'bridge'))
      await line.ready()
      await use(startService('run', 'translate'))
      await use(startService('store'))
      await using client = await broker.withCertificate(me)
      const ts = Date.now() - 60_000
      const names = Object.fromEntries(['device', 'device_id', 'deviceId', 'id', 'dev_id', 'topic', 'key'].map((key) => [key, victim]))
      expect(await client.publish(`devices/${me}/telemetry`, JSON.stringify({ ts, temperature: 20, ...names }))).to.equal(0)
      expect(await client.publish(`devices/${me}/telemetry`, JSON.stringify({ ts: ts + 1000, temperature: 21 }))).to.equal(0)
      await until('the sender has rows', async () => (await outcomes.rows(me)) >= 1, 60_000)
      await until(
        'each message came to something',
        async () => (await outcomes.rows(me)) + (await outcomes.reasons(me)).length >= 2,
        60_000,
      )
      expect(await outcomes.rows(victim)).to.equal(0)
    })
  })

  describe('ends when it is revoked', () => {
    it('the open session too, with a certificate, also if TLS is resumed; others stay', async () => {
      const me = name('c')
      const session = await broker.tlsSession(me)
      await using open = await broker.withCertificate(me, { clean: false, sessionExpirySeconds: 600 })
      await using other = await broker.withCertificate(name('b'))
      await open.subscribe(`devices/${me}/commands`)
      const { output } = await broker.devices('revoke', me)
      expect(output).to.include('1 credentials revoked').and.to.include('sessions ended')
      expect([await ended(open), await ended(other)]).to.deep.equal([true, false])
      await expectRefused(broker.withCertificate(me), 'revoked')
      await expectRefused(broker.withCertificate(me, { tls: { ...broker.tls(me), session } }), 'resumed')
      await delivered(other, name('b'))
      // What was queued for it is gone, too: whoever gets the name anew begins anew.
      await operator.publish(`devices/${me}/commands`, 'for nobody')
      await broker.devices('rotate', '--certificate', '--out', at('out'), me)
      await using anew = await broker.withCertificate(me, { clean: false, sessionExpirySeconds: 600 })
      expect([anew.connack, anew.sessionPresent]).to.deep.equal([0, false])
    })

    it('the open session too, with a password; others stay', async () => {
      const me = name('q')
      await using open = await broker.withPassword(me, passwords.get(me))
      await using other = await broker.withPassword(name('p'), passwords.get(name('p')))
      await broker.devices('revoke', me)
      await until('it is disconnected', () => ended(open), 60_000)
      expect(await ended(other)).to.equal(false)
      await expectRefused(broker.withPassword(me, passwords.get(me)), 'revoked')
      await delivered(other, name('p'))
    })

    it('and goes on with a new one: at once, or when the older is revoked', async () => {
      const me = name('a')
      await broker.devices('rotate', '--certificate', '--out', at('new'), '--keep-old', me)
      await using old = await broker.withCertificate(me)
      await delivered(old, me)
      await broker.devices('revoke', '--older', me)
      expect(await ended(old)).to.equal(true)
      await expectRefused(broker.withCertificate(me), 'the older one')
      await using current = await broker.withCertificate(me, {}, 'new')
      await delivered(current, me)
      const { output } = await broker.devices('rotate', '--password', name('p'))
      await expectRefused(broker.withPassword(name('p'), passwords.get(name('p'))), 'the password before')
      await using rotated = await broker.withPassword(name('p'), output.trim().split('\t')[1])
      await delivered(rotated, name('p'))
    })

    it('says so if a broker does not learn of it', async () => {
      const config = at('other.yaml')
      writeFileSync(config, readFileSync(broker.config, 'utf8').replace(/brokers: .*/, 'brokers: ["mqtts://localhost:1"]'))
      const ran = await runMillrace(['devices', 'revoke', name('r'), '--config', config], broker.env)
      expect([ran.code, ran.output]).to.deep.equal([1, ran.output])
      expect(ran.output).to.include('1 sessions may still be open').and.to.include('ECONNREFUSED')
      await expectRefused(broker.withCertificate(name('r'), {}, 'csr'), 'revoked nevertheless')
    })
  })

  describe('is known', () => {
    it('to who asks: what was issued, until when, and what was revoked', async () => {
      const listed = (await broker.devices('credentials')).output
        .trim()
        .split('\n')
        .map((line) => line.split('\t'))
      const states = (device: string): readonly string[] =>
        listed.filter(([id]) => id === device).map(([, kind, state]) => `${kind} ${state}`)
      expect(states(name('a'))).to.deep.equal(['certificate revoked', 'certificate good'])
      expect(states(name('q'))).to.deep.equal(['password revoked'])
      const expiring = JSON.parse((await broker.devices('credentials', '--json', '--expiring', '731d')).output) as { device: string }[]
      expect(expiring.map(({ device }) => device).sort()).to.deep.equal(['a', 'b', 'c', 'gw'].map(name).sort())
      expect((await broker.devices('credentials', '--expiring', '729d')).output).to.equal('')
    })

    it('to a broker elsewhere within seconds, by somebody who may read nothing else', async () => {
      const config = at('elsewhere.yaml')
      writeFileSync(config, 'identity: { broker_files: elsewhere }\n')
      const address = new URL(database.url)
      address.username = roleName(prefix, 'broker')
      const env = { ...process.env, ...broker.env, APP_BROKER_URL: address.href }
      const follower = spawn(`${projectRoot}bin/millrace`, ['devices', 'broker-files', '--follow', '--config', config], {
        env,
        stdio: 'ignore',
      })
      const gone = new Promise((resolve) => follower.once('exit', resolve))
      try {
        const knows = (device: string) => async (): Promise<boolean> => {
          try {
            return readFileSync(at('elsewhere/passwords'), 'utf8').includes(`${device}:$7$`)
          } catch {
            return false
          }
        }
        await until('the first files are there', knows(name('p')), 60_000)
        await broker.devices('rotate', '--password', name('q'))
        await until('the change is there', knows(name('q')), 60_000)
        expect(readFileSync(at('elsewhere/revoked.pem'), 'utf8')).to.equal(readFileSync(at('files/revoked.pem'), 'utf8'))
      } finally {
        follower.kill('SIGTERM')
        await gone
      }
    })
  })
})
