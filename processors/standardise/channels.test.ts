import { readFileSync } from 'node:fs'
import avro from 'avsc'
import { expect } from 'chai'
import { projectRoot, readQuantities, readSchema } from '../../schemas/files.ts'
import { parseFirmware } from '../../schemas/firmware.ts'
import type { Sample } from '../../schemas/generated/readings.ts'
import type { Assignment, Lookups, RecordPart } from '../contract.ts'
import { readings } from '../topics.ts'
import { processor } from './processor.ts'

const schema = JSON.parse(readFileSync(`${projectRoot}docs/examples/hive-3.avsc`, 'utf8')) as avro.Schema
const names = new Set(readQuantities().map(({ name }) => name))
const frameType = avro.Type.forSchema(schema)
const readingsType = avro.Type.forSchema(readSchema('readings').json as avro.Schema, { wrapUnions: 'auto', logicalTypes: {} })
const RECEIVED_MS = Date.UTC(2026, 10, 23, 6)
const MISSING = -32_768
const moved = (RECEIVED_MS - 500) * 1000
const assignments: readonly Assignment[] = [
  { fromMicros: -Infinity, toMicros: moved, accountId: 1, siteId: 2 },
  { fromMicros: moved, toMicros: Infinity, accountId: 3, siteId: null },
]

interface Written {
  readonly device_id: string
  readonly seq: number
  readonly dropped: number
  readonly samples: readonly Sample[]
}

interface Columns {
  readonly brood?: readonly number[]
  readonly super?: readonly number[]
  readonly outside?: readonly number[]
}

interface Input {
  readonly only?: RecordPart
  readonly base?: number
  /** Changes the schema's attributes. */
  readonly attributes?: (schema: { fields: { name: string; channel?: string; standard?: string | null }[] }) => void
}

/** What standardise makes of a frame of hive-3, whose samples are half a second apart. */
function handle(columns: Columns, { only, base = RECEIVED_MS - 1000, attributes = () => undefined }: Input = {}) {
  const changed = structuredClone(schema) as never
  attributes(changed)
  const firmware = parseFirmware(changed, names)
  const count = Math.max(...Object.values(columns).map((values: readonly number[]) => values.length), 0)
  const differences = (values: readonly number[] = []): readonly number[] => values.map((value, index) => value - (values[index - 1] ?? 0))
  const datum = frameType.toBuffer({
    boot: 3,
    seq: 4,
    clock: 'SYNCED',
    base,
    dropped: 5,
    dt: Array.from({ length: count }, (_, index) => (index === 0 ? 0 : 500)),
    brood: differences(columns.brood),
    super: differences(columns.super),
    outside: differences(columns.outside),
    weight: [],
  })
  const lookups = {
    firmware: () => ({ tag: 'known', firmware }),
    assignments: () => assignments,
    anchor: () => Number.NaN,
    schema: () => undefined,
    speaksFor: () => false,
  } as unknown as Lookups
  const encode = readings.encoder(11, 1_000_000)
  const records: Written[] = []
  const rejections: unknown[] = []
  const record = {
    key: Buffer.from('hive-1'),
    value: Buffer.concat([Buffer.from([0, 0, 0, 0, 1]), datum]),
    timestampMs: RECEIVED_MS,
    offset: 0n,
    ...(only === undefined ? {} : { only }),
  }
  processor.from.decode(record, lookups, (item) => {
    const result = processor.handle(item, lookups)
    for (const outcome of 'tag' in result ? [result] : result) {
      if (outcome.tag === 'emit')
        for (const part of [encode(outcome.value)].flat()) records.push(readingsType.fromBuffer((part as Buffer).subarray(5)) as Written)
      else if (outcome.tag === 'reject') rejections.push([outcome.reason, outcome.samples, outcome.quantities])
    }
  })
  const rows = records.flatMap(({ device_id, samples }) =>
    samples.map(({ ts, temperature, account_id }) => `${device_id} ${ts / 1000 - RECEIVED_MS} ${temperature} ${account_id}`),
  )
  return { records, rows, rejections }
}

