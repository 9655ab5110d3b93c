import { expect } from 'chai'
import { partitionOf } from '../../connectors/kafka/partition.ts'
import { createRegistry } from '../../connectors/registry/registry.ts'
import type { ContinuityReport } from '../../ops/continuity/report.ts'
import { createStatusEncoder } from '../../processors/bridge/status.ts'
import type { DeviceId, OutgoingRecord } from '../../processors/contract.ts'
import type { DeadLetter } from '../../processors/dead-letter.ts'
import { topics, valueSubject } from '../../processors/topics.ts'
import { readSchema } from '../../schemas/files.ts'
import { frameRecord, produce, testFirmware, wire } from '../pipeline/frames.ts'
import { launchConfigured, millrace, type RunningService, startService, until } from '../pipeline/service.ts'
import { address } from '../pipeline/stack-clients.ts'
import { closing } from './closing.ts'
import { provision } from './messages.ts'
import { type Outcomes, openOutcomes } from './outcomes.ts'

const run = `nobody${Date.now().toString(36)}`
const PARTITIONS = 6
const FLOOD = 1500
const NAMES = 1500
/**
 * More would show no more, and be in the way of the files after this one, which redrive whatever is
 * there.
 */
const WHOLE = 100

/** A device of partition 0: all of them share it. */
function device(name: string): string {
  for (let index = 0; ; index++) {
    const id = `${run}-${name}${index}`
    if (partitionOf(Buffer.from(id), PARTITIONS) === 0) return id
  }
}

/**
 * Each of these stopped a partition for all of its devices, and nothing that anybody could fix let
 * it go on.
 */
