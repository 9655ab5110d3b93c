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

function record(...times: readonly number[]): KafkaRecord {
  const none = Object.fromEntries(quantities.map(({ name }) => [name, null]))
  const samples = times.map((ts) => ({ time_estimated: false, account_id: null, site_id: null, ...none, ts, temperature: 20 }))
  return {
    key: Buffer.from('hive'),
    value: Buffer.concat([
      Buffer.from([0, 0, 0, 0, 1]),
      type.toBuffer({ device_id: 'hive', firmware: 'hive-1', boot: 1, seq: 1, dropped: 0, samples }),
    ]),
    timestampMs: 5,
    offset: 0n,
  }
}

const times = (...records: readonly KafkaRecord[]): readonly number[] =>
  inputsByDevice(businessProcess, records, lookups).devices.flatMap(({ items }) => items.map(({ reading }) => reading.ts))

describe('the samples that alerts are judged by', () => {
  it('are oldest first within a record, and record after record: batches do not decide what is late', () => {
    const [newer, older] = [record(300, 200, 400), record(250)]
    expect(times(newer, older)).to.deep.equal([200, 300, 400, 250])
    expect(times(newer, older)).to.deep.equal([...times(newer), ...times(older)])
  })
})
