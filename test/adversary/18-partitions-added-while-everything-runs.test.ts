import { expect } from 'chai'
import { topics } from '../../processors/topics.ts'
import { millrace, type RunningService, startService, until } from '../pipeline/service.ts'
import { closing } from './closing.ts'
import { recreateTopics, withAdmin } from './kafka-topics.ts'
import { caughtUp } from './lags.ts'
import { provision, sendMessages } from './messages.ts'
import { type Outcomes, openOutcomes } from './outcomes.ts'

describe('partitions that are added while everything runs', () => {
  const opened = closing()
  const run = `pa${Date.now().toString(36)}`
  const devices = Array.from({ length: 40 }, (_, index) => `${run}-${index}`)
  let outcomes: Outcomes
  let services: Record<'bridge' | 'translate' | 'store' | 'continuity', RunningService>
  let rounds = 0

  /** One message of each device, over MQTT. */
  async function send(): Promise<void> {
    const ts = Date.now() - 3_600_000 + rounds * 1000
    rounds++
    await sendMessages(
      devices.map((device) => ({ topic: `devices/${device}/telemetry`, payload: JSON.stringify({ ts, temperature: rounds }) })),
    )
  }
  const rows = async (): Promise<number> =>
    Number((await outcomes.query('SELECT count(*) AS rows FROM readings WHERE device_id = ANY ($1)', [devices]))[0]?.rows)
  const stored = (): Promise<void> => until('all rows', async () => (await rows()) === rounds * devices.length, 60_000)
  /** Records on partitions from a number on. */
  const beyond = (topic: string, partition: number): Promise<number> =>
    withAdmin(async (admin) =>
      (await admin.fetchTopicOffsets(topic))
        .filter((each) => each.partition >= partition)
        .reduce((sum, { high, low }) => sum + Number(high) - Number(low), 0),
    )
  const healthy = async (): Promise<void> => {
    for (const [name, service] of Object.entries(services))
      await until(`${name} is healthy`, async () => Object.keys((await service.health()) ?? { gone: '' }).length === 0, 30_000)
  }

  before(async function () {
    this.timeout(120_000)
    await provision(...devices)
    outcomes = await opened.use(openOutcomes([]))
    // Other tests count on as many partitions as the configuration has.
    opened.atEnd(() => recreateTopics())
    services = {
      translate: await opened.use(startService('run', 'translate')),
      store: await opened.use(startService('store')),
      continuity: await opened.use(startService('run', 'continuity')),
      bridge: await opened.use(startService('bridge')),
    }
    await until('the bridge is subscribed', async () => Object.keys((await services.bridge.health()) ?? { gone: '' }).length === 0)
    await send()
    await stored()
  })

  it('are read and sent to within seconds, in order, and health says so only while something waits', async function () {
    this.timeout(120_000)
    expect(await millrace('topics')).to.match(/telemetry\.raw +6/)
    expect(await millrace('topics', '--partitions', '8')).to.match(/telemetry\.raw +8/)
    await until('the bridge sends to them', async () => services.bridge.log().includes('sending to the new partitions too'), 30_000)
    await until('translate sends to them', async () => services.translate.log().includes('sending to the new partitions too'), 30_000)
    await send()
    await stored()
    expect(await beyond(topics.raw, 6)).to.be.greaterThan(0)
    expect(await beyond(topics.readings, 6)).to.be.greaterThan(0)
    await caughtUp('translate', 'continuity', 'store')
    await healthy()
    for (const { log } of Object.values(services)) expect(log()).to.not.include('out of order')
  })

  it('to one topic alone do not keep the ledger from starting again, nor from its account', async function () {
    this.timeout(120_000)
    await services.continuity[Symbol.asyncDispose]()
    await withAdmin((admin) => admin.createPartitions({ topicPartitions: [{ topic: topics.readings, count: 9 }] }))
    services.continuity = await opened.use(startService('run', 'continuity'))
    await send()
    await stored()
    await caughtUp('translate', 'continuity', 'store')
    await healthy()
  })

  it('cannot be taken away again', async () => {
    const failure = await millrace('topics', '--partitions', '3').catch((cause: unknown) => cause)
    expect(String(failure)).to.include('topics never get fewer')
  })
})
