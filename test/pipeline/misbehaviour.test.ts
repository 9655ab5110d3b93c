import { randomBytes } from 'node:crypto'
import avro from 'avsc'
import { expect } from 'chai'
import type mqtt from 'mqtt'
import type pg from 'pg'
import { scanTopic, topicExtents } from '../../connectors/kafka/scan.ts'
import type { Topic } from '../../processors/contract.ts'
import { createDeadLetterCodec, type DeadLetter } from '../../processors/dead-letter.ts'
import { readSchema } from '../../schemas/files.ts'
import { loadConfig } from '../../services/config.ts'
import { type HiveFrame, hiveDatum, hiveFingerprint, hiveFrame } from './hive-frames.ts'
import { launchConfigured, millrace, type RunningService, startService, until } from './service.ts'
import { address, quiet, testDatabase, testKafka, testPublisher } from './stack-clients.ts'

const run = `m${Date.now().toString(36)}`
const bad = `${run}-bad`
const fast = `${run}-fast`
const telemetry = (device: string): string => `devices/${device}/telemetry`

const good: HiveFrame = { boot: 1, seq: 0, base: Date.now() - 60_000, temperature: [2000, 2010] }
const HEADER_BYTES = 10
const rawType = avro.Type.forSchema(readSchema('raw').json as avro.Schema)

/** A frame of which the datum's bytes are changed. */
function spoilt(change: (datum: Buffer) => Buffer): Buffer {
  return Buffer.concat([Buffer.from([0xc3, 1]), hiveFingerprint, change(hiveDatum({ ...good, seq: 5 }))])
}

interface Case {
  readonly what: string
  readonly topic?: string
  readonly payload: Buffer
  /** Processor, reason, and samples or all, of each dead letter that must come of it. */
  readonly deadLetters: readonly string[]
}

const cases: readonly Case[] = [
  {
    what: 'a clock in 1970',
    payload: hiveFrame({ ...good, seq: 1, base: 5_000 }),
    deadLetters: ['standardise time-out-of-range 0,1'],
  },
  {
    what: 'a clock in 2099',
    payload: hiveFrame({ ...good, seq: 2, base: Date.UTC(2099, 0, 1) }),
    deadLetters: ['standardise time-out-of-range 0,1'],
  },
  {
    what: 'one hot sample beside a good one',
    payload: hiveFrame({ ...good, seq: 3, base: good.base + 10_000, temperature: [2000, 30_000] }),
    deadLetters: ['standardise out-of-range 1'],
  },
  {
    what: 'trailing bytes',
    payload: spoilt((datum) => Buffer.concat([datum, Buffer.from([0])])),
    deadLetters: ['standardise malformed-frame all'],
  },
  { what: 'a cut-off datum', payload: spoilt((datum) => datum.subarray(0, -1)), deadLetters: ['standardise malformed-frame all'] },
  { what: 'no datum at all', payload: spoilt(() => Buffer.alloc(0)), deadLetters: ['standardise malformed-frame all'] },
  {
    what: 'a varint longer than its value needs',
    payload: spoilt((datum) => Buffer.concat([Buffer.from([0x82, 0]), datum.subarray(1)])),
    deadLetters: ['standardise malformed-frame all'],
  },
  {
    what: 'a varint longer than its type',
    payload: spoilt((datum) => Buffer.concat([Buffer.alloc(11, 0xff), datum.subarray(1)])),
    deadLetters: ['standardise malformed-frame all'],
  },
  {
    what: 'arrays of different lengths',
    // boot 1, seq 5, SYNCED, base 0, dropped 0; dt has two, temperature three.
    payload: spoilt(() => Buffer.from([2, 10, 0, 0, 0, 4, 0, 2, 0, 6, 2, 2, 2, 0, 0])),
    deadLetters: ['standardise malformed-frame all'],
  },
  {
    what: 'an array that announces two thousand million values',
    payload: spoilt(() => Buffer.from([2, 10, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0, 0])),
    deadLetters: ['standardise malformed-frame all'],
  },
  {
    what: 'a fingerprint that nobody knows',
    payload: Buffer.concat([Buffer.from([0xc3, 1]), randomBytes(8), hiveDatum(good)]),
    deadLetters: ['bridge unknown-fingerprint all'],
  },
  {
    what: 'another encoding version',
    payload: Buffer.concat([Buffer.from([0xc3, 2]), hiveFingerprint, hiveDatum(good)]),
    deadLetters: ['translate bad-payload all'],
  },
  { what: 'garbage', payload: randomBytes(40).fill(0x11, 0, 1), deadLetters: ['translate bad-payload all'] },
  { what: 'no bytes, which is counted only', payload: Buffer.alloc(0), deadLetters: [] },
  { what: 'a megabyte', payload: Buffer.concat([hiveFrame(good), randomBytes(1 << 20)]), deadLetters: ['bridge over-size all'] },
  { what: 'JSON that is none', payload: Buffer.from('{"temperature": 20'), deadLetters: ['translate bad-payload all'] },
  { what: 'JSON of a strange quantity', payload: Buffer.from('{"colour": 3}'), deadLetters: ['translate unknown-quantity 0'] },
  {
    what: 'a status that is none',
    topic: `devices/${bad}/status`,
    payload: Buffer.from('{"state":"gone"}'),
    deadLetters: ['bridge bad-status all'],
  },
  {
    what: 'a topic that is no route of the bridge any more, which is counted only',
    topic: `devices/${bad}/other`,
    payload: hiveFrame(good),
    deadLetters: [],
  },
  {
    what: 'a device level that is no device ID',
    topic: telemetry(`${run} bad`),
    payload: hiveFrame(good),
    deadLetters: ['bridge bad-device-id all'],
  },
  {
    what: 'a device that nobody has provisioned',
    topic: telemetry(`${run}-stranger`),
    payload: hiveFrame(good),
    deadLetters: ['standardise unknown-device all'],
  },
]

