import { expect } from 'chai'
import fc from 'fast-check'
import { avroType } from './avro-type.ts'
import { MalformedError, MOST_SAMPLES } from './frame-reader.ts'
import { quantities, type Reading, readingsSchema, type Sample, type standardQuantities } from './generated/readings.ts'
import { sampleFields } from './quantities.ts'
import { ReadingsReader } from './readings-reader.ts'
import { type ReadingsColumns, ReadingsWriter } from './readings-writer.ts'
import { WIRE_BYTES } from './wire-format.ts'

const schema = readingsSchema.json as { readonly fields: readonly { readonly name: string; readonly type: unknown }[] }
const type = avroType(schema)

interface Field {
  readonly name: string
  readonly type: unknown
  readonly default?: unknown
}

/** The schema with other fields of a sample, or of its head. */
function changed(
  sample: (fields: readonly Field[]) => readonly Field[],
  head: (fields: readonly Field[]) => readonly Field[] = (all) => all,
): object {
  return {
    ...schema,
    fields: head(
      schema.fields.map((field) => {
        const { items } = field.type as { readonly items?: object }
        return items === undefined
          ? field
          : { ...field, type: { type: 'array', items: { ...items, fields: sample(sampleFields(schema) as readonly Field[]) } } }
      }),
    ),
  }
}

const long = fc.integer({ min: -(2 ** 51), max: 2 ** 51 })
const int = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
const double = fc.double({ noNaN: true })
const id = fc.option(fc.nat(), { nil: -1 })

const columns: fc.Arbitrary<ReadingsColumns> = fc.nat({ max: 300 }).chain((count) => {
  const column = <Value>(of: fc.Arbitrary<Value>): fc.Arbitrary<Value[]> => fc.array(of, { minLength: count, maxLength: count })
  const floats = (of: fc.Arbitrary<number>): fc.Arbitrary<Float64Array> => column(of).map((values) => Float64Array.from(values))
  return fc.record({
    deviceId: fc.string({ maxLength: 64 }).map((text) => Buffer.from(text)),
    firmware: fc.string({ maxLength: 20 }).map((text) => Buffer.from(text)),
    boot: int,
    seq: int,
    dropped: int,
    count: fc.constant(count),
    ts: floats(long),
    timeEstimated: fc.boolean(),
    account: floats(id),
    site: floats(id),
    values: fc.tuple(...quantities.map(() => fc.option(floats(fc.option(double, { nil: Number.NaN })), { nil: undefined, freq: 2 }))),
    excluded: column(fc.constantFrom(0, 0, 0, 1)).map((values) => Uint8Array.from(values)),
  })
})

/** What the reader read, as a writer takes it. */
function asWritten(reader: ReadingsReader): ReadingsColumns {
  const { boot, seq, dropped, count, ts, account, site, values } = reader
  return {
    deviceId: Buffer.from(reader.deviceId),
    firmware: Buffer.from(reader.firmware),
    boot,
    seq,
    dropped,
    count,
    ts,
    account,
    site,
    values,
    timeEstimated: reader.timeEstimated[0] === 1,
    excluded: new Uint8Array(count),
  }
}

const samplesOf = (reader: ReadingsReader): readonly Reading[] =>
  Array.from({ length: reader.count }, (_, sample) => reader.reading(sample))
/** Without prototypes, as literals have none of avsc's. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

/** Values that differ from sample to sample, so that none can stand for another. */
const sampleWith = (at: number): Sample => ({
  ts: 1e15 + at,
  time_estimated: at % 2 === 1,
  account_id: at % 3 === 0 ? null : at,
  site_id: at % 4 === 0 ? null : at * 10,
  ...(Object.fromEntries(quantities.map(({ name }, index) => [name, (at + index) % 3 === 0 ? null : at + index / 8])) as Record<
    (typeof standardQuantities)[number]['name'],
    number | null
  >),
})
const record = { device_id: 'hive-1', firmware: 'hive-2', boot: 1, seq: 2, dropped: 3, samples: [0, 1, 2, 3, 4].map(sampleWith) }
const written = (writer: object, value: object = record): Buffer => avroType(writer).toBuffer(value)

