import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { expect } from 'chai'
import fc from 'fast-check'
import { type ArchiveColumn, differences } from '../../processors/store/archive-figures.ts'
import { type ConflictPolicy, mergeColumns, type RowValues } from '../../processors/store/merge-columns.ts'
import { type Duck, openDuck } from './duckdb.ts'
import { type DayRows, mergeDay, readDay, writeDay } from './parquet-day.ts'

const COLUMNS: readonly ArchiveColumn[] = [
  { name: 'device_id', kind: 'text', unit: null },
  { name: 'ts', kind: 'timestamp', unit: null },
  { name: 'time_estimated', kind: 'boolean', unit: null },
  { name: 'account_id', kind: 'whole', unit: null },
  { name: 'site_id', kind: 'whole', unit: null },
  { name: 'temperature', kind: 'double', unit: 'Cel' },
  { name: 'odd "name"', kind: 'double', unit: null },
]

interface Row extends RowValues {
  readonly device: string
  readonly second: number
}

function csv(rows: readonly Row[]): string {
  return rows
    .map(({ device, second, estimated, values }) => {
      const ts = `2026-11-23 00:00:${String(second).padStart(2, '0')}.000001+00`
      const cells = values.map((value) => (value === null ? '' : Object.is(value, -0) ? '-0' : String(value)))
      return `${[`"${device.replaceAll('"', '""')}"`, ts, estimated ? 't' : 'f', ...cells].join(',')}\n`
    })
    .join('')
}

function dayOf(rows: readonly Row[], columns = COLUMNS): DayRows {
  return { columns, csv: Readable.from([csv(rows)]) }
}

