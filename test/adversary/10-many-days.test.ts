import { expect } from 'chai'
import type { RecordProducer } from '../../connectors/contract.ts'
import { NEWEST_DAYS, OLDEST_DAYS } from '../../processors/time-bounds.ts'
import { readings, valueSubject } from '../../processors/topics.ts'
import { quantities } from '../../schemas/generated/readings.ts'
import { ReadingsWriter } from '../../schemas/readings-writer.ts'
import { openFrameProducer } from '../pipeline/frames.ts'
import { type HiveFrame, hiveFrame } from '../pipeline/hive-frames.ts'
import { startService, until } from '../pipeline/service.ts'
import { askRegistry } from '../pipeline/stack-clients.ts'
import { closing } from './closing.ts'
import { provision, sendMessages } from './messages.ts'
import { type Outcomes, openOutcomes } from './outcomes.ts'

const run = `days${Date.now().toString(36)}`
const [stranger, good, logger] = [`${run}-stranger`, `${run}-good`, `${run}-logger`]
const DAY_MS = 86_400_000
const telemetry = (device: string): string => `devices/${device}/telemetry`

describe('a frame of thousands of days', () => {
  const { use } = closing()
  let outcomes: Outcomes
  let producer: RecordProducer

  before(async () => {
    await provision(stranger, good, logger)
    outcomes = await use(openOutcomes())
    producer = await use(openFrameProducer())
    for (const service of [['bridge'], ['run', 'standardise'], ['run', 'translate'], ['store']]) await use(startService(...service))
  })

  it('is one small dead letter, and the other devices are stored', async () => {
    const base = Date.now() - 3_600 * DAY_MS
    const frame: HiveFrame = { boot: 1, seq: 0, base, temperature: Array.from({ length: 3_600 }, () => 2000), dt: DAY_MS }
    await sendMessages([
      { topic: telemetry(stranger), payload: hiveFrame(frame) },
      { topic: telemetry(good), payload: hiveFrame({ boot: 1, seq: 0, base: Date.now() - 5_000, temperature: [2000] }) },
    ])
    await until('the good frame is stored', async () => (await outcomes.rows(good)) === 1)
    await until('the other is a dead letter', async () => (await outcomes.reasons(stranger)).length > 0)
    expect(await outcomes.reasons(stranger)).to.deep.equal(['standardise span-too-long'])
    expect(await outcomes.rows(stranger)).to.equal(0)
  })

  it('is stored if it is a backlog of three months, a sample a day', async () => {
    const begin = Date.now() - 95 * DAY_MS
    const samples = Array.from({ length: 90 }, (_, day) => ({ ts: new Date(begin + day * DAY_MS).toISOString(), temperature: 20 }))
    await sendMessages([{ topic: telemetry(logger), payload: JSON.stringify(samples) }])
    await until('all days are stored', async () => (await outcomes.rows(logger)) === 90)
    expect(await outcomes.reasons(logger)).to.deep.equal([])
  })

  it('leaves queries over all days that there can be with locks enough: two for each chunk', async () => {
    const [settings] = await outcomes.query(
      "SELECT current_setting('max_locks_per_transaction')::integer * current_setting('max_connections')::integer AS locks",
    )
    expect(settings?.locks).to.be.above(3 * 2 * (OLDEST_DAYS + NEWEST_DAYS + 1))
  })

  it('does not stop the store if it is in the topic of readings already', async () => {
    const latest = await askRegistry(`/subjects/${valueSubject(readings.topic)}/versions/latest`)
    const { id } = (await latest.json()) as { readonly id: number }
    const count = 3_600
    const columns = {
      deviceId: Buffer.from(stranger),
      firmware: Buffer.from('hive-1'),
      boot: 1,
      seq: 1,
      dropped: 0,
      count,
      ts: Float64Array.from({ length: count }, (_, day) => (Date.now() - day * DAY_MS) * 1000),
      timeEstimated: false,
      account: new Float64Array(count).fill(-1),
      site: new Float64Array(count).fill(-1),
      values: quantities.map(() => undefined),
      excluded: new Uint8Array(count),
    }
    const value = new ReadingsWriter(id).write(columns)
    await producer.send([{ topic: readings.topic, key: Buffer.from(stranger), value, timestampMs: Date.now() }])
    const after = { boot: 1, seq: 1, base: Date.now() - 1_000, temperature: [2100] }
    await sendMessages([stranger, good].map((device) => ({ topic: telemetry(device), payload: hiveFrame(after) })))
    await until('both are stored', async () => (await outcomes.rows(stranger)) === 1 && (await outcomes.rows(good)) === 2)
    expect(await outcomes.reasons(stranger)).to.deep.equal(['standardise span-too-long', 'store span-too-long'])
  })
})
