import { expect } from 'chai'
import { createRegistry } from '../../connectors/registry/registry.ts'
import { deadTopic, topics } from '../../processors/topics.ts'
import { frameRecord, produce, testFirmware, wire } from '../pipeline/frames.ts'
import { millrace, type RunningService, startService, until } from '../pipeline/service.ts'
import { address } from '../pipeline/stack-clients.ts'
import { closing } from './closing.ts'
import { type ForeignTransaction, transact } from './foreign-transactions.ts'
import { caughtUp } from './lags.ts'
import { provision } from './messages.ts'
import { type Outcomes, openOutcomes } from './outcomes.ts'

describe('aborted transactions of a foreign producer', () => {
  const opened = closing()
  const run = `at${Date.now().toString(36)}`
  const [device, other] = [`${run}-a`, `${run}-b`] as const
  const firmware = testFirmware(run)
  const LARGE = 240_000
  let schemaId: number
  let outcomes: Outcomes
  let services: readonly RunningService[]

  const frame = (seq: number): Buffer => wire(schemaId, firmware.datum(seq, Date.now() - 3_600_000 + seq * 1000, [2000 + seq]))
  const send = (of: string, ...seqs: readonly number[]): Promise<void> => produce(seqs.map((seq) => frameRecord(of, frame(seq))))
  const transaction = (topic: string, end: ForeignTransaction['end'], key: string, value: Buffer): ForeignTransaction => ({
    topic,
    end,
    records: [{ key, value: value.toString('base64') }],
  })
  const nothingLeft = (): Promise<void> => caughtUp('standardise', 'devices', 'continuity', 'store')

  before(async function () {
    this.timeout(120_000)
    await provision(device, other)
    schemaId = await createRegistry(address('REGISTRY_URL')).register(firmware.subject, firmware.schema('0.01'))
    outcomes = await opened.use(openOutcomes())
    services = [
      await opened.use(startService('store')),
      await opened.use(startService('run', 'standardise')),
      await opened.use(startService('run', 'devices')),
      await opened.use(startService('run', 'continuity')),
    ]
    await send(device, 0)
    await until('the first row', async () => (await outcomes.rows(device)) === 1)
  })

  it('do not stop the partition that they are on, and are not stored', async () => {
    // More than one fetch of standardise takes: some bring nothing but what was aborted.
    const large = Buffer.concat([frame(1), Buffer.alloc(LARGE)])
    await transact([frame(1), large, large, large, frame(2)].map((value) => transaction(topics.frames, 'abort', device, value)))
    await send(device, 3)
    await until('the row behind them', async () => (await outcomes.rows(device)) === 2)
    await transact([
      transaction(topics.frames, 'commit', device, frame(4)),
      transaction(topics.frames, 'abort', device, frame(5)),
      transaction(topics.frames, 'commit', device, frame(6)),
    ])
    await until('the rows of the committed ones', async () => (await outcomes.rows(device)) === 4)
    await nothingLeft()
    expect((await outcomes.readings(device)).map(({ values }) => values.temperature)).to.deep.equal([20, 20.03, 20.04, 20.06])
  })

  it('leave no lag where they are the last of a topic', async () => {
    const aborted = [topics.frames, topics.readings, topics.deviceStatus, ...['bridge', 'standardise', 'store'].map(deadTopic)]
    await transact(aborted.map((topic) => transaction(topic, 'abort', other, Buffer.from('nothing'))))
    await nothingLeft()
    expect(await outcomes.reasons(other)).to.deep.equal([])
    for (const service of services) expect(await service.health()).to.deep.equal({})
  })

  it('do not keep `millrace continuity` and `millrace dead` waiting', async () => {
    const ledger = services.at(-1)
    await ledger?.kill()
    await transact([deadTopic('store'), topics.readings, topics.frames].map((topic) => transaction(topic, 'abort', other, frame(9))))
    expect(await millrace('continuity', '--device', device)).to.include(device)
    await millrace('dead')
  })
})
