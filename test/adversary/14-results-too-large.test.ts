import { spawn } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { KAFKAJS } from '../../connectors/kafka/client.ts'
import { createRegistry } from '../../connectors/registry/registry.ts'
import type { ContinuityReport } from '../../ops/continuity/report.ts'
import { deadTopic, topics } from '../../processors/topics.ts'
import { projectRoot } from '../../schemas/files.ts'
import { schemaFingerprint } from '../../schemas/fingerprint.ts'
import { testFirmware } from '../pipeline/frames.ts'
import { launchConfigured, millrace, type RunningService, startService, until } from '../pipeline/service.ts'
import { address, testKafka, withoutCredentials } from '../pipeline/stack-clients.ts'
import { closing } from './closing.ts'
import { provision, sendMessages } from './messages.ts'
import { type Outcomes, openOutcomes } from './outcomes.ts'

const run = `large${Date.now().toString(36)}`
const SAMPLES = 10_000

describe('what becomes too large for Kafka', () => {
  const { use, atEnd } = closing()
  const firmware = testFirmware(run)
  const [dense, hot] = [`${run}-dense`, `${run}-hot`]
  let outcomes: Outcomes
  let services: RunningService[]

  /**
   * What Kafka takes of a topic: as an operator's, or an older installation's, who gave it less
   * than the configuration says.
   */
  async function limit(topic: string, bytes: number | null): Promise<void> {
    const admin = testKafka('test-limits')[KAFKAJS].admin()
    await admin.connect()
    try {
      await admin.alterConfigs({
        validateOnly: false,
        resources: [{ type: 2, name: topic, configEntries: [{ name: 'max.message.bytes', value: String(bytes ?? 2_228_224) }] }],
      })
    } finally {
      await admin.disconnect()
    }
  }
  const frame = (temperatures: readonly number[], seq: number): Buffer =>
    Buffer.concat([
      Buffer.from([0xc3, 1]),
      schemaFingerprint(JSON.parse(firmware.schema('0.01'))),
      firmware.datum(seq, Date.now() - SAMPLES * 1000, temperatures),
    ])

  before(async function () {
    this.timeout(60_000)
    await provision(dense, hot)
    await createRegistry(address('REGISTRY_URL')).register(firmware.subject, firmware.schema('0.01'))
    outcomes = await use(openOutcomes())
    for (const topic of [topics.readings, deadTopic('standardise')]) {
      await limit(topic, 120_000)
      atEnd(() => limit(topic, null))
    }
    services = []
    for (const service of [
      launchConfigured('bridge: { max_payload_bytes: 262144 }\n', 'bridge'),
      startService('run', 'standardise'),
      startService('store'),
      startService('run', 'continuity'),
    ])
      services.push(await use(service))
    for (const service of services) await service.ready()
  })

  // standardise crashed on it, and at every start again: nobody's frames went on.
  it('is split: a frame of which the readings are ten times what a record may have is stored, and counts as one', async function () {
    this.timeout(60_000)
    const temperatures = Array.from({ length: SAMPLES }, (_, index) => 2000 + (index % 2))
    await sendMessages([
      { topic: `devices/${dense}/telemetry`, payload: frame(temperatures, 0) },
      { topic: `devices/${dense}/telemetry`, payload: frame([2100, 2200], 1) },
    ])
    await until('all samples are stored', async () => (await outcomes.rows(dense)) === SAMPLES + 2, 30_000)
    const { devices } = JSON.parse(await millrace('continuity', '--json', '--device', dense)) as ContinuityReport
    expect(devices.map(({ frames: { numbered, stored, missing }, conflicts }) => ({ numbered, stored, missing, conflicts }))).to.deep.equal(
      [{ numbered: 2, stored: 2, missing: 0, conflicts: 0 }],
    )
  })

  it('is kept by its offset: a dead letter that would not fit, and its redrive brings all of it', async function () {
    this.timeout(60_000)
    const noise = Array.from({ length: SAMPLES }, (_, index) => 30_000 + ((index * 7919) % 9973) * 20)
    const original = frame(noise, 0)
    expect(original.length).to.be.above(30_000)
    await limit(deadTopic('standardise'), 30_000)
    await sendMessages([
      { topic: `devices/${hot}/telemetry`, payload: original },
      { topic: `devices/${hot}/telemetry`, payload: frame([2100], 1) },
    ])
    // The limit is less than it was when standardise asked: it ends, and the next one asks again.
    // That crashed, too, at every start.
    await until('standardise gives up', async () => services[1]?.log().includes('stopping after a failure') === true)
    await use(startService('run', 'standardise'))
    await until(
      'the next frame is stored',
      async () => (await outcomes.readings(hot)).some(({ values }) => values.temperature === 21),
      40_000,
    )
    await until('a dead letter is there', async () => (await outcomes.deadLetters(hot)).length === 1)
    const [deadLetter] = await outcomes.deadLetters(hot)
    expect([deadLetter?.reason, deadLetter?.value, deadLetter?.records.length]).to.deep.equal(['out-of-range', null, 1])
    await createRegistry(address('REGISTRY_URL')).register(firmware.subject, firmware.schema('0.0001'))
    await until('the conversion is succeeded', async () =>
      (await millrace('redrive', 'standardise', '--dry-run', '--device', hot)).includes('1 dead letters would be redriven: 1 succeeded'),
    )
    await millrace('redrive', 'standardise', '--device', hot)
    await until('every sample is stored', async () => (await outcomes.rows(hot)) === SAMPLES + 1, 30_000)
  })

  it('is refused by the configuration before anything is dialled, with both names and values', async () => {
    const config = join(mkdtempSync(join(tmpdir(), 'millrace-test-')), 'millrace.yaml')
    writeFileSync(config, 'bridge: { max_payload_bytes: 262144 }\ntopics: { max_message_bytes: 200000 }\n')
    const child = spawn(process.execPath, [`${projectRoot}dist/bin/millrace.js`, 'bridge', '--config', config], {
      env: { ...process.env, ...withoutCredentials(), KAFKA_BROKERS: '127.0.0.1:1', MQTT_URL: 'mqtt://127.0.0.1:1' },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => (said += String(chunk)))
    const code = await new Promise((resolve) => child.once('exit', resolve))
    expect(said).to.match(/bridge: max_payload_bytes: expected at most \d+, which topics\.max_message_bytes \(200000\) leaves .*got 262144/)
    expect(code).to.equal(2)
  })
})
