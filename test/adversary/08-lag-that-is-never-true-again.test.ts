import { expect } from 'chai'
import { createRegistry } from '../../connectors/registry/registry.ts'
import { topics } from '../../processors/topics.ts'
import { frameRecord, produce, testFirmware, wire } from '../pipeline/frames.ts'
import { startService, until } from '../pipeline/service.ts'
import { address } from '../pipeline/stack-clients.ts'
import { closing } from './closing.ts'
import { withAdmin } from './kafka-topics.ts'
import { caughtUp, lags } from './lags.ts'
import { provision } from './messages.ts'
import { type Outcomes, openOutcomes } from './outcomes.ts'

describe('offsets that the database decides, of which Kafka has not heard', () => {
  const opened = closing()
  const run = `lg${Date.now().toString(36)}`
  const devices = Array.from({ length: 10 }, (_, index) => `${run}-${index}`)
  const firmware = testFirmware(run)
  let outcomes: Outcomes

  /** Lag of the store as any lag tool sees it: by what Kafka was told. */
  const lagOfTools = (): Promise<bigint> =>
    withAdmin(async (admin) => {
      const [committed] = await admin.fetchOffsets({ groupId: 'store', topics: [topics.readings] })
      const offsets = new Map(committed?.partitions.map(({ partition, offset }) => [partition, BigInt(offset)]))
      const ends = await admin.fetchTopicOffsets(topics.readings)
      return ends.reduce((sum, { partition, high }) => sum + BigInt(high) - (offsets.get(partition) ?? 0n), 0n)
    })
  /** What a commit to Kafka that was lost at a stop leaves behind. */
  const loseCommits = (): Promise<void> =>
    withAdmin(async (admin) => {
      const partitions = (await admin.fetchTopicOffsets(topics.readings)).map(({ partition, low }) => ({ partition, offset: low }))
      await admin.setOffsets({ groupId: 'store', topic: topics.readings, partitions })
    })

  before(async function () {
    this.timeout(120_000)
    await provision(...devices)
    const schemaId = await createRegistry(address('REGISTRY_URL')).register(firmware.subject, firmware.schema('0.01'))
    outcomes = await opened.use(openOutcomes([]))
    await using store = await startService('store')
    await using standardise = await startService('run', 'standardise')
    await produce(
      devices.flatMap((device) =>
        Array.from({ length: 5 }, (_, seq) =>
          frameRecord(device, wire(schemaId, firmware.datum(seq, Date.now() - 3_600_000 + seq * 1000, [2000]))),
        ),
      ),
    )
    const rows = async (): Promise<number> =>
      Number((await outcomes.query('SELECT count(*) AS rows FROM readings WHERE device_id = ANY ($1)', [devices]))[0]?.rows)
    await until('50 rows', async () => (await rows()) === 50)
    await caughtUp('standardise', 'store')
    expect(await store.health()).to.deep.equal(await standardise.health())
  })

  it('are what `millrace lag` goes by, also while nobody runs', async () => {
    await loseCommits()
    expect((await lagOfTools()) > 0n, 'lag tools see a lag').to.equal(true)
    expect((await lags()).store).to.equal('0')
  })

  it('are told to Kafka at the next start, though no record comes', async function () {
    this.timeout(60_000)
    await using store = await startService('store')
    await until('lag tools see that nothing is left', async () => (await lagOfTools()) === 0n)
    expect(await store.health()).to.deep.equal({})
  })
})
