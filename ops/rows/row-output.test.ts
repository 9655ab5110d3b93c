import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect } from 'chai'
import type { Format, Row, RowColumn } from './row.ts'
import { type OutputMark, openRowOutput } from './row-output.ts'

const columns: readonly RowColumn[] = [
  { name: 'device_id', kind: 'text', unit: null },
  { name: 'ts', kind: 'timestamp', unit: null },
  { name: 'time_estimated', kind: 'boolean', unit: null },
  { name: 'account_id', kind: 'whole', unit: null },
  { name: 'temperature', kind: 'double', unit: 'Cel' },
]
const TS = Date.UTC(2026, 10, 23, 4) * 1000 + 123_456
const NAMES = ['<b>hive</b>', 'a,b', 'a"b', 'a\nb', '=1+1', '@sum', '', ' hive ', "it's", 'Bienen 🐝', '\u001b[31mred']
const hostile: readonly Row[] = NAMES.map((name, index) => [name, TS + index, index % 2 === 0, null, index / 7])
const numbers: readonly Row[] = [
  [null, null, null, null, null],
  ['n', TS, false, Number.MAX_SAFE_INTEGER, -0.1],
  ['n', TS, false, 9_007_199_254_740_993n, Number.MIN_VALUE],
]

describe('rows for analysts', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-rows-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  async function write(format: Format, rows: readonly Row[], spreadsheet = false): Promise<string> {
    const path = join(folder, `rows.${format}`)
    await using output = await openRowOutput({ columns, format, path, spreadsheet })
    for (const row of rows) await output.write([row])
    await output.finish()
    return path
  }

  async function duck(sql: string): Promise<readonly Record<string, unknown>[]> {
    const instance = await DuckDBInstance.create(':memory:')
    const connection = await instance.connect()
    try {
      return (await connection.runAndReadAll(sql)).getRowObjectsJson()
    } finally {
      connection.closeSync()
      instance.closeSync()
    }
  }

  const source = (format: Format, path: string): string => {
    if (format === 'parquet') return `read_parquet('${path}')`
    const types = `columns = {device_id: 'VARCHAR', ts: 'TIMESTAMPTZ', time_estimated: 'BOOLEAN', account_id: 'BIGINT', temperature: 'DOUBLE'}`
    if (format === 'ndjson') return `read_json('${path}', format = 'newline_delimited', ${types})`
    return `read_csv('${path}', header = true, delim = ',', quote = '"', escape = '"', nullstr = '', allow_quoted_nulls = false, auto_detect = false, ${types})`
  }

  for (const format of ['csv', 'ndjson', 'parquet'] as const)
    it(`are in ${format} what they were, for DuckDB: hostile names, nulls, microseconds in UTC, doubles to the bit`, async () => {
      const rows = [...hostile, ...numbers]
      const from = source(format, await write(format, rows))
      const list = 'device_id, epoch_us(ts) AS ts, time_estimated, account_id, temperature'
      const found = await duck(`SELECT ${list} FROM ${from}`)
      const expected = rows.map(([device_id, ts, time_estimated, account_id, temperature]) => ({
        device_id,
        ts: ts === null ? null : String(ts),
        time_estimated,
        account_id: account_id === null ? null : String(account_id),
        temperature,
      }))
      expect(found).to.deep.equal(expected)
      const [types] = await duck(
        `SELECT typeof(ts) AS ts, typeof(account_id) AS account, typeof(temperature) AS temperature FROM ${from} LIMIT 1`,
      )
      expect(types).to.deep.equal({ ts: 'TIMESTAMP WITH TIME ZONE', account: 'BIGINT', temperature: 'DOUBLE' })
    })

  it('tell null from an empty text in CSV, and make formulas harmless if that is asked for', async () => {
    const rows: readonly Row[] = [
      [null, null, null, null, null],
      ['', TS, true, 7, -5],
      ['=HYPERLINK("http://x")', TS, true, 7, null],
    ]
    const head = 'device_id,ts,time_estimated,account_id,temperature'
    expect((await readFile(await write('csv', rows), 'utf8')).split('\n')).to.deep.equal([
      head,
      ',,,,',
      '"",2026-11-23T04:00:00.123456Z,true,7,-5',
      '"=HYPERLINK(""http://x"")",2026-11-23T04:00:00.123456Z,true,7,',
      '',
    ])
    await rm(join(folder, 'rows.csv'))
    expect((await readFile(await write('csv', rows, true), 'utf8')).split('\n')[3]).to.equal(
      '"\'=HYPERLINK(""http://x"")",2026-11-23T04:00:00.123456Z,true,7,',
    )
  })

  it('are a table in which nothing is obeyed by a terminal, with the columns that have values', async () => {
    const text = await readFile(await write('table', [hostile[10] as Row, hostile[3] as Row]), 'utf8')
    expect(text.split('\n')).to.deep.equal([
      'device_id      ts                           time_estimated    temperature [Cel]',
      '\\u001b[31mred  2026-11-23T04:00:00.123466Z  true             1.4285714285714286',
      'a\\u000ab       2026-11-23T04:00:00.123459Z  false           0.42857142857142855',
      '',
    ])
  })

  for (const format of ['csv', 'ndjson', 'parquet'] as const)
    it(`can be gone on with in ${format} after a kill: what came after the mark is written again, once`, async () => {
      const path = join(folder, `rows.${format}`)
      let mark: OutputMark
      {
        await using output = await openRowOutput({ columns, format, path, spreadsheet: false })
        await output.write(hostile.slice(0, 4))
        await output.mark()
        await output.write(hostile.slice(4, 6))
        mark = await output.mark()
        // Lost: the process ends here, without the end of the file.
        await output.write(hostile.slice(6, 8))
        await output.mark()
      }
      const resume = JSON.parse(JSON.stringify(mark)) as OutputMark
      await using output = await openRowOutput({ columns, format, path, spreadsheet: false, resume })
      await output.write(hostile.slice(6))
      await output.finish()
      const found = await duck(`SELECT device_id FROM ${source(format, path)} ORDER BY ts`)
      expect(found.map(({ device_id }) => device_id)).to.deep.equal(NAMES)
    })

  it('are a valid file in each format if there are none', async () => {
    for (const format of ['csv', 'ndjson', 'parquet'] as const)
      expect(await duck(`SELECT count(*)::integer AS rows FROM ${source(format, await write(format, []))}`)).to.deep.equal([{ rows: 0 }])
  })
})
