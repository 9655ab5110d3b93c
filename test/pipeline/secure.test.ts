import { execFileSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { withFiles } from '../../connectors/address-files.ts'
import { createKafka, KAFKAJS, type KafkaClient, openAdmin } from '../../connectors/kafka/client.ts'
import { kafkaError } from '../../connectors/kafka/outage.ts'
import { openPublisher } from '../../connectors/mqtt/publisher.ts'
import { createDatabase, type Database } from '../../connectors/postgres/database.ts'
import { openSession } from '../../connectors/postgres/session.ts'
import { createRegistry } from '../../connectors/registry/registry.ts'
import { topics } from '../../processors/topics.ts'
import { loadConfig } from '../../services/config.ts'
import { asUserOf } from '../../services/database-users.ts'
import { fleetAccess } from '../../services/fleet-access.ts'
import { kafkaClient } from '../../services/kafka.ts'
import { runMillrace } from '../adversary/command.ts'
import { type Claims, type HostileClient, openHostileClient } from '../adversary/hostile-client.ts'
import { type SecureStack, startSecureStack } from './secure-stack.ts'
import { launchWith, type RunningService, until } from './service.ts'
import { quiet } from './stack-clients.ts'

const device = `secure-${Date.now().toString(36)}`
const TOPIC = `devices/${device}/telemetry`
const SLOW_MS = 60_000
const STRANGE = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=strange -keyout /dev/null -out'

describe('with everything secured', function () {
  this.timeout(300_000)
  let stack: SecureStack
  let database: Database
  const services: RunningService[] = []

  const kafka = (changes: NodeJS.ProcessEnv): KafkaClient => kafkaClient(loadConfig({ ...stack.env, ...changes }, undefined), 'test', quiet)
  /** A certificate of an authority that nobody knows. */
  const strange = (): string => join(stack.local, 'data', 'strange.pem')
  /** What clients of Kafka are told that it refuses, or that refuse it: each tries for 20 s. */
  let attempts: readonly string[]
  const attempt = async (client: KafkaClient): Promise<string> => {
    await using admin = openAdmin(client, { retries: 0 })
    return refusal(async () => void (await (await admin[KAFKAJS]()).listTopics()))
  }

  const millrace = async (...args: readonly string[]): Promise<string> => {
    const { code, output, error } = await runMillrace(args, stack.env)
    if (code !== 0) throw new Error(`millrace ${args.join(' ')} exited with ${code}: ${error}`)
    return output
  }
  /** What start has written for the commands that issue credentials. */
  const identity = (): string => join(stack.local, 'identity.yaml')
  const start = (...args: readonly string[]): Promise<RunningService> =>
    launchWith({ env: stack.env, settings: 'bridge: { client_id: millrace-bridge }\n' }, ...args)
  const stored = async (id = device): Promise<number> => {
    const text = 'SELECT count(DISTINCT temperature)::int AS rows FROM readings WHERE device_id = $1'
    return (await database.use((session) => session.query<{ rows: number }>('counting rows', text, [id])))[0]?.rows ?? 0
  }
  /** The nth of a device's messages, told by its value. */
  const message = (n: number): Buffer => Buffer.from(JSON.stringify({ ts: Date.now() / 1_000, temperature: n / 100 }))

  before(async () => {
    stack = await startSecureStack()
    execFileSync('openssl', [...STRANGE.split(' '), strange()], { stdio: 'ignore' })
    const attempting = Promise.all(
      [
        kafka({ KAFKA_PASSWORD_FILE: undefined, KAFKA_PASSWORD: 'wrong' }),
        kafka({ KAFKA_CA_FILE: strange() }),
        kafka({ KAFKA_CA_FILE: join(stack.local, 'none.pem') }),
        createKafka({ brokers: (stack.env.KAFKA_BROKERS ?? '').split(','), clientId: 'test' }, quiet),
      ].map(attempt),
    )
    expect(await millrace('migrate')).to.match(/gave the users of Kafka their rights: \d+/)
    await millrace('schemas', 'register')
    await millrace('devices', 'authority', '--config', identity())
    await millrace('devices', 'add', '--account', 'test', '--site', 'vault', device)
    database = createDatabase({ url: stack.env.TELEMETRY_DATABASE_URL ?? '', applicationName: 'test' })
    for (const args of [['bridge'], ['run', 'translate'], ['run', 'standardise'], ['store'], ['watch']]) services.push(await start(...args))
    await Promise.all(services.map((service) => service.ready(SLOW_MS)))
    // Before the servers restart: then Kafka is not there, which refuses nobody.
    attempts = await attempting
  })

  after(async () => {
    await Promise.all(services.map((service) => service[Symbol.asyncDispose]()))
    await database?.[Symbol.asyncDispose]()
    await stack?.[Symbol.asyncDispose]()
  })

  describe('who is refused, by', () => {
    const plain = (address: string | undefined): string => (address ?? '').replace(/\?.*$/, '')

    it('Kafka: a wrong password, an unknown authority, no TLS', () => {
      expect(attempts[0]).to.match(/KafkaJSSASLAuthenticationError: .*[Aa]uthentication failed/)
      expect(attempts[1]).to.match(/self-signed certificate|unable to (get|verify)/)
      expect(attempts[2]).to.match(/none\.pem: ENOENT/)
      expect(attempts[3]).to.match(/^KafkaJS(Connection|RequestTimeout|NumberOf)/)
    })

    it('Kafka: a user who may not', async () => {
      const as = (kind: 'store' | 'bridge' | 'watch' | 'continuity'): KafkaClient =>
        kafkaClient(asUserOf({ kind }, loadConfig(stack.env, undefined)), 'test', quiet)
      const write = async (client: KafkaClient, topic: string): Promise<string> => {
        const producer = client[KAFKAJS].producer({ retry: { retries: 0 } })
        await producer.connect()
        try {
          return await refusal(async () => void (await producer.send({ topic, messages: [{ partition: 0, value: 'forged' }] })))
        } finally {
          await producer.disconnect()
        }
      }
      expect(await write(as('store'), topics.readings)).to.match(/TOPIC_AUTHORIZATION_FAILED.*Not authorized to access topics/)
      expect(await write(as('watch'), topics.frames)).to.match(/TOPIC_AUTHORIZATION_FAILED/)
      expect(await write(as('bridge'), topics.readings)).to.match(/TOPIC_AUTHORIZATION_FAILED/)
      const consumer = as('continuity')[KAFKAJS].consumer({ groupId: 'store', retry: { retries: 0 } })
      const joined = await refusal(async () => {
        await consumer.connect()
        await consumer.subscribe({ topic: topics.readings })
        await new Promise((_resolve, reject) => {
          consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error))
          void consumer.run({ eachMessage: async () => undefined }).catch(reject)
        })
      })
      await consumer.disconnect()
      expect(joined).to.match(/KAFKA_GROUP_AUTHORIZATION_FAILED: .*Not authorized to access group/)
      await using admin = openAdmin(as('bridge'), { retries: 0 })
      const made = await refusal(async () => void (await (await admin[KAFKAJS]()).createTopics({ topics: [{ topic: 'forged' }] })))
      expect(made).to.match(/[Aa]uthoriz|Topic creation errors/)
    })

    it('PostgreSQL: no TLS, an unknown authority, a wrong password, no password, a right that is lacking', async () => {
      const url = stack.env.TELEMETRY_STORE_URL ?? ''
      const open = (address: string): Promise<string> =>
        refusal(async () => {
          const session = await openSession({ url: address, applicationName: 'test' })
          try {
            await session.query('deleting', 'DELETE FROM readings')
          } finally {
            await session.close()
          }
        })
      expect(await open(plain(url))).to.match(/^28000: .*pg_hba\.conf rejects.*no encryption/)
      expect(await open(withFiles(plain(url), { caFile: strange() }))).to.match(/self-signed certificate|unable to (get|verify)/)
      expect(await open(url.replace(/:[^:@]*@/, ':wrong@'))).to.match(/^28P01: .*password authentication failed for user "millrace_store"/)
      expect(await open(url.replace(/:[^:@]*@/, '@'))).to.match(/password/)
      expect(await open(url)).to.match(/^42501: .*permission denied for table readings/)
    })

    it('the registry: no password, an unknown authority, no TLS', async () => {
      const url = stack.env.REGISTRY_URL ?? ''
      const ask = (address: string): Promise<string> => refusal(async () => void (await createRegistry(address).subjects('x')))
      expect(await ask(url.replace(/\/\/.*@/, '//'))).to.match(/^REGISTRY_401: /)
      expect(await ask(url.replace(/:[^:@]*@/, ':wrong@'))).to.match(/^REGISTRY_401: /)
      expect(await ask(withFiles(plain(url), { caFile: strange() }))).to.match(/self-signed certificate|unable to (get|verify)/)
      expect(await ask(plain(url).replace('https:', 'http:'))).to.match(/^REGISTRY_400: /)
    })
  })

  describe('devices at the MQTT broker', () => {
    const DENIED = 0x87
    const [withPassword, withCertificate] = [`${device}-p`, `${device}-c`]
    let password = ''
    let fleet: { readonly username: string; readonly password: string }
    let ca: Buffer

    before(async () => {
      const { env } = loadConfig(stack.env, undefined)
      fleet = { username: env.MQTT_FLEET_USERNAME ?? '', password: env.MQTT_FLEET_PASSWORD ?? '' }
      ca = readFileSync(stack.file('ca.pem'))
      const add = ['devices', 'add', '--account', 'test', '--config', identity()]
      password = (await millrace(...add, '--password', withPassword)).trim().split('\t')[1] ?? ''
      await millrace(...add, '--certificate', '--out', join(stack.local, 'data', 'out'), withCertificate)
    })

    const url = (): string => stack.env.MQTT_URL ?? ''
    const open = (claims: Claims): Promise<HostileClient> => openHostileClient({ url: url(), tls: { ca }, ...claims })
    const certificatesUrl = (): string => /'(mqtts:.*)'/.exec(readFileSync(identity(), 'utf8'))?.[1] ?? ''
    const openWithCertificate = (): Promise<HostileClient> => {
      const file = (end: string): Buffer => readFileSync(join(stack.local, 'data', 'out', `${withCertificate}.${end}`))
      return open({ clientId: withCertificate, url: certificatesUrl(), tls: { ca, cert: file('pem'), key: file('key') } })
    }
    const answer = async (claims: Claims): Promise<number | undefined> => {
      await using client = await open(claims)
      return client.connack
    }

    it('are refused without TLS, with an unknown authority, without a name, with a wrong password, with the client ID of another', async () => {
      const own = { clientId: withPassword, username: withPassword, password }
      await using plainly = await openHostileClient({ ...own, url: url().replace('mqtts:', 'mqtt:') })
      expect(plainly.connack).to.equal(undefined)
      expect(await answer({ ...own, tls: { ca: readFileSync(strange()) } })).to.equal(undefined)
      expect(await answer({ clientId: device })).to.equal(DENIED)
      expect(await answer({ ...own, password: 'wrong' })).to.equal(DENIED)
      expect(await answer({ ...own, clientId: device })).to.equal(DENIED)
      expect(await answer({ ...own, clientId: 'millrace-bridge' })).to.equal(DENIED)
      expect(await answer({ ...fleet, clientId: 'millrace-bridge' })).to.equal(DENIED)
      expect(await answer({ clientId: 'millrace-bridge', username: 'millrace-bridge', password: fleet.password })).to.equal(DENIED)
      expect(await answer({ clientId: 'x', username: 'millrace-watch', password: 'wrong' })).to.equal(DENIED)
    })

    it('with a password or a certificate publish on their own topics, which become rows, and on nobody else’s', async () => {
      await using first = await open({ clientId: withPassword, username: withPassword, password })
      await using second = await openWithCertificate()
      for (const [client, own, other] of [
        [first, withPassword, withCertificate],
        [second, withCertificate, withPassword],
      ] as const) {
        expect(await client.publish(`devices/${other}/telemetry`, message(1))).to.equal(DENIED)
        expect(await client.publish(`devices/${own}/telemetry`, message(2))).to.equal(0)
        expect(await client.publish('stat/forged/POWER', 'ON')).to.equal(DENIED)
        await until(`the row of ${own}`, async () => (await stored(own)) === 1, SLOW_MS)
      }
    })

    it('of the simulated fleet do so over TLS, with its user, whose password nobody can see, or each with its certificate', async () => {
      const prefix = `${device}-f`
      const devices = [1, 2, 3].map((number) => `${prefix}-000${number}`)
      const out = join(stack.local, 'data', 'fleet')
      await millrace('devices', 'add', '--account', 'test', '--config', identity(), '--certificate', '--out', out, ...devices)
      const common = [
        '--prefix',
        prefix,
        '--devices',
        '3',
        '--sample-hz',
        '10',
        '--duration',
        '4',
        '--boot-file',
        join(stack.local, 'data', 'boot'),
      ]
      const rows = async (): Promise<number> => {
        const text = 'SELECT count(*)::int AS rows FROM readings WHERE device_id = ANY($1)'
        return (await database.use((session) => session.query<{ rows: number }>('counting rows', text, [devices])))[0]?.rows ?? 0
      }
      const running = millrace('fleet', ...common)
      await until('its first rows are there', async () => (await rows()) > 0, SLOW_MS)
      const shown = execFileSync('ps', ['-eo', 'args', '-ww'], { encoding: 'utf8', maxBuffer: 64_000_000 })
      expect(shown).to.include(`--username ${fleet.username}`)
      expect(shown.includes(fleet.password)).to.equal(false)
      await running
      await until('all of its rows are there', async () => (await rows()) === 120, SLOW_MS)
      await millrace('fleet', '--url', certificatesUrl(), '--ca', stack.file('ca.pem'), '--certificates', out, ...common)
      await until('those by certificate are there', async () => (await rows()) === 240, SLOW_MS)
    })

    it('that are revoked are disconnected', async () => {
      await using first = await open({ clientId: withPassword, username: withPassword, password })
      await using second = await openWithCertificate()
      expect([first.connack, second.connack]).to.deep.equal([0, 0])
      await millrace('devices', 'revoke', '--config', identity(), withPassword, withCertificate)
      await Promise.all([first.closed, second.closed])
      expect(await answer({ clientId: withPassword, username: withPassword, password })).to.equal(DENIED)
    })
  })

  it('rows flow, also while every certificate is replaced by one of another authority and the servers restart: none is lost', async () => {
    await using publisher = openPublisher(fleetAccess(loadConfig(stack.env, undefined).env), `${device}-publisher`)
    let sent = 0
    const stop = new AbortController()
    const sending = (async () => {
      for (; !stop.signal.aborted; await delay(50)) await publisher.publish(TOPIC, message(sent++))
    })()
    try {
      await until('the first rows are there', async () => (await stored()) > 10, SLOW_MS)
      const issuer = (): string =>
        execFileSync('openssl', ['x509', '-in', stack.file('server.pem'), '-noout', '-issuer'], { encoding: 'utf8' })
      const before = issuer()
      await stack.certificates('new-ca')
      await stack.certificates('renew')
      expect(issuer()).not.to.equal(before)
      await stack.restart('kafka', 'postgres', 'proxy', 'mosquitto')
      let upTo = sent
      await until('rows flow with both authorities', async () => (await stored()) > upTo, SLOW_MS)
      await stack.certificates('forget-old-ca')
      await stack.restart('kafka', 'postgres', 'proxy', 'mosquitto')
      upTo = sent
      await until('rows flow with the new authority', async () => (await stored()) > upTo, SLOW_MS)
    } finally {
      stop.abort()
      await sending
    }
    await until(
      () => `${sent} rows are there`,
      async () => (await stored()) === sent,
      SLOW_MS,
    )
    for (const service of services)
      await until(
        `service ${service.pid} is healthy`,
        async () => {
          const health = await service.health()
          return health !== undefined && Object.keys(health).length === 0
        },
        SLOW_MS,
      )
  })

  it('no service is refused anything that it asks for: a bridge that starts again reads what it remembers of its session', async () => {
    await services[0]?.[Symbol.asyncDispose]()
    const bridge = await start('bridge')
    services[0] = bridge
    await bridge.ready(SLOW_MS)
    await until('it is connected', async () => (await bridge.metric('millrace_broker_connections_total')) === 1, SLOW_MS)
    await until('its session is known', async () => Object.keys((await bridge.health()) ?? { none: '' }).length === 0, SLOW_MS)
    for (const service of services) expect(service.log()).not.to.match(/[Nn]ot authorized|remembered of its session is not known/)
  })

  it('commands work as their own user', async () => {
    expect(await millrace('lag')).to.include('store')
    expect(await millrace('devices', 'list')).to.include(device)
    expect(await millrace('migrate')).to.equal('nothing to migrate\n')
  })

  it('no password is in a log, in health, among the processes or in a file that others may read', async () => {
    const healths = await Promise.all(services.map((service) => service.health()))
    const logs = ['kafka', 'registry', 'postgres', 'proxy', 'mosquitto'].map((part) =>
      readFileSync(join(stack.local, 'log', `${part}.log`), 'utf8'),
    )
    const processes = execFileSync('ps', ['-eo', 'args', '-ww'], { encoding: 'utf8', maxBuffer: 64_000_000 })
    const said = [JSON.stringify(healths), processes, ...logs, ...services.map((service) => service.log())].join('\n')
    for (const password of stack.passwords) expect(said.includes(password), 'a password was said').to.equal(false)
    for (const path of [
      'env',
      'passwords',
      'certificates/server.key',
      'certificates/ca.key',
      'data/kafka',
      'data/registry',
      'data/kafka.keystore.pem',
      'data/mosquitto/users',
      'data/mosquitto/client',
      'data/mosquitto/devices/passwords',
    ])
      expect(statSync(join(stack.local, path)).mode & 0o077, path).to.equal(0)
  })
})

/** Code and message of what an attempt was refused with. */
async function refusal(attempt: () => Promise<void>): Promise<string> {
  try {
    await attempt()
  } catch (cause) {
    const error = kafkaError('trying', cause)
    return `${error.code}: ${error.message}`
  }
  throw new Error('it was not refused')
}