describe('what is one device’s own fault', () => {
  const { use } = closing()
  const firmware = testFirmware(run)
  const [good, junk, stranger] = [device('good'), device('junk'), device('stranger')]
  let outcomes: Outcomes
  let schemaId: number
  let standardise: RunningService
  let store: RunningService
  let devices: RunningService
  let seq = 0

  const frames = (id: string, count: number): OutgoingRecord[] =>
    Array.from({ length: count }, (_, index) =>
      frameRecord(id, wire(schemaId, firmware.datum(index, Date.now() - 3_600_000 + index * 10, [2000]))),
    )
  /** The good device's next frame, and its row: the partition goes on. */
  const goesOn = async (): Promise<void> => {
    const before = await outcomes.rows(good)
    await produce([frameRecord(good, wire(schemaId, firmware.datum(seq++, Date.now() - 60_000 + seq, [2000])))])
    await until('the good device is stored', async () => (await outcomes.rows(good)) === before + 1)
    for (const service of [standardise, store]) expect(await service.health()).to.deep.equal({})
  }
  const records = (deadLetters: readonly DeadLetter[]): number =>
    deadLetters.reduce((sum, each) => sum + Math.max(1, each.records.length), 0)

  before(async function () {
    this.timeout(60_000)
    await provision(good, junk)
    schemaId = await createRegistry(address('REGISTRY_URL')).register(firmware.subject, firmware.schema('0.01'))
    outcomes = await use(openOutcomes(['standardise', 'store', 'devices']))
    const bounded = async (...args: readonly string[]): Promise<RunningService> => {
      const service = await use(launchConfigured(`dead_letters: { per_device: ${WHOLE} }\n`, ...args))
      await service.ready()
      return service
    }
    standardise = await bounded('run', 'standardise')
    store = await bounded('store')
    devices = await bounded('run', 'devices')
    await use(startService('run', 'continuity'))
    await produce(frames(junk, 10))
    await until('the device was good', async () => (await outcomes.rows(junk)) === 10)
  })

  it('does not stop the others: 1,500 junk frames, of which most are kept by their offset only', async function () {
    this.timeout(60_000)
    const cut = frames(junk, FLOOD).map((record) => ({ ...record, value: record.value.subarray(0, record.value.length - 1) }))
    await produce(cut)
    await goesOn()
    const deadLetters = await outcomes.deadLetters(junk)
    expect(records(deadLetters)).to.equal(FLOOD)
    expect(deadLetters.length).to.be.below(WHOLE + 50)
    expect(deadLetters.filter(({ value }) => value !== null)).to.have.length(WHOLE)
    await standardise.metricIs(FLOOD - WHOLE, 'millrace_referenced_records_total')
  })

  it('does not stop the others: 1,500 frames of a device that nobody provisioned; all of them can be redriven', async function () {
    this.timeout(90_000)
    await produce(frames(stranger, FLOOD))
    await goesOn()
    expect(records(await outcomes.deadLetters(stranger))).to.equal(FLOOD)
    const frame = async (): Promise<{ deadLettered: number; stored: number } | undefined> => {
      const { devices: all } = JSON.parse(await millrace('continuity', '--json', '--device', stranger)) as ContinuityReport
      return all.find((each) => each.device === stranger)?.frames
    }
    expect((await frame())?.deadLettered, 'continuity reads their numbers out of the heads').to.equal(FLOOD)
    await millrace('devices', 'add', '--account', 'test', stranger)
    await millrace('redrive', 'standardise', '--device', stranger)
    await until('every frame is stored', async () => (await outcomes.rows(stranger)) === FLOOD, 60_000)
    await until('the ledger knows', async () => (await frame())?.stored === FLOOD)
  })

  it('does not stop the others: thousands of names that nobody knows', async function () {
    this.timeout(60_000)
    const memory = standardise.memoryBytes()
    await produce(Array.from({ length: NAMES }, (_, index) => frames(`${run}-name${index}`, 1)[0] as OutgoingRecord))
    await goesOn()
    expect(records((await outcomes.deadLetters()).filter(({ key }) => key?.includes('-name')))).to.equal(NAMES)
    expect(standardise.memoryBytes() - memory).to.be.below(150 << 20)
  })

  it('does not stop the others: 1,500 statuses of a device that nobody provisioned', async function () {
    this.timeout(60_000)
    const schema = readSchema('device-status').json
    const statusId = await createRegistry(address('REGISTRY_URL')).register(valueSubject(topics.deviceStatus), JSON.stringify(schema))
    const encode = createStatusEncoder(schema, statusId)
    const status = (id: string, boot: number): OutgoingRecord => ({
      topic: topics.deviceStatus,
      key: Buffer.from(id),
      value: encode(
        { payload: Buffer.from(JSON.stringify({ state: 'ready', boot })), receivedMs: Date.now(), retain: false },
        id as DeviceId,
      ),
      timestampMs: Date.now(),
    })
    const unborn = device('unborn')
    await produce([...Array.from({ length: FLOOD }, (_, boot) => status(unborn, boot)), status(good, 7)])
    await until(
      'the good device is ready',
      async () => (await millrace('devices', 'list')).includes(`${good}\t`) && ready(await millrace('devices', 'list'), good),
    )
    expect(await devices.health()).to.deep.equal({})
    expect(records(await outcomes.deadLetters(unborn))).to.equal(FLOOD)
  })

  it('does not stop the others: 1,500 rows of a device that the database refuses', async function () {
    this.timeout(120_000)
    const refused = device('refused')
    await provision(refused)
    await produce(frames(refused, 10))
    await until('the device was good', async () => (await outcomes.rows(refused)) === 10)
    await outcomes.query(`ALTER TABLE readings ADD CONSTRAINT ${run} CHECK (device_id <> '${refused}') NOT VALID`)
    try {
      await produce(
        frames(refused, FLOOD).map((record, index) => ({
          ...record,
          value: wire(schemaId, firmware.datum(100 + index, Date.now() - 1_800_000 + index, [2000])),
        })),
      )
      await goesOn()
      await until('the dead letters are there', async () => records(await outcomes.deadLetters(refused)) === FLOOD, 60_000)
    } finally {
      await outcomes.query(`ALTER TABLE readings DROP CONSTRAINT ${run}`)
    }
    await millrace('redrive', 'store', '--device', refused)
    expect(await outcomes.rows(refused)).to.equal(FLOOD + 10)
  })
})

function ready(listed: string, id: string): boolean {
  return listed.split('\n').some((line) => line.startsWith(`${id}\t`) && line.split('\t')[3] === 'ready')
}