/** What avsc makes of what a writer wrote. */
function asAvroSays(writer: object, bytes: Buffer): unknown {
  const resolver = type.createResolver(avroType(writer))
  const { samples, dropped: _, ...head } = type.fromBuffer(bytes, resolver) as typeof record
  return plain(samples.map((sample) => ({ ...head, ...sample })))
}

function read(writer: unknown, bytes: Buffer): ReadingsReader {
  const reader = new ReadingsReader(writer)
  reader.read(bytes, 0)
  return reader
}

describe('ReadingsReader', () => {
  it('reads what the writer wrote, from record to record with the same columns', () => {
    const reader = new ReadingsReader(schema)
    const writer = new ReadingsWriter(7)
    fc.assert(
      fc.property(columns, (input) => {
        const bytes = writer.write(input)
        reader.read(bytes, WIRE_BYTES)
        expect(writer.write(asWritten(reader)).equals(bytes)).to.equal(true)
      }),
    )
  })

  it('gives each sample as avsc does', () => {
    const reader = new ReadingsReader(schema)
    const writer = new ReadingsWriter(7)
    fc.assert(
      fc.property(columns, (input) => {
        const bytes = writer.write(input)
        reader.read(bytes, WIRE_BYTES)
        expect(plain(samplesOf(reader))).to.deep.equal(asAvroSays(schema, bytes.subarray(WIRE_BYTES)))
      }),
      { numRuns: 30 },
    )
  })

  const soil: Field = { name: 'bee_count', type: ['null', 'double'], default: null }
  const notes: Field = { name: 'notes', type: { type: 'map', values: { type: 'array', items: ['null', 'string', 'double'] } } }
  const withMore = {
    ...record,
    gateway: 'north',
    samples: record.samples.map((sample, index) => ({ ...sample, bee_count: index, notes: { a: [null, 'b', 1] } })),
  }
  const writers: readonly (readonly [string, object])[] = [
    ['an older one, which lacked quantities', changed((fields) => fields.slice(0, -5))],
    [
      'a much older one, which lacked what the head has too',
      changed(
        (fields) => fields.slice(0, 6),
        (head) => head.filter(({ name }) => name !== 'dropped'),
      ),
    ],
    ['a newer one, which has a quantity more', changed((fields) => [...fields, soil])],
    ['a newer one, which has it in the middle', changed((fields) => [...fields.slice(0, 7), soil, ...fields.slice(7)])],
    [
      'a newer one, of which a sample has more than quantities',
      changed(
        (fields) => [notes, ...fields],
        (head) => [...head, { name: 'gateway', type: 'string' }],
      ),
    ],
    ['one that has its quantities in another order', changed((fields) => [...fields.slice(0, 4), ...fields.slice(4).reverse()])],
    [
      'one that has everything in another order',
      changed(
        (fields) => [...fields].reverse(),
        (head) => [...head].reverse(),
      ),
    ],
    [
      'one with narrower types',
      changed((fields) =>
        fields.map((field) =>
          field.name === 'humidity'
            ? { ...field, type: ['null', 'float'] }
            : field.name === 'site_id'
              ? { ...field, type: ['null', 'int'] }
              : field,
        ),
      ),
    ],
    [
      'one of which a quantity is always there',
      changed((fields) => fields.map((field) => (field.name === 'pressure' ? { name: field.name, type: 'double' } : field))),
    ],
  ]
  for (const [what, writer] of writers) {
    it(`resolves the records of another writer as Avro says: ${what}`, () => {
      const samples = withMore.samples.map((sample) => ({ ...sample, pressure: sample.pressure ?? 7 }))
      const bytes = written(writer, { ...withMore, samples })
      const found = read(writer, bytes)
      expect(plain(samplesOf(found))).to.deep.equal(asAvroSays(writer, bytes))
      expect(samplesOf(found)).to.have.length(5)
      expect(found.reading(4)).to.include({ device_id: 'hive-1', boot: 1, ts: 1e15 + 4 })
    })
  }

  it('takes samples in blocks, with and without their size, and keeps one while it makes room for the next', () => {
    for (const length of [1, 200]) {
      const samples = Array.from({ length }, (_, index) => sampleWith(index))
      const head = written(schema, { ...record, samples: [] }).subarray(0, -1)
      const count = varint(length)
      const block = written(schema, { ...record, samples }).subarray(head.length + count.length, -1)
      const negative = varint(-length)
      const bytes = Buffer.concat([head, count, block, negative, varint(block.length), block, Buffer.alloc(1)])
      const { samples: _, dropped: __, ...own } = record
      expect(plain(samplesOf(read(schema, bytes)))).to.deep.equal(plain([...samples, ...samples].map((sample) => ({ ...own, ...sample }))))
    }
  })

  it('gives a reading that the next record does not change', () => {
    const reader = read(schema, written(schema))
    const before = reader.reading(1)
    const copy = plain(before)
    reader.read(written(schema, { ...record, device_id: 'other', samples: [5, 6, 7].map(sampleWith) }), 0)
    expect(plain(before)).to.deep.equal(copy)
    expect(() => reader.reading(3)).to.throw(RangeError, /expected a sample below 3, got 3/)
  })

  it('keeps nothing of one record for the next: what has no value has none', () => {
    const reader = read(schema, written(schema))
    const empty = { ...sampleWith(0), ...Object.fromEntries(quantities.map(({ name }) => [name, null])) }
    reader.read(written(schema, { ...record, samples: [empty, empty] }), 0)
    expect(reader.values).to.deep.equal(quantities.map(() => undefined))
    expect(plain(reader.reading(1))).to.deep.equal(plain({ device_id: 'hive-1', firmware: 'hive-2', boot: 1, seq: 2, ...empty }))
  })

  it('refuses a record that is cut off anywhere, and one byte too many', () => {
    const bytes = written(schema)
    const reader = new ReadingsReader(schema)
    for (let length = 0; length < bytes.length; length++)
      expect(() => reader.read(bytes.subarray(0, length), 0), `${length} bytes`).to.throw(MalformedError)
    expect(() => reader.read(Buffer.concat([bytes, Buffer.alloc(1)]), 0)).to.throw(MalformedError, /1 bytes are left/)
  })

  it('throws nothing but that for any bytes at all, and reads the next record as if nothing had been', () => {
    const reader = new ReadingsReader(schema)
    const bytes = written(schema)
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 200 }),
          fc.tuple(fc.nat({ max: bytes.length - 1 }), fc.nat(255)).map(([at, byte]) => Buffer.from(bytes).fill(byte, at, at + 1)),
        ),
        (some) => {
          try {
            reader.read(Buffer.from(some), 0)
          } catch (cause) {
            expect(cause).to.be.instanceOf(MalformedError)
          }
          reader.read(bytes, 0)
          expect(reader.count).to.equal(5)
          expect(reader.reading(2).weight).to.equal(record.samples[2]?.weight)
        },
      ),
    )
  })

  it('refuses more samples than a frame may have before it makes room for them', () => {
    const many = { ...record, samples: Array.from({ length: MOST_SAMPLES + 1 }, () => sampleWith(0)) }
    expect(() => read(schema, written(schema, many))).to.throw(MalformedError, /expected at most 10000, got 10001/)
  })

  it('does not take a schema that Avro cannot resolve to that of readings', () => {
    for (const writer of [
      { type: 'record', name: 'Readings', namespace: 'millrace', fields: [] },
      'string',
      changed((fields) => fields.slice(1)),
    ])
      expect(() => new ReadingsReader(writer)).to.throw(Error)
  })
})

function varint(value: number): Buffer {
  return avroType('long').toBuffer(value)
}
