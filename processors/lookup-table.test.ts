import { expect } from 'chai'
import type { AvroSchema } from '../schemas/avro-schema.ts'
import { avroOutput, avroSource } from './avro.ts'
import { type DeviceId, defineProcessor, drop, emit, type Lookups, type Topic } from './contract.ts'
import { type Columns, type TableDeclaration, table, tableRows } from './lookup-table.ts'
import { defineProcess, type Transaction, withLookups } from './process.ts'

const schema: AvroSchema<{ readonly id: string; readonly value: number }> = {
  path: 'sample.avsc',
  json: {
    type: 'record',
    name: 'Sample',
    fields: [
      { name: 'id', type: 'string' },
      { name: 'value', type: 'double' },
    ],
  },
}
const samples = avroSource('samples' as Topic, schema)
const thresholds = table({
  name: 'thresholds',
  key: 'device_id',
  columns: { limit: 'number', unit: 'text?', site: 'bigint', muted: 'boolean', since: 'micros' },
})
type Row = { limit: number; unit: string | null; site: bigint; muted: boolean; since: number }
const row: Row = { limit: 5, unit: null, site: 7n, muted: false, since: 0 }

describe('a table that a processor looks up', () => {
  it('gives rows by key, typed by its columns; what is not declared does not compile', () => {
    const processor = defineProcessor({
      from: samples,
      to: { over: avroOutput('over' as Topic, schema) },
      tables: { thresholds },
      handle: ({ id, value }, { table }) => {
        const found = table.thresholds.get(id)
        if (found === undefined) return drop('no-threshold')
        const typed: Row = found
        // @ts-expect-error: a column that is not declared
        expect(found.colour).to.equal(undefined)
        // @ts-expect-error: a table that is not declared
        expect(table.limits).to.equal(undefined)
        // @ts-expect-error: it may be null
        expect(() => found.unit.length).to.throw(TypeError)
        return typed.muted || value <= found.limit ? drop('no-excess') : emit('over', { id, value })
      },
    })
    const lookups = { table: { thresholds: tableRows<Row>([['hive-1', row]]) } } as unknown as Lookups
    expect(processor.handle({ id: 'hive-1', value: 6 }, lookups)).to.deep.include({ tag: 'emit' })
    expect(processor.handle({ id: 'hive-1', value: 5 }, lookups)).to.deep.equal({ tag: 'drop', reason: 'no-excess' })
    for (const id of ['hive-2', '__proto__', 'constructor', ''])
      expect(processor.handle({ id, value: 6 }, lookups), id).to.deep.equal({ tag: 'drop', reason: 'no-threshold' })
    expect(processor.tables).to.deep.equal({ thresholds })
  })

  it('is no part of the look-ups of a processor that declares none', () => {
    const processor = defineProcessor({
      from: samples,
      to: {},
      handle: (_, lookups) => {
        // @ts-expect-error: no table is declared
        expect(lookups.table?.thresholds).to.equal(undefined)
        return drop('none')
      },
    })
    expect(processor.handle({ id: 'a', value: 1 }, {} as Lookups)).to.deep.equal({ tag: 'drop', reason: 'none' })
  })

  it('is found by numbers too, and its rows cannot be changed', () => {
    const rows = tableRows([
      ['7', { limit: 1 }],
      ['-9007199254740993', { limit: 2 }],
    ])
    expect(rows.size).to.equal(2)
    expect([rows.get(7), rows.get(7n), rows.get('7'), rows.get('07')]).to.deep.equal([{ limit: 1 }, { limit: 1 }, { limit: 1 }, undefined])
    expect(rows.get(-9007199254740993n)).to.deep.equal({ limit: 2 })
    expect(() => {
      const found = rows.get(7) as { limit: number }
      found.limit = 3
    }).to.throw(TypeError)
  })

  it('is at hand for a process as it is for a processor', async () => {
    const found: unknown[] = []
    const process = defineProcess({
      from: { topic: samples.topic, decode: samples.decode },
      database: 'app',
      order: 'as-they-came',
      time: () => 0,
      reasons: {},
      tables: { thresholds },
      handle: async (device, _, __, { table }) => {
        const limit: number | undefined = table.thresholds.get(device)?.limit
        found.push(limit)
        return undefined
      },
    })
    const refuse = () => Promise.reject(new Error('it is not asked'))
    const tx: Transaction = { query: refuse, emit: refuse }
    const prepared = withLookups(process, { table: { thresholds: tableRows([['hive-1', row]]) } } as unknown as Lookups)
    await prepared.handle('hive-1' as DeviceId, [], tx)
    await prepared.handle('hive-2' as DeviceId, [], tx)
    expect(found).to.deep.equal([5, undefined])
  })

  const given: TableDeclaration<Columns> = { name: 'thresholds', key: 'id', columns: { limit: 'number' } }
  const refused: readonly (readonly [string, Partial<TableDeclaration<Columns>>, RegExp])[] = [
    ['no name', { name: '' }, /lookup table "": expected the name of a table, or schema.table/],
    ['half a name', { name: 'app.' }, /lookup table "app.": expected the name/],
    ['a name in three parts', { name: 'a.b.c' }, /lookup table "a.b.c": expected the name/],
    ['a name that PostgreSQL would cut off', { name: 'ü'.repeat(32) }, /expected the name of a table/],
    ['a key without a name', { key: '' }, /lookup table "thresholds": "" is no name of a column/],
    [
      'a column of an unknown type',
      { columns: { limit: 'date' as 'text' } },
      /column "limit": expected one of text, number, .* got "date"/,
    ],
    ['no rows', { mostRows: 0 }, /expected from 1 to 500000 as mostRows, got 0/],
    ['too many rows', { mostRows: 500_001 }, /got 500001/],
    ['half a row', { mostRows: 1.5 }, /got 1.5/],
  ]
  for (const [what, own, message] of refused)
    it(`is refused with ${what}`, () => {
      expect(() => table({ ...given, ...own })).to.throw(RangeError, message)
    })

  it('may be in a schema', () => {
    expect(table({ ...given, name: 'My Schema.Limits' })).to.deep.include({ schema: 'My Schema', name: 'Limits', mostRows: 100_000 })
    expect(table(given)).to.deep.include({ schema: null, name: 'thresholds' })
  })
})
