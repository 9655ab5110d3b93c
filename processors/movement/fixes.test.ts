import avro from 'avsc'
import { expect } from 'chai'
import { quantities, readingsSchema } from '../../schemas/generated/readings.ts'
import type { KafkaRecord, Lookups } from '../contract.ts'
import { inputsByDevice } from '../process.ts'
import { businessProcess } from './process.ts'

const type = avro.Type.forSchema(readingsSchema.json as avro.Schema, { wrapUnions: 'auto', logicalTypes: {} })
const lookups: Lookups = {
  firmware: () => ({ tag: 'unknown' }),
  assignments: () => undefined,
  speaksFor: () => false,
  dialect: () => undefined,
  anchor: () => Number.NaN,
  schema: () => readingsSchema.json,
}
const received = Date.UTC(2026, 4, 1)

function record(samples: readonly Readonly<Record<string, unknown>>[], device = 'hive'): KafkaRecord {
  const none = Object.fromEntries(quantities.map(({ name }) => [name, null]))
  const full = samples.map((sample) => ({
    ts: received * 1000,
    time_estimated: false,
    account_id: null,
    site_id: null,
    ...none,
    ...sample,
  }))
  return {
    key: Buffer.from('hive'),
    value: Buffer.concat([
      Buffer.from([0, 0, 0, 0, 1]),
      type.toBuffer({ device_id: device, firmware: 'hive-1', boot: 1, seq: 1, dropped: 0, samples: full }),
    ]),
    timestampMs: received,
    offset: 0n,
  }
}

const place = { latitude: 51.5, longitude: -7.25 }
const inputs = (...records: readonly KafkaRecord[]) => inputsByDevice(businessProcess, records, lookups)
const fixes = (...records: readonly KafkaRecord[]) => inputs(...records).devices

describe('the fixes of readings', () => {
  it('are the samples with a position, oldest first', () => {
    const hour = received * 1000 - 3_600_000_000
    const [found] = fixes(record([{ temperature: 20 }, place, { ...place, ts: hour, time_estimated: true, position_accuracy: 20 }]))
    expect([found?.device, found?.items]).to.deep.equal([
      'hive',
      [
        { ...place, atMicros: hour, estimated: true },
        { ...place, atMicros: received * 1000, estimated: false },
      ],
    ])
  })

  it('come record after record, so that what is late does not depend on how records are cut into batches', () => {
    const at = (hour: number): number => received * 1000 - hour * 3_600_000_000
    const [newer, older] = [
      record([
        { ...place, ts: at(1) },
        { ...place, ts: at(2) },
      ]),
      record([{ ...place, ts: at(4) }]),
    ]
    const together = fixes(newer, older).flatMap(({ items }) => items)
    expect(together).to.deep.equal([...fixes(newer), ...fixes(older)].flatMap(({ items }) => items))
    expect(together.map(({ atMicros }) => atMicros)).to.deep.equal([at(2), at(1), at(4)])
  })

  it('leave out what cannot tell where the hive stands, and then a record takes no statement of the database', () => {
    const future = received * 1000 + 700_000_000
    const samples = [{ temperature: 20 }, { latitude: 0, longitude: 0 }, { ...place, position_accuracy: 1000 }, { ...place, ts: future }]
    expect(fixes(record(samples))).to.deep.equal([])
    expect(fixes(record([place], 'hive/tag-1'))).to.deep.equal([])
  })

  it('of a device whose clock began in 2036 are dropped, and hold up none of those with right times', () => {
    const later = [1, 2, 3].map((minute) => ({ ...place, ts: (received + minute * 60_000) * 1000 }))
    const wrong = { ...place, ts: Date.UTC(2036, 0, 1) * 1000 }
    const { devices, dropped } = inputs(record([wrong]), record([wrong, ...later]))
    expect(devices[0]?.items.map(({ atMicros }) => atMicros)).to.deep.equal(later.map(({ ts }) => ts))
    expect(dropped).to.deep.equal(new Map([['time-ahead', 2]]))
    expect(inputs(record([{ ...wrong, latitude: 0, longitude: 0 }])).dropped).to.have.property('size', 0)
    // At most ten minutes ahead, so those of ten minutes later count again.
    const fast = fixes(record([{ ...place, ts: (received + 599_000) * 1000 }]))[0]?.items ?? []
    expect(fast).to.have.lengthOf(1)
  })
})
