import { expect } from 'chai'
import { launchConfigured, type RunningService, startService, until } from '../pipeline/service.ts'
import { closing } from './closing.ts'
import { provision, sendMessages } from './messages.ts'
import { type Outcomes, openOutcomes } from './outcomes.ts'

const run = `r30-${Date.now().toString(36)}`

describe('telemetry that the broker had retained before the bridge ever subscribed', () => {
  const { use, atEnd } = closing()
  let outcomes: Outcomes

  const device = (name: string): string => `${run}-${name}`
  const topic = (name: string): string => `devices/${device(name)}/telemetry`
  const session = async (name: string): Promise<RunningService> => {
    const bridge = await launchConfigured(`bridge: { client_id: ${run}-${name} }\n`, 'bridge')
    await bridge.ready()
    return bridge
  }

  before(async () => {
    await provision(...['timed', 'untimed'].map(device))
    outcomes = await use(openOutcomes())
    for (const service of [['run', 'translate'], ['store']]) await use(startService(...service))
    await sendMessages([
      { topic: topic('timed'), payload: `{"ts":${Date.now() - 60_000},"temperature":20}`, retain: true },
      { topic: topic('untimed'), payload: '{"temperature":20}', retain: true },
    ])
    atEnd(() => sendMessages(['timed', 'untimed'].map((name) => ({ topic: topic(name), payload: '', retain: true }))))
  })

  it('is a row if it has a time, and a dead letter if nobody knows how old it is', async () => {
    await using _bridge = await session('first')
    await until('the row is there', async () => (await outcomes.rows(device('timed'))) === 1)
    await until('the dead letter is there', async () => (await outcomes.reasons(device('untimed'))).length === 1)
    expect(await outcomes.reasons(device('timed'), device('untimed'))).to.deep.equal(['translate retained'])
    expect(await outcomes.rows(device('untimed'))).to.equal(0)
  })

  it('is not another row if a further session meets it', async () => {
    await using _bridge = await session('second')
    await until('it was met', async () => (await outcomes.reasons(device('untimed'))).length === 2)
    await sendMessages([{ topic: topic('timed'), payload: `{"ts":${Date.now()},"temperature":21}` }])
    await until('what came after it is there', async () => (await outcomes.rows(device('timed'))) >= 2)
    expect((await outcomes.readings(device('timed'))).map(({ values }) => values.temperature)).to.deep.equal([20, 21])
    expect(await outcomes.reasons(device('timed'))).to.deep.equal([])
  })
})
