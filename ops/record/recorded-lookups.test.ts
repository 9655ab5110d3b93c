import { expect } from 'chai'
import { createTestLookups, type GivenLookups } from '../../kit/testing/given-lookups.ts'
import type { DeviceId } from '../../processors/contract.ts'
import { table } from '../../processors/lookup-table.ts'
import { mergedLookups, RecordedLookups } from './recorded-lookups.ts'

const needs = ['assignments', 'speaksFor', 'anchor', 'schema', 'firmware'] as const
const tables = { limits: table({ name: 'limits', key: 'id', columns: { grams: 'bigint', until: 'micros', note: 'text?' } }) }
const [hive, other] = ['hive-1' as DeviceId, 'hive-2' as DeviceId]

const given: GivenLookups = {
  assignments: { 'hive-1': [{ accountId: 1, siteId: null, fromMicros: 5 }], 'hive-2': null, 'hive-3': [] },
  speaksFor: { gateway: ['hive-1', 'hive-2'] },
  anchors: { 'hive-1': { 1: 17, 2: null } },
  firmwares: { 9: { tag: 'unknown', detail: 'the registry has no schema 9' } },
  tables: { limits: { a: { grams: '9007199254740993', until: '-Infinity' }, b: { grams: '1', until: 0, note: 'x' } } },
  oldestDays: 3650,
}

describe('recorded look-ups', () => {
  const schemas = new Map([[7, { type: 'string' }]])
  const recorded = () => new RecordedLookups(createTestLookups({ needs, tables }, given, schemas).lookups)

  it('are what was asked for and no more, and as JSON give the same answers', () => {
    const recorder = recorded()
    const ask = ({ assignments, speaksFor, anchor, firmware, schema, table: { limits }, oldestDays }: typeof recorder.lookups) => [
      [assignments(hive), assignments(other)],
      [speaksFor('gateway', hive), speaksFor('gateway', 'hive-9' as DeviceId), speaksFor('stranger', hive)],
      [anchor(hive, 1), anchor(hive, 2)],
      [firmware(9), schema(7), schema(8)],
      [limits?.get('a'), limits?.get('none')],
      oldestDays,
    ]
    const answers = ask(recorder.lookups)
    const { lookups, schemas: used } = recorder.take()
    expect(lookups).to.deep.equal({
      ...given,
      assignments: { 'hive-1': [{ accountId: 1, siteId: null, fromMicros: 5 }], 'hive-2': null },
      speaksFor: { gateway: ['hive-1'], stranger: [] },
      tables: { limits: { a: { grams: '9007199254740993', until: '-Infinity', note: null } } },
    })
    const read = JSON.parse(JSON.stringify(mergedLookups([{}, lookups]))) as GivenLookups
    expect(read).to.deep.equal(lookups)
    expect(ask(createTestLookups({ needs, tables }, read, used).lookups)).to.deep.equal(answers)
  })

  it('are of one record each, and of all together', () => {
    const recorder = recorded()
    recorder.lookups.assignments(hive)
    recorder.lookups.anchor(hive, 1)
    const first = recorder.take().lookups
    recorder.lookups.anchor(hive, 2)
    const second = recorder.take().lookups
    expect(second).to.deep.equal({ anchors: { 'hive-1': { 2: null } } })
    expect(mergedLookups([first, second]).anchors).to.deep.equal({ 'hive-1': { 1: 17, 2: null } })
    expect(recorder.take().lookups).to.deep.equal({})
  })
})
