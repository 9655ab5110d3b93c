import { expect } from 'chai'
import type { DeadLetter } from '../../processors/dead-letter.ts'
import { launchWith, startService, until } from '../pipeline/service.ts'
import { closing } from './closing.ts'
import { openHostileClient } from './hostile-client.ts'
import { provision, sendMessages } from './messages.ts'
import { openOutcomes } from './outcomes.ts'

const run = `l${Date.now().toString(36)}`
const TOPICS = 2_000
const TOPIC_BYTES = 60_000
/** What `millrace up` gives a service (bin/service.flags), less than all those topics together. */
const HEAP = '--max-old-space-size=160 --max-semi-space-size=2'

describe('2,000 topics of 60 KB', () => {
  const device = `${run}-good`
  const { use } = closing()

  it('do not end the bridge: each is a small dead letter, and others go on', async () => {
    await provision(device)
    const outcomes = await use(openOutcomes(['bridge']))
    const bridge = await use(launchWith({ env: { NODE_OPTIONS: HEAP } }, 'bridge'))
    await use(startService('run', 'translate'))
    await use(startService('store'))
    await bridge.ready()
    await until('it has subscribed', async () => (await bridge.metric('millrace_broker_connected')) === 1)
    const stranger = await use(openHostileClient({ clientId: `${run}-stranger` }))
    const long = 'x'.repeat(TOPIC_BYTES - 40)
    const codes = await stranger.flood(
      (function* topics(): Generator<readonly [string, string]> {
        for (let index = 0; index < TOPICS; index++) yield [`devices/${run}-${index}-${long}/telemetry`, '{"temperature":20}']
      })(),
    )
    expect(codes).to.deep.equal(new Map([[0, TOPICS]]))
    await sendMessages([{ topic: `devices/${device}/telemetry`, payload: '{"temperature":20}' }])
    await until('the good device’s message is stored', async () => (await outcomes.rows(device)) === 1, 60_000)
    // The topic of dead letters is another than that of frames: neither waits for the other.
    let deadLetters: readonly DeadLetter[] = []
    await until(
      () => `${TOPICS} dead letters; there are ${deadLetters.length}`,
      async () => {
        deadLetters = (await outcomes.deadLetters()).filter(({ source_topic }) => source_topic.startsWith(`devices/${run}`))
        return deadLetters.length >= TOPICS
      },
      60_000,
    )
    expect(deadLetters).to.have.length(TOPICS)
    expect(new Set(deadLetters.map(({ reason }) => reason))).to.deep.equal(new Set(['bad-device-id']))
    expect(Math.max(...deadLetters.map((deadLetter) => deadLetter.source_topic.length + deadLetter.detail.length))).to.be.below(2_000)
    expect(deadLetters[0]?.value?.toString()).to.equal('{"temperature":20}')
    expect(bridge.memoryBytes()).to.be.below(350e6)
  }).timeout(120_000)
})
