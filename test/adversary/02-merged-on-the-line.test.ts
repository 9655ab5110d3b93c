import { expect } from 'chai'
import type { ContinuityReport } from '../../ops/continuity/report.ts'
import { millrace, type RunningService, startService, until } from '../pipeline/service.ts'
import { closing } from './closing.ts'
import { provision, sendMessages } from './messages.ts'
import { type Outcomes, openOutcomes } from './outcomes.ts'

const device = `merged-${Date.now().toString(36)}`
const TIME = '2026-11-29T03:00:00Z'

describe('two messages of one time on the line', () => {
  const { use } = closing()
  let outcomes: Outcomes
  let store: RunningService
  const send = (...samples: readonly object[]): Promise<void> =>
    sendMessages([{ topic: `devices/${device}/telemetry`, payload: JSON.stringify(samples.map((sample) => ({ ts: TIME, ...sample }))) }])
  const values = async () => (await outcomes.readings(device)).map((reading) => reading.values)

  before(async () => {
    await provision(device)
    outcomes = await use(openOutcomes())
    for (const service of [['bridge'], ['run', 'translate'], ['run', 'continuity']]) await use(startService(...service))
    store = await use(startService('store'))
  })

  it('are one row with both quantities, also if one array brings them', async () => {
    await send({ temperature: 21.5 }, { humidity: 40 })
    await until('the row has both', async () => (await values()).some((each) => 'humidity' in each && 'temperature' in each))
    expect(await values()).to.deep.equal([{ temperature: 21.5, humidity: 40 }])
    expect(await outcomes.reasons(device)).to.deep.equal([])
  })

  it('that differ are counted where somebody looks: metrics, status and continuity name them, and the first one stays', async () => {
    const before = await store.metric('millrace_store_conflicts_total')
    await send({ temperature: 22.5 })
    await send({ weight: 30 })
    await until('all is stored', async () => (await values()).some((each) => 'weight' in each))
    expect(await values()).to.deep.equal([{ temperature: 21.5, humidity: 40, weight: 30 }])
    await until('it is counted', async () => (await store.metric('millrace_store_conflicts_total')) === before + 1)
    const { devices } = JSON.parse(await millrace('continuity', '--device', device, '--json')) as ContinuityReport
    expect(devices[0]?.differing).to.include({ device, rows: 1, quantity: 'temperature', kept: 21.5, refused: 22.5 })
    expect(await millrace('continuity', '--device', device)).to.contain('temperature 21.5 kept, 22.5 refused')
  })
})
