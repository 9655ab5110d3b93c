import avro from 'avsc'
import { expect } from 'chai'
import fc from 'fast-check'
import type { AvroSchema } from '../schemas/avro-schema.ts'
import { MalformedError } from '../schemas/frame-reader.ts'
import { requireWireHeader, schemaIdOf, wireHeader } from '../schemas/wire-format.ts'
import { avroOutput, avroSource } from './avro.ts'
import type { KafkaRecord, Lookups, Topic } from './contract.ts'

interface Visit {
  readonly device: string
  readonly at: number
  readonly kind: 'arrival' | 'departure'
  readonly note: string | null
  readonly weights: readonly number[]
}

const fields = [
  { name: 'device', type: 'string' },
  { name: 'at', type: { type: 'long', logicalType: 'timestamp-micros' } },
  { name: 'kind', type: { type: 'enum', name: 'Kind', symbols: ['arrival', 'departure'] } },
  { name: 'note', type: ['null', 'string'], default: null },
  { name: 'weights', type: { type: 'array', items: 'double' }, default: [] },
]
const schemaOf = (own: readonly object[]): object => ({ type: 'record', name: 'Visit', namespace: 'test', fields: own })
const schema: AvroSchema<Visit> = { path: 'visit.avsc', json: schemaOf(fields) }
const topic = 'visits' as Topic
const visit: fc.Arbitrary<Visit> = fc.record({
  device: fc.string(),
  at: fc.maxSafeInteger().map((value) => Math.trunc(value / 2) + 0),
  kind: fc.constantFrom('arrival', 'departure'),
  note: fc.option(fc.string()),
  weights: fc.array(fc.double()),
})

function decode(value: Buffer | null, writer: unknown): Visit {
  const record: KafkaRecord = { key: null, value, timestampMs: 0, offset: 0n }
  const found: Visit[] = []
  avroSource(topic, schema).decode(record, { schema: (id: number) => (id === 7 ? writer : undefined) } as Lookups, (item, sample) => {
    expect(sample).to.equal(null)
    found.push({ ...item })
  })
  expect(found).to.have.length(1)
  return found[0] as Visit
}

const writtenBy = (writer: object, value: object): Buffer =>
  Buffer.concat([wireHeader(7), avro.Type.forSchema(writer as avro.Schema, { wrapUnions: 'auto', logicalTypes: {} }).toBuffer(value)])

describe('an Avro topic', () => {
  it('gives as a source what was emitted to it as an output', () => {
    const encode = avroOutput(topic, schema).encoder(7, 1_000_000)
    fc.assert(
      fc.property(visit, (value) => {
        const bytes = encode(value) as Buffer
        expect(schemaIdOf(requireWireHeader(bytes))).to.equal(7)
        expect(decode(bytes, schema.json)).to.deep.equal(value)
      }),
    )
  })

  it('is read by the schema that a record was written with: an older writer lacked fields, a newer one has more', () => {
    const value = { device: 'hive', at: 5, kind: 'arrival', note: 'n', weights: [1] }
    const older = schemaOf(fields.slice(0, 3))
    expect(decode(writtenBy(older, value), older)).to.deep.equal({ ...value, note: null, weights: [] })
    const newer = schemaOf([{ name: 'by', type: 'string' }, ...[...fields].reverse()])
    expect(decode(writtenBy(newer, { ...value, by: 'me' }), newer)).to.deep.equal(value)
  })

  const cases: readonly (readonly [string, Buffer | null, unknown, RegExp])[] = [
    ['no value', null, schema.json, /got no value/],
    ['no header', Buffer.from('{"device": "hive"}'), schema.json, /expected a schema ID after a zero byte, got byte 123/],
    ['an ID that the registry does not know', wireHeader(8), schema.json, /the registry has no schema 8/],
    ['a datum that is cut off', wireHeader(7), schema.json, /not what its schema says/],
    [
      'a datum with bytes to spare',
      Buffer.concat([writtenBy(schema.json as object, { device: 'a', at: 1, kind: 'arrival', note: null, weights: [] }), Buffer.alloc(1)]),
      schema.json,
      /not what its schema says/,
    ],
    ['a schema of something else', wireHeader(7), schemaOf([{ name: 'x', type: 'int' }]), /schema 7 cannot be read as this topic's/],
  ]
  for (const [what, value, writer, message] of cases) {
    it(`says of ${what} that it cannot be decoded`, () => {
      expect(() => decode(value, writer)).to.throw(MalformedError, message)
    })
  }
})