describe('the channels of a device', () => {
  it('have rows of their own, at the time of the sample, under the assignment of the device', () => {
    const { rows, records, rejections } = handle({ brood: [3450, 3460], super: [3000, 3010], outside: [1200, 1190] })
    expect(rows).to.deep.equal([
      'hive-1 -1000 12 1',
      'hive-1 -500 11.9 3',
      'hive-1/brood -1000 34.5 1',
      'hive-1/brood -500 34.6 3',
      'hive-1/super -1000 30 1',
      'hive-1/super -500 30.1 3',
    ])
    expect(rejections).to.deep.equal([])
    expect(records.map(({ seq, dropped }) => [seq, dropped])).to.deep.equal([
      [4, 5],
      [4, 5],
      [4, 5],
    ])
  })

  it('have no row for a sample without a value, and neither has the device if a channel has one', () => {
    expect(handle({ brood: [3450, MISSING], outside: [MISSING, 1200] }).rows).to.deep.equal([
      'hive-1 -500 12 3',
      'hive-1/brood -1000 34.5 1',
    ])
    expect(handle({ super: [3000] }).rows).to.deep.equal(['hive-1/super -1000 30 1'])
  })

  it('leave a row of the device for a sample in which nothing was measured, and a record for a frame without samples', () => {
    expect(handle({ brood: [3450, MISSING], outside: [MISSING, MISSING] }).rows).to.deep.equal([
      'hive-1 -500 null 3',
      'hive-1/brood -1000 34.5 1',
    ])
    const { records } = handle({})
    expect(records.map(({ device_id, samples }) => [device_id, samples.length])).to.deep.equal([['hive-1', 0]])
  })

  it('have no row for a field that is carried without a quantity, and the fields behind it are read all the same', () => {
    const attributes: Input['attributes'] = ({ fields }) => {
      const brood = fields.find(({ name }) => name === 'brood')
      if (brood === undefined) throw new Error('no brood')
      delete brood.channel
      brood.standard = null
    }
    const { rows, rejections } = handle({ brood: [30_000, 3460], super: [3000, 3010], outside: [1200, 1190] }, { attributes })
    expect(rows).to.deep.equal(['hive-1 -1000 12 1', 'hive-1 -500 11.9 3', 'hive-1/super -1000 30 1', 'hive-1/super -500 30.1 3'])
    expect(rejections).to.deep.equal([])
  })

  it('lose only what is wrong with themselves: the rejection names the quantity with its channel', () => {
    const { rows, rejections } = handle({ brood: [3450, 30_000], super: [3000, 30_000], outside: [30_000, 1200] })
    expect(rows).to.deep.equal(['hive-1 -500 12 3', 'hive-1/brood -1000 34.5 1', 'hive-1/super -1000 30 1'])
    expect(rejections).to.deep.equal([
      ['out-of-range', [0], ['temperature']],
      ['out-of-range', [1], ['brood/temperature']],
      ['out-of-range', [1], ['super/temperature']],
    ])
    expect(handle({ brood: [30_000] }), 'nothing is left, not even an empty row').to.deep.include({ rows: [], records: [] })
  })

  it('are all rejected once with a sample whose time is wrong', () => {
    const { records, rejections } = handle({ brood: [3450], outside: [30_000] }, { base: 0 })
    expect([records, rejections]).to.deep.equal([[], [['time-out-of-range', [0], []]]])
  })

  it('are redriven one by one', () => {
    const columns = { brood: [3450, 3460], super: [3000, 3010], outside: [1200, 1190] }
    const part = (samples: readonly number[], ...quantities: readonly string[]) => handle(columns, { only: { samples, quantities } }).rows
    expect(part([1], 'brood/temperature')).to.deep.equal(['hive-1/brood -500 34.6 3'])
    expect(part([1], 'temperature')).to.deep.equal(['hive-1 -500 11.9 3'])
    expect(part([0], 'temperature', 'super/temperature')).to.deep.equal(['hive-1 -1000 12 1', 'hive-1/super -1000 30 1'])
    expect(part([1])).to.deep.equal(['hive-1 -500 11.9 3', 'hive-1/brood -500 34.6 3', 'hive-1/super -500 30.1 3'])
    const again = handle({ ...columns, brood: [3450, 30_000] }, { only: { samples: [1], quantities: ['brood/temperature'] } })
    expect([again.rows, again.rejections]).to.deep.equal([[], [['out-of-range', [1], ['brood/temperature']]]])
  })

  it('are found by a redrive though the metric has got another channel since, or its first', () => {
    const columns = { brood: [3450], outside: [1200] }
    const rename = (name: string, channel: string) => (changed: { fields: { name: string; channel?: string }[] }) => {
      for (const field of changed.fields) if (field.name === name) field.channel = channel
    }
    const part = { samples: [0], quantities: ['brood/temperature'] }
    expect(handle(columns, { only: part, attributes: rename('brood', 'nest') }).rows).to.include('hive-1/nest -1000 34.5 1')
    const plain = { samples: [0], quantities: ['temperature'] }
    expect(handle(columns, { only: plain, attributes: rename('outside', 'shade') }).rows).to.include('hive-1/shade -1000 12 1')
  })
})
