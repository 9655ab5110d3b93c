import avro from 'avsc'
import { expect } from 'chai'
import { readSchema } from './files.ts'
import { quantities } from './generated/readings.ts'
import { declareOwnQuantities, extended, OwnQuantitiesError, parseOwnQuantities } from './own-quantities.ts'
import { parseQuantities } from './quantities.ts'

const readings = readSchema('readings').json
const traffic = {
  name: 'bee_traffic',
  type: ['null', 'double'],
  default: null,
  unit: '/min',
  minimum: 0,
  maximum: 10_000,
  doc: 'Bees that leave the hive in a minute.',
}
const record = (...fields: readonly unknown[]): unknown => ({ type: 'record', name: 'Own', namespace: 'orchard', fields })

/** What is told about a file. */
function fault(schema: unknown): string {
  try {
    parseOwnQuantities(schema, readings)
  } catch (cause) {
    if (cause instanceof OwnQuantitiesError) return cause.message
    throw cause
  }
  return ''
}

describe("a deployment's own quantities", () => {
  it('are read in the order of the file, and come after the standard ones', () => {
    const own = parseOwnQuantities(record(traffic, { ...traffic, name: 'ant_traffic' }), readings)
    expect(own.map(({ name }) => name)).to.deep.equal(['bee_traffic', 'ant_traffic'])
    const all = parseQuantities(extended(readings, own))
    expect(all.slice(0, quantities.length)).to.deep.equal(quantities)
    expect(all.slice(quantities.length)).to.deep.equal(own)
  })

  it('make a schema that reads what was written without them, and is read by services that lack them', () => {
    const typeOf = (schema: unknown): avro.Type => avro.Type.forSchema(schema as avro.Schema, { wrapUnions: 'auto', logicalTypes: {} })
    const before = typeOf(readings)
    const after = typeOf(extended(readings, parseOwnQuantities(record(traffic), readings)))
    const none = Object.fromEntries(quantities.map(({ name }) => [name, null]))
    const sample = { ts: 1, time_estimated: false, account_id: null, site_id: null, ...none, temperature: 34.2 }
    const frame = { device_id: 'hive', firmware: 'hive-1', boot: 1, seq: 2, dropped: 0 }
    const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))
    const old = after.fromBuffer(before.toBuffer({ ...frame, samples: [sample] }), after.createResolver(before))
    expect(plain(old)).to.deep.equal({ ...frame, samples: [{ ...sample, bee_traffic: null }] })
    const written = after.toBuffer({ ...frame, samples: [{ ...sample, bee_traffic: 12 }] })
    expect(plain(before.fromBuffer(written, before.createResolver(after)))).to.deep.equal({ ...frame, samples: [sample] })
  })

  it('leave the schema as it is if there are none', () => {
    expect(extended(readings, [])).to.equal(readings)
  })

  for (const [why, schema, expected] of [
    ['no record', ['null', 'double'], 'expected an Avro record with a name and fields, got ["null","double"]'],
    ['no fields', record(), 'fields: expected 1 to 500, got 0'],
    ['a field that is no object', record('bee_traffic'), 'field 0: expected an object, got "bee_traffic"'],
    [
      'a name that SQL folds',
      record({ ...traffic, name: 'Bees' }),
      'field Bees: name: expected 1 to 63 of a to z, 0 to 9 and _, with a letter first, got "Bees"',
    ],
    ['a name with quotes', record({ ...traffic, name: 'a"; DROP' }), 'field a"; DROP: name: expected 1 to 63'],
    ['a word of SQL', record({ ...traffic, name: 'offset' }), 'field offset: name: expected no word that SQL reserves, got "offset"'],
    ['a name of readings', record({ ...traffic, name: 'device_id' }), 'field device_id: name: it has another meaning in readings'],
    ['a name twice', record(traffic, traffic), 'field bee_traffic: name: expected once, got it twice'],
    [
      'a type that is not nullable',
      record({ ...traffic, type: 'double' }),
      'field bee_traffic: type: expected ["null","double"], got "double"',
    ],
    ['no default', record({ ...traffic, default: undefined }), 'field bee_traffic: default: expected null, got nothing'],
    ['an empty doc', record({ ...traffic, doc: ' ' }), 'field bee_traffic: doc: expected what it means'],
    ['a doc with a NUL', record({ ...traffic, doc: 'a\0' }), 'field bee_traffic: doc: expected what it means'],
    [
      'a unit that is none',
      record({ ...traffic, unit: 'bees' }),
      'field bee_traffic: unit: expected a UCUM code, such as Cel, hPa or km/h (1 if it has no unit), got "bees"',
    ],
    ['no minimum', record({ ...traffic, minimum: undefined }), 'field bee_traffic: minimum: expected a number, got nothing'],
    ['an empty range', record({ ...traffic, maximum: 0 }), 'field bee_traffic: maximum: expected more than the minimum, 0, got 0'],
    [
      'an attribute that is unknown',
      record({ ...traffic, aliases: ['bees'] }),
      'field bee_traffic: "aliases" is unknown: expected only name, type',
    ],
  ] as const)
    it(`are refused with ${why}`, () => {
      expect(fault(schema)).to.contain(expected)
    })

  it('are refused all faults at a time, one a line', () => {
    const lines = fault(record({ ...traffic, unit: 'bees', default: 0 }, { ...traffic, name: 'ts' })).split('\n')
    expect(lines.map((line) => line.slice(0, 26))).to.deep.equal([
      'field bee_traffic: default',
      'field bee_traffic: unit: e',
      'field ts: name: it has ano',
    ])
  })

  it('are refused if a release has a quantity of that name, and the message says how to go on', () => {
    expect(fault(record({ ...traffic, name: 'humidity' })))
      .to.contain('field humidity: name: this release has a quantity of that name (%, from 0 to 100: Relative humidity.)')
      .and.to.contain('delete it from this file: column and values stay')
      .and.to.contain('ALTER TABLE readings RENAME COLUMN')
  })

  it('cannot be declared once something has looked at the quantities', () => {
    expect(() => declareOwnQuantities([])).to.throw('import that module later')
  })
})
