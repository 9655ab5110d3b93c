import { execFileSync } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import type mqtt from 'mqtt'
import { KAFKAJS } from '../../connectors/kafka/client.ts'
import { createDeadLetterCodec, type DeadLetter } from '../../processors/dead-letter.ts'
import { avroType } from '../../schemas/avro-type.ts'
import { projectRoot, readSchema } from '../../schemas/files.ts'
import { WIRE_BYTES } from '../../schemas/wire-format.ts'
import { launchConfigured, millrace, type RunningService, until } from '../../test/pipeline/service.ts'
import { address, askRegistry, testDatabase, testKafka, testPublisher } from '../../test/pipeline/stack-clients.ts'
import { type FrostAlert, frostAlertSchema } from './generated/frost-alert.ts'

const FOLDER = 'examples/frost-alert/'
/** All that running it takes outside its folder. */
const CONFIGURATION = `processors: [standardise, ${projectRoot}${FOLDER}]\n`

/** Devices of this run: the stack keeps those of earlier ones. */
const run = `f${Date.now().toString(36)}`
const [cold, stray] = [`${run}-cold`, `${run}-stray`]
/** Milliseconds since 1970. */
const began = Date.now() - 60_000

describe('frost-alert, on the line', () => {
  const services: RunningService[] = []
  const alerts: FrostAlert[] = []
  const deadLetters: DeadLetter[] = []
  let publisher: mqtt.MqttClient
  let stopReading: () => Promise<void> = async () => undefined
  const config = join(mkdtempSync(join(tmpdir(), 'frost-alert-')), 'millrace.yaml')

  before(async () => {
    writeFileSync(config, CONFIGURATION)
    await millrace('migrate', '--config', config)
    await millrace('schemas', 'register', '--config', config)
    await millrace('devices', 'add', '--account', 'test', '--site', 'orchard', cold)
    const app = testDatabase(address('APP_DATABASE_URL'))
    await app.connect()
    await app.query('INSERT INTO devices (id) VALUES ($1)', [stray])
    await app.end()
    stopReading = await readTopics()
    for (const args of [['bridge'], ['run', 'translate'], ['run', 'frost-alert']]) {
      const service = await launchConfigured(CONFIGURATION, ...args)
      services.push(service)
      await service.ready()
    }
    publisher = await testPublisher({ clientId: `${run}-publisher` })
  })

  after(async () => {
    await publisher?.endAsync()
    for (const service of services) await service[Symbol.asyncDispose]()
    await stopReading()
  })

  /** Collects what comes on the topics that it writes. */
  async function readTopics(): Promise<() => Promise<void>> {
    const codec = createDeadLetterCodec(readSchema('dead-letter').json, 0)
    const type = avroType(frostAlertSchema.json)
    const kafka = testKafka(run)
    const consumer = kafka[KAFKAJS].consumer({ groupId: `${run}-reader` })
    await consumer.connect()
    await consumer.subscribe({ topics: ['frost.alerts', 'frost-alert.dead'], fromBeginning: true })
    await consumer.run({
      eachMessage: async ({ topic, message: { key, value } }) => {
        if (!key?.toString().startsWith(run) || value === null) return
        if (topic === 'frost.alerts') alerts.push({ ...(type.fromBuffer(value.subarray(WIRE_BYTES)) as FrostAlert) })
        else deadLetters.push(codec.decode(value))
      },
    })
    return () => consumer.disconnect()
  }

  const publish = async (device: string, temperatures: readonly number[]): Promise<void> => {
    const samples = temperatures.map((temperature, index) => ({ ts: began + index * 1000, temperature, humidity: 40 }))
    await publisher.publishAsync(`devices/${device}/telemetry`, JSON.stringify(samples), { qos: 1 })
  }
  const of = (device: string): readonly FrostAlert[] => alerts.filter(({ device_id }) => device_id === device)

  it('gives an alert for each sample below zero of a frame, in their order', async () => {
    await publish(cold, [1.5, -0.5, 0, -12.25])
    await until('two alerts', async () => of(cold).length >= 2)
    expect(of(cold).map(({ ts, temperature, time_estimated }) => [ts / 1000 - began, temperature, time_estimated])).to.deep.equal([
      [1000, -0.5, false],
      [3000, -12.25, false],
    ])
    for (const { account_id, site_id } of of(cold)) expect([account_id, site_id].map((id) => typeof id)).to.deep.equal(['number', 'number'])
  })

  it('makes a sample of a device that is nobody’s a dead letter, and a redrive an alert of it once it is somebody’s', async () => {
    await publish(stray, [4, -3])
    await until('a dead letter', async () => deadLetters.length >= 1)
    expect(deadLetters).to.have.length(1)
    expect(deadLetters[0]).to.deep.include({
      source_topic: 'telemetry.readings',
      processor: 'frost-alert',
      reason: 'nobody-to-alert',
      detail: `${stray} had -3 °C and was assigned to no account`,
      samples: [1],
    })
    expect(of(stray)).to.deep.equal([])
    await millrace('devices', 'add', '--account', 'test', '--site', 'orchard', '--from', new Date(began - 1000).toISOString(), stray)
    expect(await millrace('redrive', 'frost-alert', '--config', config)).to.match(/1 succeeded/)
    await until('its alert', async () => of(stray).length >= 1)
    expect(of(stray).map(({ ts, temperature }) => [ts / 1000 - began, temperature])).to.deep.equal([[1000, -3]])
    expect(deadLetters).to.have.length(1)
  })

  it('is a consumer group with a lag, a topic of dead letters, and a subject of its own', async () => {
    await until('its offsets are committed', async () =>
      /^frost-alert +0 /m.test(await millrace('lag', '--over', '0s', '--config', config)),
    )
    expect(await millrace('dead', 'frost-alert', '--config', config)).to.match(/frost-alert\.dead +nobody-to-alert/)
    const subjects = (await (await askRegistry(`/subjects`)).json()) as readonly string[]
    expect(subjects).to.include.members(['frost.alerts-value', 'frost-alert.dead-value'])
  })

  it('came with a commit that touched nothing outside its folder', () => {
    const args = ['log', '--diff-filter=A', '--full-diff', '--format=', '--name-only', '--', `${FOLDER}processor.ts`]
    const touched = execFileSync('git', args, { cwd: projectRoot, encoding: 'utf8' }).trim().split('\n')
    expect(touched).to.include(`${FOLDER}frost-alert.avsc`)
    expect(touched.filter((path) => !path.startsWith(FOLDER))).to.deep.equal([])
  })
})
