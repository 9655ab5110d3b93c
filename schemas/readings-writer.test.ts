import avro from 'avsc'
import { expect } from 'chai'
import fc from 'fast-check'
import { readSchema } from './files.ts'
import { quantities } from './generated/readings.ts'
import { type ReadingsColumns, ReadingsWriter } from './readings-writer.ts'

const type = avro.Type.forSchema(readSchema('readings').json as avro.Schema, { wrapUnions: 'auto', logicalTypes: {} })

interface Written {
  readonly boot: number
  readonly seq: number
  readonly dropped: number
  readonly samples: readonly { readonly ts: number }[]
}

function columns(count: number, excluded: readonly number[] = []): ReadingsColumns {
  const value = (index: number): Float64Array =>
    Float64Array.from({ length: count }, (_, sample) => (sample % 3 === index ? Number.NaN : sample))
  return {
    deviceId: Buffer.from('hive-a'),
    firmware: Buffer.from('hive-1'),
    boot: 3,
    seq: 4,
    dropped: 5,
    count,
    ts: Float64Array.from({ length: count }, (_, sample) => (sample % 2 === 0 ? 1 : 1e15) + sample),
    timeEstimated: false,
    account: Float64Array.from({ length: count }, (_, sample) => (sample % 5) - 1),
    site: new Float64Array(count).fill(-1),
    values: quantities.map((_, index) => (index < 3 ? value(index) : undefined)),
    excluded: Uint8Array.from({ length: count }, (_, sample) => (excluded.includes(sample) ? 1 : 0)),
  }
}

const decoded = (parts: Buffer | readonly Buffer[]): readonly Written[] =>
  [parts].flat().map((part) => type.fromBuffer((part as Buffer).subarray(5)) as Written)

describe('readings of a frame with channels', () => {
  it('become a record each, in order, and each several if it would be too large', () => {
    const [own, brood, top] = [columns(2), { ...columns(3), deviceId: Buffer.from('hive-a/brood') }, columns(40)]
    const parts = new ReadingsWriter(1, 600).writeParts({ ...own, channels: [brood, top] })
    const records = decoded(parts) as readonly (Written & { readonly device_id: string })[]
    expect(records.slice(0, 2).map(({ device_id, samples }) => [device_id, samples.length])).to.deep.equal([
      ['hive-a', 2],
      ['hive-a/brood', 3],
    ])
    expect(records.length).to.be.greaterThan(3)
    expect(records.reduce((sum, { samples }) => sum + samples.length, 0)).to.equal(45)
    expect(new Set(records.map(({ boot, seq }) => `${boot}/${seq}`)).size).to.equal(1)
  })
})

describe('readings that are larger than a record may be', () => {
  it('become several, none too large, each with the head, and together the same samples in their order', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 60 }),
        fc.integer({ min: 150, max: 5000 }),
        fc.array(fc.nat({ max: 59 })),
        (count, most, gone) => {
          const input = columns(count, gone)
          const parts = new ReadingsWriter(7, most).writeParts(input)
          const [whole] = decoded(new ReadingsWriter(7).write(input)) as [Written]
          for (const part of [parts].flat()) expect((part as Buffer).length).to.be.at.most(most)
          expect(decoded(parts).flatMap(({ samples }) => samples)).to.deep.equal(whole.samples)
          for (const { samples: _, ...head } of decoded(parts)) expect(head).to.deep.include({ boot: 3, seq: 4, dropped: 5 })
          expect(decoded(new ReadingsWriter(7, most).writeParts(input))).to.deep.equal(decoded(parts))
        },
      ),
    )
  })

  it('stay one record if they fit, though the largest sample would not', () => {
    const one = new ReadingsWriter(7).write(columns(60))
    const parts = new ReadingsWriter(7, one.length + 100).writeParts(columns(60))
    expect(parts).to.deep.equal(one)
  })

  it('have one sample at least, however large', () => {
    expect(decoded(new ReadingsWriter(7, 10).writeParts(columns(3))).map(({ samples }) => samples.length)).to.deep.equal([1, 1, 1])
  })
})
