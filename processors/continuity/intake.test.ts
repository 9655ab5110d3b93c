import { expect } from 'chai'
import fc from 'fast-check'
import { readFirmwares, readSchema } from '../../schemas/files.ts'
import { ReadingsWriter } from '../../schemas/readings-writer.ts'
import type { FirmwareLookup, KafkaRecord } from '../contract.ts'
import { createDeadLetterCodec, type DeadLetter } from '../dead-letter.ts'
import type { FrameSchemas } from './dead-letter-number.ts'
import { countsOf, NO_FLIGHT } from './frame-counts.ts'
import { Intake } from './intake.ts'
import { Ledger } from './ledger.ts'
import { RangeSet } from './ranges.ts'

const DEVICE = 'hive-a'
const codec = createDeadLetterCodec(readSchema('dead-letter').json, 4)
const firmwares = readFirmwares().map(({ firmware }, index) => ({ firmware, id: 10 + index }))
const hive = firmwares.find(({ firmware }) => firmware.id === 'hive-1')
const json = firmwares.find(({ firmware }) => firmware.id === 'generic-json')

const schemas: FrameSchemas = {
  firmware: (schemaId): FirmwareLookup => {
    const found = firmwares.find(({ id }) => id === schemaId)
    return found === undefined ? { tag: 'unknown' } : { tag: 'known', firmware: found.firmware }
  },
  firmwareOf: (fingerprint): FirmwareLookup => {
    const found = firmwares.find(({ firmware }) => firmware.fingerprint.toString('hex') === fingerprint)
    return found === undefined ? { tag: 'unknown' } : { tag: 'known', firmware: found.firmware }
  },
}

function readings(seq: number, samples: number, offset = BigInt(seq)): KafkaRecord {
  const none = new Float64Array(samples).fill(-1)
  const value = new ReadingsWriter(7).write({
    deviceId: Buffer.from(DEVICE),
    firmware: Buffer.from('hive-1'),
    boot: 1,
    seq,
    dropped: 0,
    count: samples,
    ts: Float64Array.from({ length: samples }, (_, sample) => (seq * 10 + sample) * 1e6),
    timeEstimated: false,
    account: none,
    site: none,
    values: [],
    excluded: new Uint8Array(samples),
  })
  return { key: Buffer.from(DEVICE), value, timestampMs: 1_000, offset }
}

/** boot 1, the number, and whatever follows in a frame: clock, base, dropped. */
function datum(seq: number): Buffer {
  return Buffer.from([2, seq * 2, 0, 0, 0])
}

const wire = (schemaId: number, bytes: Buffer): Buffer => Buffer.concat([Buffer.from([0, 0, 0, 0, schemaId]), bytes])
const published = (fingerprint: Buffer, bytes: Buffer): Buffer => Buffer.concat([Buffer.from([0xc3, 1]), fingerprint, bytes])

function deadLetter(fields: Partial<DeadLetter>): DeadLetter {
  return {
    source_topic: 'telemetry.frames',
    source_partition: 0,
    source_offset: 0,
    source_timestamp: 1_000,
    samples: [],
    quantities: [],
    key: Buffer.from(DEVICE),
    value: null,
    records: [],
    reason: 'unknown-device',
    detail: '',
    processor: 'standardise',
    processor_version: '1',
    attempt: 1,
    first_failed: 1_000,
    last_failed: 1_000,
    ...fields,
  }
}

