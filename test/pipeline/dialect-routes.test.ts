import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import avro from 'avsc'
import { expect } from 'chai'
import { scanTopic, topicExtents } from '../../connectors/kafka/scan.ts'
import { topics } from '../../processors/topics.ts'
import { readSchema } from '../../schemas/files.ts'
import { type Message, provision, sendMessages } from '../adversary/messages.ts'
import { type Outcomes, openOutcomes } from '../adversary/outcomes.ts'
import { launchConfigured, millrace, type RunningService, until } from './service.ts'
import { quiet, testKafka } from './stack-clients.ts'

const run = `d${Date.now().toString(36)}`
const plug = `${run}-plug`
const rawType = avro.Type.forSchema(readSchema('raw').json as avro.Schema)

const dialect = (name: string, topic: string, status = ''): string => `
dialect: ${name}-${run}
version: 1
topics: ["${topic}"]
samples:
  - quantities: { power: { path: "$.power" } }
${status}`
/** Of `devices list`. */
const STATE_COLUMN = 3
const LWT = `status:
  topic: "${run}/lwt/{device}"
  payload: text
  map: { Online: ready, Offline: lost }
`

describe('the bridge and dialects that change while it runs', function () {
  this.timeout(60_000)
  const folder = mkdtempSync(join(tmpdir(), 'millrace-routes-'))
  const services: RunningService[] = []
  let bridge: RunningService
  let outcomes: Outcomes

  before(async () => {
    await provision(plug)
    outcomes = await openOutcomes(['bridge'])
    writeFileSync(join(folder, 'one.yaml'), dialect('one', `${run}/one/{device}`))
    const settings = `bridge: { client_id: ${run}, session_expiry_seconds: 60 }\ndialects: [${folder}]\n`
    for (const args of [['bridge'], ['run', 'devices']]) services.push(await launchConfigured(settings, ...args))
    for (const service of services) await service.ready()
    bridge = services[0] as RunningService
    await until('it is subscribed', async () => Object.keys((await bridge.health()) ?? { no: 'answer' }).length === 0)
  })

  after(async () => {
    for (const service of services) await service[Symbol.asyncDispose]()
    await outcomes?.[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true })
  })

  const message = (where: string, power: number): Message => ({ topic: `${run}/${where}/${plug}`, payload: `{"power":${power}}` })
  /** Says where, until it arrives. */
  const taken = async (where: string): Promise<void> => {
    for (let power = 0; power < 40; power++) {
      await sendMessages([message(where, power)])
      if ((await powers(where)).length > 0) return
      await delay(250)
    }
    throw new Error(`${where} was not taken within 10 s`)
  }

  it('takes the topics of a dialect that is added, within seconds and in the same session', async () => {
    await sendMessages([message('one', 1), message('two', 1)])
    await until('the first is taken', async () => (await powers('one')).length === 1)
    expect(await powers('two')).to.deep.equal([])
    writeFileSync(join(folder, 'two.yaml'), dialect('two', `${run}/two/{device}`))
    await taken('two')
    expect(await bridge.metric('millrace_broker_connections_total')).to.equal(1)
  })

  it('goes on with a dialect whose file has become invalid, and health names the file', async () => {
    writeFileSync(join(folder, 'two.yaml'), 'dialect: [')
    await until('health says so', async () => ((await bridge.health())?.dialects ?? '').includes('two.yaml'))
    const before = (await powers('two')).length
    await sendMessages([message('two', 99)])
    await until('it is taken', async () => (await powers('two')).length > before)
    writeFileSync(join(folder, 'two.yaml'), dialect('two', `${run}/two/{device}`))
    await until('health is good', async () => Object.keys((await bridge.health()) ?? { no: 'answer' }).length === 0)
  })

  it('takes a state as the dialect says it for that of the device', async () => {
    writeFileSync(join(folder, 'one.yaml'), dialect('one', `${run}/one/{device}`, LWT))
    const lwt = (payload: string, device = plug): Message => ({ topic: `${run}/lwt/${device}`, payload })
    const state = async (): Promise<string | undefined> =>
      (await millrace('devices', 'list'))
        .split('\n')
        .find((line) => line.startsWith(`${plug}\t`))
        ?.split('\t')[STATE_COLUMN]
    for (let turn = 0; turn < 20 && (await state()) !== 'ready'; turn++) {
      await sendMessages([lwt('Online')])
      await delay(500)
    }
    expect(await state()).to.equal('ready')
    await sendMessages([lwt('Offline'), lwt(''), lwt('Gone'), lwt('Online', `${run} x`)])
    await until('it is lost', async () => (await state()) === 'lost')
    await until(
      'two dead letters',
      async () => (await outcomes.deadLetters()).filter(({ source_topic }) => source_topic.includes(run)).length === 2,
    )
    expect(await outcomes.reasons(plug, `${run} x`)).to.deep.equal(['bridge bad-status', 'bridge bad-status'])
  })

  it('unsubscribes what a dialect that is taken out had, and what others take goes on', async () => {
    rmSync(join(folder, 'two.yaml'))
    await until('it has noticed', async () => bridge.log().includes('dialects have changed') && !lastDialects().includes('two-'))
    await delay(500)
    const before = await bridge.metric('millrace_dropped_total')
    await sendMessages([message('two', 5), message('one', 5)])
    await until('the other is taken', async () => (await powers('one')).includes(5))
    // Nobody subscribed to it any more, so that it did not even come.
    expect(await bridge.metric('millrace_dropped_total')).to.equal(before)
    expect(await bridge.metric('millrace_broker_connections_total')).to.equal(1)
  })

  function lastDialects(): string {
    return (
      bridge
        .log()
        .split('\n')
        .filter((line) => line.includes('dialects have changed'))
        .at(-1) ?? ''
    )
  }

  /** What came on a topic of this run. */
  async function powers(where: string): Promise<readonly number[]> {
    const kafka = testKafka(run)
    const found: number[] = []
    await scanTopic({
      kafka,
      topic: topics.raw,
      extents: await topicExtents(kafka, topics.raw),
      log: quiet,
      signal: new AbortController().signal,
      handle: async ({ records }) => {
        for (const { key, value } of records) {
          const { topic, payload } = rawType.fromBuffer(value?.subarray(5) ?? Buffer.alloc(0)) as { topic: string; payload: Buffer }
          if (topic !== `${run}/${where}/${plug}`) continue
          expect(key?.toString()).to.equal(plug)
          found.push((JSON.parse(payload.toString()) as { power: number }).power)
        }
      },
    })
    return found
  }
})
