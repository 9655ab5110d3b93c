import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import avro from 'avsc'
import { expect } from 'chai'
import { scanTopic, topicExtents } from '../../connectors/kafka/scan.ts'
import { topics } from '../../processors/topics.ts'
import { readSchema } from '../../schemas/files.ts'
import type { UnknownPage } from '../../services/bridge/unknown-page.ts'
import { launchConfigured, millrace, type RunningService, until } from '../pipeline/service.ts'
import { quiet, testKafka } from '../pipeline/stack-clients.ts'
import { type Message, provision, sendMessages } from './messages.ts'
import { type Outcomes, openOutcomes } from './outcomes.ts'

const run = `u${Date.now().toString(36)}`
const device = `${run}-device`
const rawType = avro.Type.forSchema(readSchema('raw').json as avro.Schema)

interface Raw {
  readonly key: string
  readonly topic: string
  readonly payload: Buffer
  readonly received: number
  readonly retained: boolean
}

describe('topics that nobody takes', function () {
  this.timeout(120_000)
  let bridge: RunningService | undefined
  let outcomes: Outcomes
  let folder: string

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-unknown-'))
    await provision(device)
    outcomes = await openOutcomes(['bridge'])
  })

  after(async () => {
    await bridge?.[Symbol.asyncDispose]()
    await sendMessages([{ topic: `${run}/kept`, payload: '', retain: true }])
    await outcomes?.[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true })
  })

  const start = async (settings: string): Promise<RunningService> => {
    await bridge?.[Symbol.asyncDispose]()
    bridge = await launchConfigured(`bridge: { client_id: ${run}, session_expiry_seconds: 60, ${settings} }\n`, 'bridge')
    await bridge.ready()
    await until('it is subscribed', async () => Object.keys((await bridge?.health()) ?? { no: 'answer' }).length === 0)
    return bridge
  }
  const page = async (): Promise<UnknownPage> =>
    JSON.parse(await millrace('topics', 'unknown', '--json', '--config', bridge?.config ?? '')) as UnknownPage
  const own = async (): Promise<UnknownPage['topics']> => (await page()).topics.filter(({ topic }) => topic.startsWith(run))
  const sensor = (name: string, power: number): Message => ({
    topic: `${run}/tele/${name}/SENSOR`,
    payload: `{"ENERGY":{"Power":${power}}}`,
  })

  it('are not heard, and the command says what to set', async () => {
    await start('')
    await sendMessages([sensor('plug', 1)])
    expect(await own()).to.deep.equal([])
    expect(await millrace('topics', 'unknown', '--config', bridge?.config ?? '')).to.match(/set bridge.unknown_topics to count to hear all/)
  })

  it('are counted with an example each, what was retained too, and what a route takes still comes once', async () => {
    await sendMessages([{ topic: `${run}/kept`, payload: 'on', retain: true }])
    const service = await start('unknown_topics: count')
    expect((await page()).everything).to.equal(true)
    await sendMessages([
      ...Array.from({ length: 40 }, (_, index) => sensor(`plug-${index}`, index)),
      { topic: `${run}/bytes`, hex: 'ff00' },
      { topic: `${run}/bytes`, payload: '' },
      ...Array.from({ length: 20 }, (_, index) => ({ topic: `devices/${device}/telemetry`, payload: `{"power":${index}}` })),
    ])
    await until('all are counted', async () => (await own()).reduce((sum, { messages }) => sum + messages, 0) >= 43)
    const found = new Map((await own()).map((each) => [each.topic, each]))
    expect(found.get(`${run}/tele/+/SENSOR`)).to.include({ messages: 40, retained: 0, empty: 0 })
    expect(found.get(`${run}/tele/+/SENSOR`)?.example).to.deep.equal({
      topic: `${run}/tele/plug-39/SENSOR`,
      bytes: 23,
      text: '{"ENERGY":{"Power":39}}',
    })
    expect(found.get(`${run}/kept`)).to.include({ messages: 1, retained: 1 })
    expect(found.get(`${run}/bytes`))
      .to.include({ messages: 2, empty: 1 })
      .and.to.have.deep.nested.property('example.hex', 'ff00')
    await until('all are counted', async () => (await service.metric('millrace_dropped_total', { reason: 'no-route' })) >= 43)
    await until('their topics are counted', async () => (await service.metric('millrace_unknown_topics')) >= 3)
    await until('the device has been heard', async () => (await taken(service)) >= 20)
    expect(await taken(service)).to.equal(20)
    expect(await outcomes.reasons()).to.deep.equal([])
    const table = await millrace('topics', 'unknown', '--config', service.config)
    expect(table).to.match(new RegExp(`^${run}/tele/\\+/SENSOR +40 +0 `, 'm'))
  })

  it('are dead letters on request, though never for an empty message, and go on once a route takes them', async () => {
    await start('unknown_topics: dead-letter')
    await sendMessages([sensor('plug', 7), { topic: `${run}/tele/plug/SENSOR`, payload: '' }, sensor('plug', 8)])
    await until('both are kept', async () => (await outcomes.deadLetters('plug')).length === 2)
    const [letter] = await outcomes.deadLetters('plug')
    expect(letter).to.include({ reason: 'no-route', source_topic: `${run}/tele/plug/SENSOR` })
    const command = /millrace (redrive bridge --reason no-route)$/.exec(letter?.detail ?? '')?.[1] ?? ''
    const config = join(folder, 'millrace.yaml')
    writeFileSync(config, `bridge: { routes: [{ telemetry: "devices/{device}/telemetry" }, { raw: "${run}/tele/{device}/SENSOR" }] }\n`)
    await millrace(...command.split(' '), '--config', config)
    const raw = await rawRecords()
    expect(raw.map(({ key, topic, payload }) => `${key} ${topic} ${payload}`)).to.deep.equal([
      `plug ${run}/tele/plug/SENSOR {"ENERGY":{"Power":7}}`,
      `plug ${run}/tele/plug/SENSOR {"ENERGY":{"Power":8}}`,
    ])
  })

  it('are taken from then on, each with a moment of receipt of its own, and the old subscription is gone', async () => {
    const before = (await rawRecords()).length
    const service = await start(`routes: [{ raw: "${run}/tele/{device}/SENSOR" }, { raw: "${run}/{any}/plug/SENSOR" }]`)
    await sendMessages([...Array.from({ length: 50 }, (_, index) => sensor('plug', index)), { topic: `${run}/other`, payload: 'x' }])
    await until('they are there', async () => (await rawRecords()).length >= before + 50)
    const raw = (await rawRecords()).slice(before)
    expect(raw.map(({ payload }) => JSON.parse(payload.toString()).ENERGY.Power)).to.deep.equal(
      Array.from({ length: 50 }, (_, index) => index),
    )
    const received = raw.map((each) => each.received)
    expect(received).to.deep.equal([...new Set(received)].sort((a, b) => a - b))
    await service.metricIs(50, 'millrace_dropped_total', { reason: 'copy' })
    expect(await own()).to.deep.equal([])
  })

  async function taken(service: RunningService): Promise<number> {
    const kinds = ['raw', 'frame'].map((kind) => service.metric('millrace_forwarded_messages_total', { kind }))
    return (await Promise.all(kinds)).reduce((sum, count) => sum + count, 0)
  }

  /** Of this run, in order. */
  async function rawRecords(): Promise<readonly Raw[]> {
    const kafka = testKafka(run)
    const found: Raw[] = []
    await scanTopic({
      kafka,
      topic: topics.raw,
      extents: await topicExtents(kafka, topics.raw),
      log: quiet,
      signal: new AbortController().signal,
      handle: async ({ records }) => {
        for (const { key, value } of records) {
          const raw = { ...(rawType.fromBuffer(value?.subarray(5) ?? Buffer.alloc(0)) as Omit<Raw, 'key'>), key: key?.toString() ?? '' }
          if (raw.topic.startsWith(run)) found.push(raw)
        }
      },
    })
    return found
  }
})