describe('the file of a day', () => {
  let folder: string
  let duck: Duck

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-archive-'))
    duck = await openDuck(folder)
  })
  afterEach(async () => {
    await duck[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  })

  const read = async (path: string): Promise<readonly unknown[]> =>
    (await duck.rows('reading', `SELECT * FROM read_parquet('${path}')`)).map((row) => Object.values(row))

  it('holds each value as it was, and is compressed with zstd', async () => {
    const rows: Row[] = [
      { device: 'a"b,c', second: 1, estimated: true, values: [1, null, 0.1 + 0.2, Number.NaN] },
      { device: 'b', second: 0, estimated: false, values: [null, null, -0, Number.POSITIVE_INFINITY] },
      { device: 'b', second: 1, estimated: false, values: [9_007_199_254_740_991, 2, 5e-324, null] },
    ]
    const path = join(folder, 'x.parquet')
    await writeDay(duck, dayOf(rows), path)
    const found = (await read(path)) as readonly (readonly unknown[])[]
    expect(found.map((each) => each.slice(2).map((value) => (typeof value === 'bigint' ? Number(value) : value)))).to.deep.equal(
      rows.map(({ estimated, values }) => [estimated, ...values]),
    )
    expect(found.map(([device]) => device)).to.deep.equal(['a"b,c', 'b', 'b'])
    const figures = await readDay(duck, COLUMNS, path)
    expect([figures.rows, figures.firstMicros, figures.lastMicros]).to.deep.equal([3, 1_795_392_000_000_001, 1_795_392_001_000_001])
    expect(figures.columns.get('odd "name"')).to.deep.equal({ values: 2, sum: 0, magnitude: 0 })
    const [written] = await duck.rows('looking', `SELECT DISTINCT compression FROM parquet_metadata('${path}')`)
    expect(written?.compression).to.equal('ZSTD')
    const [units] = await duck.rows('looking', `SELECT decode(value) AS units FROM parquet_kv_metadata('${path}')`)
    expect(units?.units).to.equal('{"temperature":"Cel"}')
  })

  it('is refused if a key is in it twice, or its rows are not in order', async () => {
    for (const seconds of [
      [1, 1],
      [2, 1],
    ]) {
      const path = join(folder, 'x.parquet')
      await writeDay(duck, dayOf(seconds.map((second) => ({ device: 'a', second, estimated: false, values: [null, null, 1, 1] }))), path)
      const error: unknown = await readDay(duck, COLUMNS, path).catch((thrown: unknown) => thrown)
      expect(error).to.have.property('code', 'archive-order')
    }
  })

  it('is an error, and no half of a file that counts, if the rows end with one, or the disk takes none', async () => {
    const failing = Readable.from(
      (async function* () {
        yield csv([{ device: 'a', second: 1, estimated: false, values: [null, null, 1, 1] }])
        throw new Error('the database went away')
      })(),
    )
    const lost: unknown = await writeDay(duck, { columns: COLUMNS, csv: failing }, join(folder, 'x.parquet')).catch(
      (error: unknown) => error,
    )
    expect(lost).to.have.property('message', 'the database went away')
    const nowhere: unknown = await writeDay(duck, dayOf([]), join(folder, 'missing/x.parquet')).catch((error: unknown) => error)
    expect(nowhere).to.have.property('code', 'duckdb')
  })

  it('gets columns that only the rows have, and keeps those that only the archive has', async () => {
    const [before, after, merged] = ['before', 'after', 'merged'].map((name) => join(folder, name)) as [string, string, string]
    await writeDay(duck, dayOf([{ device: 'a', second: 1, estimated: false, values: [null, null, 1, 2] }]), before)
    const other = COLUMNS.map((column) => (column.name === 'temperature' ? { ...column, name: 'humidity' } : column))
    const archived = { columns: COLUMNS, path: before, figures: await readDay(duck, COLUMNS, before) }
    const { columns, figures } = await mergeDay(
      duck,
      archived,
      dayOf([{ device: 'a', second: 1, estimated: false, values: [7, null, 3, null] }], other),
      merged,
      'keep-first',
    )
    expect(columns.map(({ name }) => name).slice(3)).to.deep.equal(['account_id', 'site_id', 'humidity', 'odd "name"', 'temperature'])
    expect(differences(figures, await readDay(duck, columns, merged))).to.deep.equal([])
    expect(((await read(merged)) as readonly (readonly unknown[])[])[0]?.slice(3)).to.deep.equal([7n, null, 3, 2, 1])
    await duck.run('again', 'DROP VIEW archived; DROP TABLE late; DROP TABLE met')
    const clash = COLUMNS.map((column) => (column.name === 'temperature' ? { ...column, kind: 'text' as const } : column))
    const error: unknown = await mergeDay(duck, archived, dayOf([], clash), after, 'keep-first').catch((thrown: unknown) => thrown)
    expect(error).to.have.property('message', 'column temperature is double in the archive and text in table readings: change it back')
  })

  for (const policy of ['keep-first', 'keep-last'] as const)
    it(`takes late rows as the store would have: ${policy}`, async () => {
      const value = fc.constantFrom(null, null, 0, -0, 1, 2, Number.NaN)
      const whole = fc.constantFrom(null, 1, 2)
      const row = fc.record({
        device: fc.constantFrom('a', 'b', 'ä'),
        second: fc.integer({ min: 0, max: 3 }),
        estimated: fc.boolean(),
        values: fc.tuple(whole, whole, value, value).map((each): (number | null)[] => each),
      })
      const rows = fc.uniqueArray(row, { selector: keyOf, maxLength: 12 }).map((list) => list.sort(byKey))
      await fc.assert(
        fc.asyncProperty(rows, rows, async (archived, late) => {
          const [before, merged] = [join(folder, 'before'), join(folder, 'merged')]
          await duck.run('begin', 'DROP VIEW IF EXISTS archived; DROP TABLE IF EXISTS late; DROP TABLE IF EXISTS met')
          await writeDay(duck, dayOf(archived), before)
          const base = { columns: COLUMNS, path: before, figures: await readDay(duck, COLUMNS, before) }
          const result = await mergeDay(duck, base, dayOf(late), merged, policy)
          const expected = mergedByHand(archived, late, policy)
          const found = (await read(merged)) as readonly (readonly unknown[])[]
          // DuckDB's dictionaries make one of 0 and −0.
          const plain = (each: readonly unknown[]): readonly unknown[] =>
            each.map((one) => (typeof one === 'bigint' ? Number(one) : one === 0 ? 0 : one))
          expect(found.map((each) => plain(each.slice(2)))).to.deep.equal(expected.rows.map(plain))
          expect(result.late).to.deep.equal(expected.late)
          expect(differences(result.figures, await readDay(duck, COLUMNS, merged))).to.deep.equal([])
        }),
        { numRuns: 25 },
      )
    })
})

function keyOf({ device, second }: Row): string {
  return `${device} ${second}`
}

function byKey(one: Row, other: Row): number {
  return Buffer.compare(Buffer.from(one.device), Buffer.from(other.device)) || one.second - other.second
}

function mergedByHand(archived: readonly Row[], late: readonly Row[], policy: ConflictPolicy) {
  const counts = { merged: 0, repeated: 0, conflicts: 0 }
  const rows = new Map(archived.map((row) => [keyOf(row), { ...row, values: [...row.values] }]))
  for (const row of late) {
    const there = rows.get(keyOf(row))
    if (there === undefined) rows.set(keyOf(row), { ...row, values: [...row.values] })
    else {
      const { outcome } = mergeColumns(there, row, policy)
      counts[outcome === 'conflict' ? 'conflicts' : outcome]++
    }
  }
  return { rows: [...rows.values()].sort(byKey).map(({ estimated, values }) => [estimated, ...values]), late: counts }
}
