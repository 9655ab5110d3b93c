import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { expect } from 'chai'
import { splitFiles } from '../connectors/address-files.ts'
import { createTokenBuckets } from '../processors/bridge/token-buckets.ts'
import { bridgeRoutes, type Config, ConfigError, loadConfig } from './config.ts'
import { asUserOf } from './database-users.ts'

describe('the configuration', () => {
  let folder: string

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-config-'))
  })

  afterEach(() => {
    rmSync(folder, { recursive: true })
  })

  function load(yaml: string, env: NodeJS.ProcessEnv = {}): Config {
    const path = join(folder, 'millrace.yaml')
    writeFileSync(path, yaml)
    return loadConfig(env, path)
  }

  describe('of what a device may send', () => {
    it('lets the backlog of a day through at once if nobody says otherwise, and refuses a burst that no payload fits into', () => {
      const { rate_limit: limit } = load('').bridge
      const buckets = createTokenBuckets({
        messagesPerSecond: limit.messages_per_second,
        burst: limit.burst,
        bytesPerSecond: limit.bytes_per_second,
        burstBytes: limit.burst_bytes,
      })
      for (let frame = 0; frame < 86_400; frame++) expect(buckets.take('hive', 280, 0, 0)).to.equal(0)
      expect(() => load('bridge: { rate_limit: { burst_bytes: 1000 } }')).to.throw(
        ConfigError,
        'bridge: rate_limit: burst_bytes: expected at least bridge.max_payload_bytes (65536), for a larger payload would never pass, got 1000',
      )
    })

    it('names both of two settings that contradict one another', () => {
      expect(() => load('bridge: { max_payload_bytes: 262144 }\ntopics: { max_message_bytes: 200000 }')).to.throw(
        ConfigError,
        'bridge: max_payload_bytes: expected at most 195904, which topics.max_message_bytes (200000) leaves for a payload, got 262144',
      )
      const frames = 'archive_frames: /var/lib/frames'
      for (const [yaml, problem] of [
        [`storage: { ${frames}, archive: /var/lib/frames }`, 'storage: archive_frames: expected another place than storage.archive'],
        [
          `storage: { ${frames} }\ntopics: { retention_hours: 24 }`,
          'topics: retention_hours: expected at least 48 beside storage.archive_frames',
        ],
        [
          'storage: { archive_frames_retention_days: 9 }',
          'storage: archive_frames_retention_days: expected storage.archive_frames with it',
        ],
        ['storage: { archive_frames: "ftp://a/b" }', 'storage: archive_frames: expected a path, or s3://bucket/prefix'],
      ] as const)
        expect(() => load(yaml), yaml).to.throw(ConfigError, problem)
    })

    it('keeps no roll-up shorter than what it is made of', () => {
      const kept =
        (days: string, more = ''): (() => unknown) =>
        () =>
          load(`storage: { retention_days: { ${days} }${more} }`)
      const [hourly, daily] = ['storage: retention_days: readings_hourly: ', 'storage: retention_days: readings_daily: ']
      expect(kept('readings_hourly: 9')).to.throw(`${hourly}expected storage.retention_days.readings or storage.archive with it, got 9`)
      expect(kept('readings: 10, readings_hourly: 9')).to.throw(`${hourly}expected at least 10, the days that readings are kept, got 9`)
      expect(kept('readings_hourly: 9', ', archive: old, archive_after_days: 10')).to.throw(`${hourly}expected at least 10`)
      expect(kept('readings: 9, readings_daily: 20')).to.throw(`${daily}expected storage.retention_days.readings_hourly with it`)
      expect(kept('readings: 9, readings_hourly: 9, readings_daily: 8')).to.throw(daily)
      expect(kept('readings: 9, readings_hourly: 9, readings_daily: 9')).not.to.throw()
    })
  })

  it('takes the older names of what is kept of two values', () => {
    const kept = (yaml: string): string => load(yaml).store.conflicts
    expect([kept(''), kept('store: { conflicts: keep-last }')]).to.deep.equal(['keep-first', 'keep-last'])
    expect([kept('store: { conflicts: first }'), kept('store: { conflicts: last }')]).to.deep.equal(['keep-first', 'keep-last'])
  })

  describe('of routes', () => {
    const routes = (yaml: string): readonly string[] =>
      bridgeRoutes(load(yaml)).map(({ pattern, carries, topic }) => `${pattern} ${carries} ${topic}`)
    const telemetry = 'devices/{device}/telemetry frames telemetry.frames'
    const status = 'devices/{device}/status status device.status'

    it('is a list, of which the first that matches counts', () => {
      expect(routes('')).to.deep.equal([telemetry, status])
      expect(
        routes(
          'bridge: { routes: [{ telemetry: "a/{device}" }, { raw: "plc/{all...}" }, { status: "lwt/n-{device}" }, { telemetry: "b/{device}" }] }',
        ),
      ).to.deep.equal([
        'a/{device} frames telemetry.frames',
        'plc/{all...} raw telemetry.raw',
        'lwt/n-{device} status device.status',
        'b/{device} frames telemetry.frames',
      ])
    })

    it('may be one of each, as it was before it was a list', () => {
      expect(routes('bridge: { routes: { telemetry: "a/{device}" } }')).to.deep.equal(['a/{device} frames telemetry.frames', status])
      expect(routes('bridge: { routes: { status: "a/{device}" } }')).to.deep.equal([telemetry, 'a/{device} status device.status'])
      expect(routes('bridge: { routes: {} }')).to.deep.equal([telemetry, status])
    })

    for (const [yaml, message] of [
      ['[{ telemetri: "a" }]', 'bridge: routes: 0: Unrecognized key: "telemetri"'],
      [
        '[{ telemetry: "a/{device}", status: "b/{device}" }]',
        'bridge: routes: 0: expected one of telemetry, raw and status, with its topic',
      ],
      ['[{ telemetry: 5 }]', 'bridge: routes: 0: telemetry: Invalid input: expected string'],
      ['{ telemetry: 5 }', 'bridge: routes'],
      ['[{ telemetry: "a/{name}" }]', 'bridge: routes: route "a/{name}": expected {device} in it'],
      ['[{ raw: "a/+" }]', 'bridge: routes: route "a/+": expected no + or #'],
      ['[{ raw: "a" }, { telemetry: "a/{device}" }, { raw: "a" }]', 'bridge: routes: route "a": expected once, it is there twice'],
    ] as const) {
      it(`refuses ${yaml}`, () => {
        expect(() => load(`bridge: { routes: ${yaml} }`)).to.throw(ConfigError, message)
      })
    }
  })

  describe('of the environment', () => {
    it('names what is missing beside a variable, and not all the others', () => {
      for (const [env, message] of [
        [{ KAFKA_PASSWORD: 'x' }, 'environment: KAFKA_USERNAME: expected with KAFKA_PASSWORD'],
        [{ KAFKA_USERNAME: 'x' }, 'environment: KAFKA_PASSWORD: expected with KAFKA_USERNAME'],
        [{ MQTT_URL: 'mqtts://a', MQTT_KEY_FILE: 'x' }, 'environment: MQTT_CERT_FILE: expected with MQTT_KEY_FILE'],
        [
          { MQTT_URL: 'mqtt://u@a', MQTT_USERNAME: 'v' },
          'environment: MQTT_USERNAME: expected the user name of MQTT_URL, or one of the two only, got "v"',
        ],
      ] as const)
        expect(() => load('', env))
          .to.throw(ConfigError)
          .with.property('message', message)
    })
  })

  describe('of TLS and users', () => {
    const tls = { POSTGRES_CA_FILE: '/ca', POSTGRES_CERT_FILE: '/c', POSTGRES_KEY_FILE: '/k' }

    it('is of all addresses of databases, unless one names files of its own', () => {
      const { env } = load('', { ...tls, APP_STORE_URL: 'postgres://s@h/app', TELEMETRY_STORE_URL: 'postgres://s:p%40@h/t?ca_file=/own' })
      expect([env.TELEMETRY_DATABASE_URL, env.APP_STORE_URL, env.TELEMETRY_STORE_URL, env.APP_WATCH_URL]).to.deep.equal([
        'postgres://millrace@127.0.0.1:5433/telemetry?ca_file=%2Fca&cert_file=%2Fc&key_file=%2Fk',
        'postgres://s@h/app?ca_file=%2Fca&cert_file=%2Fc&key_file=%2Fk',
        'postgres://s:p%40@h/t?ca_file=/own',
        undefined,
      ])
      expect(splitFiles(env.TELEMETRY_DATABASE_URL)).to.deep.equal({
        address: 'postgres://millrace@127.0.0.1:5433/telemetry',
        files: { caFile: '/ca', certFile: '/c', keyFile: '/k' },
      })
    })

    it('is of the registry too, with a user of its own', () => {
      const registry = { REGISTRY_URL: 'https://h/apis', REGISTRY_USERNAME: 'u', REGISTRY_PASSWORD: 'p@$&', REGISTRY_CA_FILE: '/ca' }
      expect(load('', registry).env.REGISTRY_URL).to.equal('https://u:p%40%24%26@h/apis?ca_file=%2Fca')
      expect(() => load('', { REGISTRY_CA_FILE: '/ca' })).to.throw(ConfigError, 'REGISTRY_URL: expected https:// with REGISTRY_CA_FILE')
      expect(() => load('', { ...registry, REGISTRY_URL: 'https://v@h' })).to.throw(
        ConfigError,
        'REGISTRY_USERNAME: expected nothing beside',
      )
    })

    it('needs what belongs together', () => {
      for (const [name, other] of [
        ['POSTGRES_CERT_FILE', 'POSTGRES_KEY_FILE'],
        ['KAFKA_KEY_FILE', 'KAFKA_CERT_FILE'],
        ['MQTT_WATCH_CERT_FILE', 'MQTT_WATCH_KEY_FILE'],
        ['REGISTRY_PASSWORD', 'REGISTRY_USERNAME'],
      ] as const)
        expect(() => load('', { [name]: 'x' })).to.throw(ConfigError, `environment: ${other}: expected with ${name}`)
    })

    it('takes a whole address, which has a password, from a file', () => {
      const path = join(folder, 'address')
      writeFileSync(path, 'postgres://s:secret@h/t\n')
      const address = { TELEMETRY_STORE_URL_FILE: path }
      expect(load('', address).env.TELEMETRY_STORE_URL).to.equal('postgres://s:secret@h/t')
      expect(() => load('', { ...address, TELEMETRY_STORE_URL: 'postgres://h/t' })).to.throw(ConfigError, 'expected one of the two')
    })

    it('makes a service its own user in Kafka, if that has a password', () => {
      const config = load('kafka: { users: plant }', { KAFKA_USERNAME: 'all', KAFKA_PASSWORD: 'a', KAFKA_STORE_PASSWORD: 's' })
      const user = (kind: 'store' | 'process'): unknown => {
        const { env } = asUserOf({ kind }, config)
        return [env.KAFKA_USERNAME, env.KAFKA_PASSWORD]
      }
      expect([user('store'), user('process')]).to.deep.equal([
        ['plant-store', 's'],
        ['all', 'a'],
      ])
    })
  })

  describe('of processors', () => {
    it('takes a name as it is, and a path from where the file is', () => {
      expect(load('processors: [standardise, ./mine/frost-alert, /opt/frost-alert/]').processors).to.deep.equal([
        'standardise',
        join(folder, 'mine/frost-alert'),
        '/opt/frost-alert',
      ])
    })

    it('refuses what is neither', () => {
      for (const entry of ['Frost', 'mine/frost-alert', './mine/Frost', '..', '""'])
        expect(() => load(`processors: [${entry}]`), entry).to.throw(
          ConfigError,
          'expected a folder of processors/ by its name, or a path to a folder, as in ./examples/frost-alert',
        )
    })
  })

  describe('of dialects', () => {
    const dialects = (yaml: string): readonly unknown[] =>
      load(yaml).dialects.map(({ path, site }) => [relative(folder, path).replace(/^.*schemas\/dialects/, 'shipped'), site])

    beforeEach(() => {
      mkdirSync(join(folder, 'own'))
      writeFileSync(join(folder, 'one.yaml'), '')
    })

    it('takes a name, a path from where the file is, or either with what the site has of its own; in this order', () => {
      expect(dialects('')).to.deep.equal([['shipped/millrace-json.yaml', {}]])
      expect(dialects('dialects: ./own')).to.deep.equal([
        ['own', {}],
        ['shipped/millrace-json.yaml', {}],
      ])
      const site = '{ use: millrace-json, topics: ["home/{device}"], zone: Europe/Vienna }'
      expect(dialects(`dialects: [one.yaml, ${site}, ./own/]`)).to.deep.equal([
        ['one.yaml', {}],
        ['shipped/millrace-json.yaml', { topics: ['home/{device}'], zone: 'Europe/Vienna' }],
        ['own', {}],
      ])
    })

    it('lets the one go that is always there', () => {
      expect(dialects('dialects: [./own, { name: millrace-json, enabled: false }]')).to.deep.equal([['own', {}]])
    })

    it('gives the standard dialect the topics of telemetry routes: JSON may come wherever frames may', () => {
      const routes = 'bridge: { routes: [{ telemetry: "a/{device}" }, { raw: "b/{any...}" }, { telemetry: "c/{device}/t" }] }'
      expect(dialects(routes)).to.deep.equal([['shipped/millrace-json.yaml', { topics: ['a/{device}', 'c/{device}/t'] }]])
      const own = '{ use: millrace-json, topics: ["d/{device}"] }'
      expect(dialects(`${routes}\ndialects: [${own}]`)).to.deep.equal([['shipped/millrace-json.yaml', { topics: ['d/{device}'] }]])
    })

    it('names what does not exist', () => {
      expect(() => load('dialects: [no-such]')).to.throw(ConfigError, 'dialects: there is no dialect "no-such": expected one of ')
      expect(() => load('dialects: [./no-such]')).to.throw(
        ConfigError,
        `dialects: there is no ${join(folder, 'no-such')}: expected a file or folder`,
      )
      for (const entry of ['Tasmota', '""', '7', '{ use: ./own, topics: [] }', '{ use: ./own, topic: x }'])
        expect(() => load(`dialects: [${entry}]`), entry).to.throw(ConfigError, 'dialects')
    })
  })
})