describe('a line with devices that misbehave', function () {
  this.timeout(120_000)
  let database: pg.Client
  let publisher: mqtt.MqttClient
  let bridge: RunningService
  const services: RunningService[] = []

  const rows = async (device: string): Promise<number> =>
    Number((await database.query('SELECT count(*) FROM readings WHERE device_id = $1', [device])).rows[0].count)
  const publish = (topic: string, payload: Buffer): Promise<unknown> => publisher.publishAsync(topic, payload, { qos: 1 })

  before(async () => {
    await millrace('migrate')
    await millrace('schemas', 'register')
    await millrace('devices', 'add', '--account', 'test', bad, fast)
    database = testDatabase(address('TELEMETRY_DATABASE_URL'))
    await database.connect()
    publisher = await testPublisher({ clientId: `${run}-publisher` })
    // A route that was taken out of the configuration: its subscription lives on in the broker's
    // session.
    const { MQTT_PASSWORD: password } = loadConfig(process.env, undefined).env
    const earlier = await testPublisher({
      clientId: `${run}-bridge`,
      username: 'millrace-bridge',
      ...(password === undefined ? {} : { password }),
      clean: false,
      properties: { sessionExpiryInterval: 600 },
    })
    await earlier.subscribeAsync(`devices/${bad}/other`, { qos: 1 })
    await earlier.endAsync()
    const settings = `bridge: { client_id: ${run}-bridge, session_expiry_seconds: 60, rate_limit: { messages_per_second: 0.01, burst: 60, policy: dead-letter } }\n`
    bridge = await launchConfigured(settings, 'bridge')
    services.push(bridge, await startService('run', 'standardise'), await startService('run', 'translate'), await startService('store'))
    await bridge.ready()
  })

  after(async () => {
    for (const service of services) await service[Symbol.asyncDispose]()
    await publisher?.endAsync()
    await database?.end()
  })

  it('makes exactly the right dead letters, with their original bytes, and goes on', async () => {
    for (const { topic, payload } of cases) {
      await publish(topic ?? telemetry(bad), payload)
    }
    await publish(telemetry(bad), hiveFrame(good))
    // One sample of the frame with a hot one, and both of the good one, which came last.
    await until('the good frame is stored', async () => (await rows(bad)) === 3)
    const expected = cases.flatMap(({ deadLetters }) => deadLetters)
    let deadLetters: readonly DeadLetter[] = []
    await until('the dead letters are there', async () => {
      deadLetters = await readDeadLetters()
      return deadLetters.length >= expected.length
    })
    const named = ({ processor, reason, samples }: DeadLetter): string => `${processor} ${reason} ${samples.join() || 'all'}`
    expect(deadLetters.map(named).sort()).to.deep.equal([...expected].sort())
    for (const { what, payload, deadLetters: names } of cases) {
      // The bridge keeps what came; standardise has it with the registry's header in place of the
      // fingerprint's, translate within the record of schemas/raw.avsc.
      const holds = ({ processor, value }: DeadLetter): boolean => {
        if (processor === 'bridge') return payload.equals(value ?? Buffer.alloc(1))
        const record = value?.subarray(5) ?? Buffer.alloc(1)
        if (processor === 'standardise') return payload.subarray(HEADER_BYTES).equals(record)
        return payload.equals((rawType.fromBuffer(record) as { readonly payload: Buffer }).payload)
      }
      for (const name of names)
        expect(
          deadLetters.some((deadLetter) => named(deadLetter) === name && holds(deadLetter)),
          `${what}: ${name}`,
        ).to.equal(true)
    }
    await bridge.metricIs(1, 'millrace_dropped_total', { reason: 'no-route' })
    await bridge.metricIs(1, 'millrace_dropped_total', { reason: 'empty-payload' })
    await bridge.metricIs(expected.filter((name) => name.startsWith('bridge')).length, 'millrace_rejected_total')
  })

  it('makes a dead letter of each message over the rate, stores the others, and lets other devices through', async () => {
    for (let seq = 0; seq < 100; seq++)
      await publish(telemetry(fast), hiveFrame({ ...good, seq, base: good.base + seq * 10, temperature: [2000] }))
    await publish(telemetry(bad), hiveFrame({ ...good, seq: 6, base: good.base + 30_000 }))
    await until('the other device is stored', async () => (await rows(bad)) === 5)
    await until('what was in time is stored', async () => (await rows(fast)) >= 60)
    const deadLetters = (await readDeadLetters()).filter(({ reason }) => reason === 'over-rate')
    expect(deadLetters).to.have.length(40)
    expect(deadLetters.every(({ source_topic }) => source_topic === telemetry(fast))).to.equal(true)
    expect(await rows(fast)).to.equal(60)
  })
})

/** Every dead letter of this run. */
async function readDeadLetters(): Promise<readonly DeadLetter[]> {
  const codec = createDeadLetterCodec(readSchema('dead-letter').json, 0)
  const kafka = testKafka(run)
  const deadLetters: DeadLetter[] = []
  for (const topic of ['bridge.dead', 'standardise.dead', 'translate.dead', 'store.dead'] as Topic[]) {
    await scanTopic({
      kafka,
      topic,
      extents: await topicExtents(kafka, topic),
      log: quiet,
      signal: new AbortController().signal,
      handle: async ({ records }) => {
        for (const { value } of records) {
          const deadLetter = value === null ? undefined : codec.decode(value)
          if (deadLetter !== undefined && (deadLetter.source_topic.includes(run) || deadLetter.key?.toString().startsWith(run) === true))
            deadLetters.push(deadLetter)
        }
      },
    })
  }
  return deadLetters
}
