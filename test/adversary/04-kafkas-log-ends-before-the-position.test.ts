import { expect } from 'chai'
import { createRegistry } from '../../connectors/registry/registry.ts'
import { topics } from '../../processors/topics.ts'
import { frameRecord, openFrameProducer, testFirmware, wire } from '../pipeline/frames.ts'
import { type RunningService, startService, until } from '../pipeline/service.ts'
import { address } from '../pipeline/stack-clients.ts'
import { closing } from './closing.ts'
import { cutLogs } from './cut-logs.ts'
import { recreateTopic } from './kafka-topics.ts'
import { caughtUp, lags } from './lags.ts'
import { provision } from './messages.ts'
import { type Outcomes, openOutcomes } from './outcomes.ts'

describe("Kafka's log ends before its consumers' positions", () => {
  const opened = closing()
  const run = `cl${Date.now().toString(36)}`
  const devices = Array.from({ length: 24 }, (_, index) => `${run}-${index}`)
  const firmware = testFirmware(run)
  let schemaId: number
  let outcomes: Outcomes
  let running: Record<'store' | 'standardise' | 'continuity', RunningService>
  let sent = 0

  /** One sample a frame, `each` of every device, in small batches: a cut takes whole ones. */
  async function send(each: number): Promise<void> {
    await using producer = await openFrameProducer()
    for (let round = 0; round < each; round++, sent += devices.length) {
      const at = sent
      await producer.send(
        devices.map((device, index) =>
          frameRecord(device, wire(schemaId, firmware.datum(at + index, Date.now() - 3_600_000 + at + index, [2000]))),
        ),
      )
    }
  }
  const rows = async (): Promise<number> =>
    Number((await outcomes.query('SELECT count(*) AS rows FROM readings WHERE device_id = ANY ($1)', [devices]))[0]?.rows)
  const stored = (): Promise<void> => until(`${sent} rows`, async () => (await rows()) === sent, 60_000)
  const start = async (): Promise<typeof running> => ({
    standardise: await opened.use(startService('run', 'standardise')),
    store: await opened.use(startService('store')),
    continuity: await opened.use(startService('run', 'continuity')),
  })
  const groups = ['standardise', 'continuity', 'store'] as const

  before(async function () {
    this.timeout(120_000)
    await provision(...devices)
    schemaId = await createRegistry(address('REGISTRY_URL')).register(firmware.subject, firmware.schema('0.01'))
    outcomes = await opened.use(openOutcomes([]))
    running = await start()
    // More than one batch of readings on each partition, however fast it goes: a batch is cut
    // whole.
    for (let batch = 0; batch < 2; batch++) {
      await send(8)
      await stored()
    }
    await caughtUp(...groups)
  })

  /** Each of them counted what it had read of its topic and is gone, and its health says so. */
  async function noticed(gone: ReadonlyMap<string, number>): Promise<void> {
    for (const [name, topic] of [
      ['standardise', topics.frames],
      ['store', topics.readings],
      ['continuity', topics.readings],
    ] as const) {
      await until(
        `${name} has noticed`,
        async () => (await running[name].metric('millrace_truncated_offsets_total')) === gone.get(topic),
        30_000,
      )
      const problems = Object.values((await running[name].health()) ?? {})
      expect(
        problems.filter((problem) => problem.includes("Kafka's log was cut")),
        name,
      ).to.not.deep.equal([])
      expect(running[name].log(), name).to.include('Kafka lost records that were read before')
    }
  }

  it('while they run: what is written since is read from where the log was cut, it is counted, and health says so', async function () {
    this.timeout(120_000)
    const gone = await cutLogs(8n, topics.frames, topics.readings)
    expect(gone.get(topics.frames)).to.be.greaterThan(0)
    await noticed(gone)
    await send(1)
    await stored()
    await caughtUp(...groups)
    // Who sent what is gone knows it too: nobody else would, if nobody had read it.
    expect(await running.standardise.metric('millrace_unkept_offsets_total')).to.be.greaterThan(0)
    expect(running.standardise.log()).to.include('Kafka no longer has records that it had acknowledged')
  })

  it('and has passed them again before anybody looked: the leader epoch tells', async function () {
    this.timeout(180_000)
    await Promise.all(groups.map((name) => running[name][Symbol.asyncDispose]()))
    const gone = await cutLogs(24n, topics.frames, topics.readings)
    await send(12)
    running.standardise = await opened.use(startService('run', 'standardise'))
    await caughtUp('standardise')
    running.store = await opened.use(startService('store'))
    await stored()
    for (const [name, topic] of [
      ['standardise', topics.frames],
      ['store', topics.readings],
    ] as const)
      expect(await running[name].metric('millrace_truncated_offsets_total'), name).to.equal(gone.get(topic))
    running.continuity = await opened.use(startService('run', 'continuity'))
  })

  for (const topic of [topics.frames, topics.readings]) {
    it(`for ${topic} was recreated while they run: the new one is read from its beginning`, async function () {
      this.timeout(120_000)
      await recreateTopic(topic)
      await send(2)
      await stored()
      await caughtUp(...groups)
      for (const [name, reads] of [
        ['standardise', topics.frames],
        ['store', topics.readings],
        ['continuity', topics.readings],
      ] as const) {
        if (reads !== topic) continue
        expect(await running[name].metric('millrace_recreated_partitions_total'), name).to.equal(6)
        expect(running[name].log(), name).to.include('the topic was recreated')
      }
      expect((await lags()).standardise).to.equal('0')
    })
  }
})
