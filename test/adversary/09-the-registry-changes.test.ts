import { expect } from 'chai'
import type { RecordProducer } from '../../connectors/contract.ts'
import type { OutgoingRecord } from '../../processors/contract.ts'
import { firmwareSubject, topics } from '../../processors/topics.ts'
import { quantities, readingsSchema } from '../../schemas/generated/readings.ts'
import { ReadingsWriter } from '../../schemas/readings-writer.ts'
import { schemaHeaders } from '../../services/registered.ts'
import { frameRecord, openFrameProducer, testFirmware, wire } from '../pipeline/frames.ts'
import { millrace, type RunningService, startService, until } from '../pipeline/service.ts'
import { closing } from './closing.ts'
import { provision, sendMessages } from './messages.ts'
import { type Outcomes, openOutcomes } from './outcomes.ts'
import { sharedRegistry } from './schema-registry.ts'

const run = `reg${Date.now().toString(36)}`
const device = (name: string): string => `${run}-${name}`
const names = ['foreign', 'deleted', 'late', 'reused', 'stored', 'lost', 'corrected'] as const
const start = Date.now() - 3_600_000

describe('a registry that changes while frames are under way', function () {
  this.timeout(60_000)
  const { use } = closing()
  const registry = sharedRegistry()
  let outcomes: Outcomes
  let producer: RecordProducer
  const running: RunningService[] = []
  let sent = 0

  const restart = async (): Promise<void> => {
    for (const service of running.splice(0)) await service[Symbol.asyncDispose]()
    for (const service of [['bridge'], ['run', 'standardise'], ['store']]) running.push(await startService(...service))
  }
  const publish = (name: string, payload: Buffer): Promise<void> => sendMessages([{ topic: `devices/${device(name)}/telemetry`, payload }])
  /** The temperatures that became of frames that were published. */
  const temperatures = async (name: string): Promise<readonly (number | undefined)[]> =>
    (await outcomes.readings(device(name))).map(({ values }) => values.temperature)
  const becomes = async (name: string, rows: number): Promise<void> => {
    await until(`${name} has ${rows} rows`, async () => (await outcomes.rows(device(name))) === rows)
    expect(await outcomes.reasons(device(name))).to.deep.equal([])
  }

  before(async () => {
    await provision(...names.map(device))
    outcomes = await use(openOutcomes())
    producer = await use(openFrameProducer())
    await restart()
  })

  after(async () => {
    for (const service of running) await service[Symbol.asyncDispose]()
  })

  it('keeps 20 °C at 20 °C though somebody has registered the same fields under a subject of his own, with another conversion', async () => {
    const firmware = testFirmware(`${run}foreign`)
    await registry.register(firmware.subject, firmware.schema('0.01'))
    await publish('foreign', firmware.frame(0, start, [2000]))
    await becomes('foreign', 1)
    await registry.register(firmwareSubject(`${run}.zzz`), firmware.schema('1'))
    // Read by both services when they start.
    await restart()
    await publish('foreign', firmware.frame(1, start + 1_000, [2000]))
    await becomes('foreign', 2)
    expect(await temperatures('foreign')).to.deep.equal([20, 20])
    expect(await running[1]?.metric('millrace_ignored_schemas')).to.be.at.least(1)
  })

  it('stores the frames of a firmware whose subject was deleted, after a restart too', async () => {
    const firmware = testFirmware(`${run}deleted`)
    await registry.register(firmware.subject, firmware.schema('0.01'))
    await publish('deleted', firmware.frame(0, start, [2000]))
    await becomes('deleted', 1)
    await registry.delete(firmware.subject)
    // A reading that does not find the subject any more.
    await publish('deleted', testFirmware(`${run}nobody`).frame(0, start, [2000]))
    await until('the registry was read', async () => (await outcomes.reasons(device('deleted'))).length === 1)
    await publish('deleted', firmware.frame(1, start + 1_000, [2000]))
    await until('the row', async () => (await outcomes.rows(device('deleted'))) === 2)
    await restart()
    await publish('deleted', firmware.frame(2, start + 2_000, [2000]))
    await until('the row after a restart', async () => (await outcomes.rows(device('deleted'))) === 3)
    expect(await outcomes.reasons(device('deleted'))).to.deep.equal(['bridge unknown-fingerprint'])
  })

  it('goes back to the conversion before if the newest version is deleted', async () => {
    const firmware = testFirmware(`${run}corrected`)
    await registry.register(firmware.subject, firmware.schema('0.01'))
    await registry.register(firmware.subject, firmware.schema('0.02'))
    await registry.delete(firmware.subject, 2)
    await publish('corrected', firmware.frame(0, start, [2000]))
    await becomes('corrected', 1)
    expect(await temperatures('corrected')).to.deep.equal([20])
  })

  it('sees a schema that is registered a moment after the registry was read', async () => {
    const firmware = testFirmware(`${run}late`)
    await publish('late', firmware.frame(0, start, [2000]))
    await until('the first one is a dead letter', async () => (await outcomes.reasons(device('late'))).length === 1)
    await registry.register(firmware.subject, firmware.schema('0.01'))
    await publish('late', firmware.frame(1, start + 1_000, [2000]))
    await until('the second one is a row', async () => (await outcomes.rows(device('late'))) === 1, 5_000)
    expect(await outcomes.reasons(device('late'))).to.deep.equal(['bridge unknown-fingerprint'])
  })

  describe('and is restored from an older backup, so that IDs are given out again', () => {
    const [mine, other] = [testFirmware(`${run}mine`), testFirmware(`${run}other`)]
    const record = (name: string, id: number, fingerprint: Buffer): OutgoingRecord => ({
      ...frameRecord(device(name), wire(id, mine.datum(sent++, start + sent * 1_000, [2000]))),
      headers: [{ name: 'fp', value: fingerprint }],
    })
    let otherId: number

    before(async () => {
      await registry.register(mine.subject, mine.schema('0.01'))
      otherId = await registry.register(other.subject, other.schema('1'))
    })

    it('reads a frame by its fingerprint, whatever its ID stands for now', async () => {
      await producer.send([record('reused', otherId, mine.fingerprint)])
      await becomes('reused', 1)
      expect(await temperatures('reused')).to.deep.equal([20])
      expect(await running[1]?.metric('millrace_wrong_schema_ids_total')).to.equal(1)
    })

    it('reads readings by their fingerprint too, of which the store knows nothing but the schema', async () => {
      const value = readings(otherId, device('stored'))
      const headers = schemaHeaders(readingsSchema)
      await producer.send([{ topic: topics.readings, key: Buffer.from(device('stored')), value, timestampMs: Date.now(), headers }])
      await becomes('stored', 1)
      expect(await temperatures('stored')).to.deep.equal([21])
    })

    it('makes a dead letter of a frame whose ID stands for another schema, never a wrong row, and a redrive finds the right one', async () => {
      const late = testFirmware(`${run}restored`)
      await producer.send([record('lost', otherId, late.fingerprint)])
      await until('the dead letter', async () => (await outcomes.deadLetters(device('lost'))).length === 1)
      const [deadLetter] = await outcomes.deadLetters(device('lost'))
      expect(deadLetter).to.include({ processor: 'standardise', reason: 'unknown-schema' })
      expect(deadLetter?.detail).to.include(late.fingerprint.toString('hex')).and.include(other.subject)
      expect(await outcomes.rows(device('lost'))).to.equal(0)
      await registry.register(late.subject, late.schema('0.02'))
      await millrace('redrive', 'standardise', '--device', device('lost'))
      await until('the row', async () => (await outcomes.rows(device('lost'))) === 1)
      expect(await temperatures('lost')).to.deep.equal([40])
    })
  })
})

/** One sample with 21 °C, as standardise writes it. */
function readings(schemaId: number, deviceId: string): Buffer {
  return new ReadingsWriter(schemaId).write({
    deviceId: Buffer.from(deviceId),
    firmware: Buffer.from('hive-1'),
    boot: 1,
    seq: 0,
    dropped: 0,
    count: 1,
    ts: Float64Array.of(start * 1_000),
    timeEstimated: false,
    account: Float64Array.of(-1),
    site: Float64Array.of(-1),
    values: quantities.map(({ name }) => (name === 'temperature' ? Float64Array.of(21) : undefined)),
    excluded: new Uint8Array(1),
  })
}
