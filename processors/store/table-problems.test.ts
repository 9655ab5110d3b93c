import { expect } from 'chai'
import { cutFrom, type MoveSettings, suffixed, type TableColumn, type TableContents, type TableFacts } from './table-move.ts'
import { contentProblems, moveNotes, moveProblems } from './table-problems.ts'

const column = (name: string, type: string, more: Partial<TableColumn> = {}): TableColumn => ({
  name,
  type,
  collation: null,
  notNull: false,
  identity: '',
  generated: '',
  preset: null,
  sequence: null,
  ...more,
})
const facts: TableFacts = {
  schema: 'public',
  name: 'sensor_data',
  kind: 'r',
  hypertable: false,
  persistence: 'p',
  partition: false,
  owner: 'me',
  ours: true,
  foreign: false,
  writers: [],
  comment: null,
  columns: [column('sensor_id', 'text'), column('recorded_at', 'timestamp with time zone'), column('temp', 'double precision')],
  indexes: [],
  checks: [],
  foreignKeys: [],
  triggers: [],
  grants: [],
  hindrances: [],
  rows: 1,
  bytes: 1,
  indexBytes: 1,
}
const settings: MoveSettings = {
  target: 'readings',
  way: 'attach',
  time: 'recorded_at',
  key: ['sensor_id', 'recorded_at'],
  names: { sensor_id: 'device_id', recorded_at: 'ts', temp: 'temperature' },
  keep: [],
  cutGiven: false,
  cutMs: Date.UTC(2026, 10, 25),
}
const ours = new Map([
  ['device_id', 'text'],
  ['ts', 'timestamp with time zone'],
  ['time_estimated', 'boolean'],
  ['temperature', 'double precision'],
])
const own: MoveSettings = { ...settings, target: 'own', key: [], names: {} }
const index = { unique: false, valid: true, partial: false, definition: '', constraint: null, constraintDefinition: null }
const contents: TableContents = {
  rows: 1,
  nullTimes: 0,
  infiniteTimes: 0,
  nullKeys: 0,
  firstMs: 0,
  lastMs: 0,
  duplicates: 0,
  duplicate: null,
}

describe('what is in the way of migrating a table', () => {
  it('is nothing if all columns have a place', () => {
    expect(moveProblems(facts, settings, ours)).to.deep.equal([])
    expect(moveProblems(facts, own, ours)).to.deep.equal([])
  })

  it('is a column whose type would have to be written anew: a copy may', () => {
    const real = { ...facts, columns: facts.columns.map((each) => (each.name === 'temp' ? column('temp', 'real') : each)) }
    expect(moveProblems(real, settings, ours)).to.deep.equal([
      'column temp is real, expected double precision: to change it in place would write every row anew under a lock. --copy copies the rows instead, while writers go on',
    ])
    expect(moveProblems(real, { ...settings, way: 'copy' }, ours)).to.deep.equal([])
    const text = { ...facts, columns: facts.columns.map((each) => (each.name === 'temp' ? column('temp', 'text') : each)) }
    expect(moveProblems(text, { ...settings, way: 'copy' }, ours)).to.deep.equal([
      'column temp is text, which cannot become double precision',
    ])
  })

  it('is a column without a place, one that is not there, two that become one, and one whose name is taken', () => {
    const more = { ...facts, columns: [...facts.columns, column('note', 'text'), column('ts', 'bigint')] }
    expect(moveProblems(more, settings, ours).join('\n'))
      .to.contain('column note has no place in readings: --map note=…, --keep note')
      .and.contain('column recorded_at would become ts, which the table has too')
    const wrong = { ...settings, names: { ...settings.names, tmp: 'temperature', temp: 'warmth' } }
    expect(moveProblems(facts, wrong, ours).join('\n'))
      .to.contain('there is no column tmp (--map)')
      .and.contain('readings has no column warmth (--map temp=warmth), expected one of: device_id')
  })

  it('is an index on the device in an order that readings does not have', () => {
    const indexed = {
      ...facts,
      indexes: [
        { ...index, name: 'by_sensor', columns: ['sensor_id'] },
        { ...index, name: 'by_time', columns: ['recorded_at'] },
      ],
    }
    expect(moveProblems(indexed, settings, ours).join('\n'))
      .to.contain('index by_sensor would be built anew')
      .and.not.contain('by_time')
    const bytes = { ...indexed, columns: indexed.columns.map((each) => (each.name === 'sensor_id' ? { ...each, collation: 'C' } : each)) }
    expect(moveProblems(bytes, settings, ours)).to.deep.equal([])
  })

  it('is a key without the time', () => {
    expect(moveProblems(facts, { ...own, key: ['sensor_id'] }, ours)).to.deep.equal([
      'the key (sensor_id) must have the time: a unique key over partitions has their column, recorded_at',
    ])
    expect(moveProblems(facts, { ...own, way: 'copy' }, ours)).to.deep.equal([
      'a copy needs a key that finds a row again: --key, with the time among its columns',
    ])
  })

  it('is in the rows: no time, no device, doubles, and times beyond the cut', () => {
    expect(contentProblems('t', contents, settings)).to.deep.equal([])
    const found = contentProblems(
      't',
      { ...contents, nullTimes: 2, infiniteTimes: 3, nullKeys: 4, lastMs: settings.cutMs, duplicates: 5, duplicate: 'a, b' },
      settings,
    )
    expect(found).to.have.length(5)
    expect(found.join('\n'))
      .to.contain('5 keys (sensor_id, recorded_at) occur more than once, such as a, b')
      .and.contain('2026-11-25T00:00:00.000Z')
  })

  it('is not what is only worth knowing: a key that holds in the old part only', () => {
    const keyed = { ...facts, indexes: [{ ...index, name: 'sensor_data_pkey', columns: ['id'], unique: true, constraint: 'p' }] }
    expect(moveNotes(keyed, own)).to.deep.equal(['primary key sensor_data_pkey (id) has no time: it holds in the old part only'])
    const zoneless = { ...facts, columns: [column('recorded_at', 'timestamp without time zone')] }
    expect(moveNotes(zoneless, { ...settings, way: 'copy' })[0]).to.equal(
      'in the view, recorded_at has a time zone: writers that give none must have TimeZone UTC',
    )
  })
})

describe('names and cuts', () => {
  it('leaves writers a day at least before the cut', () => {
    expect(new Date(cutFrom(Date.UTC(2026, 10, 23, 23, 59))).toISOString()).to.equal('2026-11-25T00:00:00.000Z')
    expect(new Date(cutFrom(Date.UTC(2026, 10, 23))).toISOString()).to.equal('2026-11-25T00:00:00.000Z')
  })

  it('cuts a name so that it has 63 bytes with its suffix', () => {
    expect(suffixed('events', '_old')).to.equal('events_old')
    expect(Buffer.byteLength(suffixed('é'.repeat(40), '_old'))).to.be.at.most(63)
    expect(suffixed('x'.repeat(63), '_default')).to.match(/^x{55}_default$/)
  })
})