describe('what the ledger takes in', () => {
  let ledger: Ledger
  let intake: Intake
  const counters = { readings: 0, deadLetters: 0, unreadable: 0 }
  let taken: bigint
  let at: bigint

  beforeEach(() => {
    ledger = new Ledger()
    intake = new Intake({ ledger, schemas, isDevice: (name) => name === DEVICE, decode: (value) => codec.decode(value), counters })
    Object.assign(counters, { readings: 0, deadLetters: 0, unreadable: 0 })
    taken = 0n
    at = 0n
  })

  const take = (record: KafkaRecord): void => {
    for (const { device, boot } of intake.absentOfReadings([record], 0)) ledger.install(device, boot)
    expect(intake.reading(record, 0, false)).to.equal(true)
    taken = record.offset + 1n
  }
  const takeDeadLetter = (fields: Partial<DeadLetter>): void => {
    const value = codec.encode(deadLetter(fields))
    const deadLetters = intake.open([{ key: Buffer.from(DEVICE), value, timestampMs: 1, offset: at++ }], 0)
    for (const { device, boot } of intake.absentOfDeadLetters(deadLetters)) ledger.install(device, boot)
    for (const each of deadLetters) intake.deadLetter(each, () => taken, false)
  }
  const refuse = (record: KafkaRecord, samples: readonly number[]): void =>
    takeDeadLetter({
      source_topic: 'telemetry.readings',
      source_offset: Number(record.offset),
      value: record.value,
      samples,
      processor: 'store',
      reason: 'row-refused',
    })
  const counts = (): ReturnType<typeof countsOf> => {
    const boot = ledger.find(DEVICE, 1)
    if (boot === undefined) throw new Error('the boot is not known')
    return countsOf(boot, NO_FLIGHT, new RangeSet())
  }

  it('does nothing with readings of a boot that is not in memory, and names it', () => {
    expect(intake.reading(readings(0, 1), 0, false)).to.equal(false)
    expect(intake.absentOfReadings([readings(0, 1), readings(1, 1)], 0)).to.deep.equal([{ device: DEVICE, boot: 1 }])
    expect(counters.readings).to.equal(0)
  })

  it('knows what the store refused of readings, whatever it was and however often its dead letters were written', () => {
    const frame = fc.record({ samples: fc.integer({ min: 1, max: 4 }), refused: fc.array(fc.nat({ max: 3 })), whole: fc.boolean() })
    fc.assert(
      fc.property(fc.array(frame, { minLength: 1, maxLength: 20 }), (frames) => {
        ledger = new Ledger()
        intake = new Intake({ ledger, schemas, isDevice: (name) => name === DEVICE, decode: (value) => codec.decode(value), counters })
        taken = 0n
        const records = frames.map(({ samples }, seq) => readings(seq, samples))
        const refused = frames.map(({ samples, refused: picked, whole }) =>
          whole && picked.length > 3 ? 'all' : picked.map((sample) => sample % samples),
        )
        for (const [seq, record] of records.entries()) {
          const gone = refused[seq] ?? []
          if (gone === 'all') refuse(record, [])
          else if (seq % 2 === 0 && gone.length > 0) refuse(record, gone)
          else for (const sample of gone) refuse(record, [sample])
        }
        for (const record of records) take(record)
        const dead = frames.filter(({ samples }, seq) => refused[seq] === 'all' || new Set(refused[seq]).size === samples).length
        const partly = refused.filter((gone) => gone.length > 0).length - dead
        expect(counts()).to.include({
          numbered: frames.length,
          stored: frames.length - dead,
          deadLettered: dead,
          partlyDead: partly,
          missing: 0,
        })
      }),
    )
  })

  it("keeps the store's dead letters for the next start until their readings are taken", () => {
    refuse(readings(3, 2), [0])
    refuse(readings(5, 1), [0])
    expect(intake.firstWaiting(0, () => taken)).to.equal(0n)
    take(readings(3, 2))
    expect(intake.firstWaiting(0, () => taken)).to.equal(1n)
    take(readings(5, 1))
    expect(intake.firstWaiting(0, () => taken)).to.equal(undefined)
    expect(counts()).to.include({ stored: 1, partlyDead: 1, deadLettered: 1 })
  })

  it('forgets dead letters of which retention deleted the readings', () => {
    refuse(readings(3, 1), [0])
    expect(intake.firstWaiting(0, () => 4n)).to.equal(undefined)
  })

  it('reads the number of a frame in dead letters of standardise and of the bridge', () => {
    if (hive === undefined || json === undefined) throw new Error('the schemas are missing')
    takeDeadLetter({ value: wire(hive.id, datum(0)) })
    takeDeadLetter({
      value: published(hive.firmware.fingerprint, datum(1)),
      processor: 'bridge',
      source_topic: 'devices/hive-a/telemetry',
      source_partition: -1,
      reason: 'over-rate',
    })
    take(readings(3, 1))
    expect(counts()).to.include({ numbered: 4, stored: 1, deadLettered: 2, missing: 1 })
    takeDeadLetter({ value: wire(json.id, datum(2)) })
    takeDeadLetter({
      value: Buffer.from('{"temperature":'),
      processor: 'bridge',
      source_topic: 'devices/hive-a/telemetry',
      source_partition: -1,
      reason: 'bad-json',
    })
    expect(ledger.changes().counts).to.deep.equal([
      { device: DEVICE, unnumbered: 2, unreadable: 0, conflicts: 0, lastConflictMs: 0, late: 0, implausible: 0 },
    ])
  })

  it('counts dead letters without a number for their device, and what is no dead letter at all', () => {
    for (const value of [null, Buffer.alloc(0), wire(99, datum(0)), Buffer.from([1, 2, 3, 4, 5, 6])]) takeDeadLetter({ value })
    takeDeadLetter({
      value: published(Buffer.alloc(8), datum(0)),
      processor: 'bridge',
      source_topic: 'devices/hive-a/telemetry',
      source_partition: -1,
      reason: 'unknown-fingerprint',
    })
    expect(ledger.changes().counts[0]?.unreadable).to.equal(5)
    expect(intake.open([{ key: Buffer.from(DEVICE), value: Buffer.from('no dead letter'), timestampMs: 1, offset: 9n }], 0)).to.deep.equal(
      [],
    )
    expect(counters.unreadable).to.equal(1)
  })
})
