import { expect } from 'chai'
import { avroTypes } from './avro-types.ts'

const record = (fields: readonly object[]): object => ({ type: 'record', name: 'Alert', namespace: 'test', fields })
const typesOf = (fields: readonly object[]): string => avroTypes(record(fields), 'alert.avsc', './avro-schema.ts')

describe('the TypeScript types of a schema', () => {
  it('has a field for each of the schema, none optional, with its doc and what its number counts', () => {
    expect(
      typesOf([
        { name: 'device', type: 'string', doc: 'Whose.' },
        { name: 'at', type: { type: 'long', logicalType: 'timestamp-micros' }, doc: 'When.' },
        { name: 'site', type: ['null', 'long'], default: null },
        { name: 'raw', type: { type: 'array', items: ['null', 'bytes'] } },
        { name: 'labels', type: { type: 'map', values: 'string' } },
      ]),
    ).to.include(`export interface Alert {
  /** Whose. */
  readonly device: string
  /** When. Microseconds since 1970. */
  readonly at: number
  readonly site: number | null
  readonly raw: readonly (Buffer | null)[]
  readonly labels: Readonly<Record<string, string>>
}`)
  })

  it('names records and enums once, however often they are used', () => {
    const text = typesOf([
      { name: 'from', type: { type: 'enum', name: 'Level', symbols: ['low', 'high'] } },
      { name: 'to', type: 'Level' },
      { name: 'before', type: ['null', 'test.Alert'] },
    ])
    expect(text).to.include("export type Level = 'low' | 'high'")
    expect(text).to.include('readonly from: Level\n  readonly to: Level\n  readonly before: Alert | null')
  })

  it('carries the schema itself, with a path for messages', () => {
    const text = typesOf([{ name: 'device', type: 'string' }])
    expect(text).to.include('export const alertSchema: AvroSchema<Alert> = {\n  path: "alert.avsc",\n  json: {"type":"record"')
  })

  const refused: readonly (readonly [string, readonly object[], RegExp])[] = [
    ['a union of which a value does not tell the branch', [{ name: 'x', type: ['int', 'double'] }], /field x: .*at most one number/],
    ['a type that is not there', [{ name: 'x', type: 'Missing' }], /field x: expected an Avro type, got "Missing"/],
    ['two types of one name', [{ name: 'x', type: { type: 'enum', name: 'Alert', symbols: ['a'] } }], /two types are named Alert/],
  ]
  for (const [what, fields, message] of refused) {
    it(`refuses ${what}, and names the place`, () => {
      expect(() => typesOf(fields)).to.throw(TypeError, message)
    })
  }

  it('refuses a schema that is no record', () => {
    expect(() => avroTypes('string', 'alert.avsc', '')).to.throw(TypeError, /alert.avsc: expected a record, got "string"/)
  })
})
