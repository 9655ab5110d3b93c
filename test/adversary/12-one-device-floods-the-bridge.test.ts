import { expect } from 'chai'
import type { ContinuityReport } from '../../ops/continuity/report.ts'
import { hiveFrame } from '../pipeline/hive-frames.ts'
import { launchConfigured, millrace, type RunningService, startService, until } from '../pipeline/service.ts'
import { closing } from './closing.ts'
import { openHostileClient } from './hostile-client.ts'
import { provision } from './messages.ts'
import { type Outcomes, openOutcomes } from './outcomes.ts'

const run = `flood${Date.now().toString(36)}`
const FLOOD = 5000
const BURST = 200
/** In a window of a day: at the end of each hour, as by default, another would begin. */
const WHOLE = 50

describe('a device that floods the bridge', () => {
  const { use } = closing()
  const [good, evil] = [`${run}-good`, `${run}-evil`]
  let outcomes: Outcomes
  let bridge: RunningService

  before(async () => {
    await provision(good, evil)
    outcomes = await use(openOutcomes())
    bridge = await use(
      launchConfigured(
        `bridge: { rate_limit: { messages_per_second: 0.01, burst: ${BURST} } }\ndead_letters: { per_device: ${WHOLE}, window_minutes: 1440 }\n`,
        'bridge',
      ),
    )
    for (const service of [
      ['run', 'standardise'],
      ['run', 'continuity'],
    ])
      await use(startService(...service))
    await use(startService('store'))
    await bridge.ready()
  })

  const frame = (seq: number): Buffer => hiveFrame({ boot: 1, seq, base: Date.now() - 600_000 + seq, temperature: [2000] })

  it('does not hold up the others, has few bytes of dead letters, and every message of it is accounted for', async function () {
    this.timeout(60_000)
    const client = await use(openHostileClient({ clientId: `${run}-client` }))
    const flood = client.flood(Array.from({ length: FLOOD }, (_, seq) => [`devices/${evil}/telemetry`, frame(seq)] as const))
    await client.publish(`devices/${good}/telemetry`, frame(0))
    await until('the good device is stored', async () => (await outcomes.rows(good)) === 1)
    await flood
    // Not by millrace_rejected_total: it also has what an earlier test's clients left in the
    // session of the bridge. These counts are exact as long as the broker has nothing to send again.
    await until('all are counted', async () => (await bridge.metric('millrace_discarded_messages_total')) >= FLOOD - BURST - WHOLE)
    await bridge.metricIs(1, 'millrace_broker_connections_total')
    await bridge.metricIs(FLOOD - BURST - WHOLE, 'millrace_discarded_messages_total')
    await until('what was in time is stored', async () => (await outcomes.rows(evil)) === BURST)
    const deadLetters = await outcomes.deadLetters(evil)
    expect(deadLetters.filter(({ value }) => value !== null)).to.have.length(WHOLE)
    const noted = deadLetters.filter(({ value }) => value === null)
    expect(noted.reduce((sum, { records }) => sum + records.length, 0)).to.equal(FLOOD - BURST - WHOLE)
    const { devices } = JSON.parse(await millrace('continuity', '--json', '--device', evil)) as ContinuityReport
    expect(devices[0]?.frames).to.include({ numbered: FLOOD, stored: BURST, deadLettered: FLOOD - BURST, missing: 0 })
    expect(await bridge.health()).to.deep.equal({})
  })
})
