import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import fc from 'fast-check'
import { processor } from '../../examples/frost-alert/processor.ts'
import { avroType } from '../../schemas/avro-type.ts'
import { projectRoot } from '../../schemas/files.ts'
import { checkGolden } from '../testing.ts'
import { readGolden, writeGoldenInput } from './golden-folder.ts'
import { fromPlainJson, toPlainJson } from './plain-json.ts'

describe('a golden folder', () => {
  let folder: string

  beforeEach(() => {
    folder = join(mkdtempSync(join(tmpdir(), 'golden-')), 'cold-night')
    cpSync(`${projectRoot}examples/frost-alert/golden/cold-night`, folder, { recursive: true })
  })
  afterEach(() => rmSync(join(folder, '..'), { recursive: true, force: true }))

  const read = (file: string): string => readFileSync(join(folder, file), 'utf8')
  const change = (file: string, from: string, to: string): void => writeFileSync(join(folder, file), read(file).replace(from, to))

  it('says the first differences by field', () => {
    change('expected.ndjson', '"temperature":-0.25', '"temperature":-0.5')
    change('expected-dead.ndjson', '"samples":[1]', '"samples":[0]')
    change('expected.ndjson', '{"no-frost":1}', '{"no-frost":2}')
    expect(() => checkGolden(processor, folder)).to.throw(
      [
        `${folder}: it is not what the folder expects:`,
        '  record 0 (hive-1): emitted[0].value.temperature: expected -0.5, got -0.25',
        '  record 2 (hive-2): rejected[0].samples[0]: expected 0, got 1',
        '  record 3 (hive-3): dropped.no-frost: expected 2, got 1',
        '  If it is right now: MILLRACE_GOLDEN=rewrite',
      ].join('\n'),
    )
  })

  it('finds an output too many and one too few', () => {
    change('expected.ndjson', read('expected.ndjson').split('\n')[0] as string, '')
    expect(() => checkGolden(processor, folder)).to.throw('record 0 (hive-1): emitted[0]: expected nothing, got {"output":"alerts"')
    writeFileSync(join(folder, 'expected.ndjson'), `${read('expected.ndjson')}{"input":3,"output":"alerts","value":{}}\n`)
    expect(() => checkGolden(processor, folder)).to.throw(
      'record 3 (hive-3): emitted[0]: expected {"output":"alerts","key":"hive-3","value":{}}, got nothing',
    )
  })

  it('is rewritten when that is asked for, and only its expectation', () => {
    const before = ['expected.ndjson', 'expected-dead.ndjson', 'input.ndjson', 'lookups.json'].map(read)
    writeFileSync(join(folder, 'expected.ndjson'), '')
    rmSync(join(folder, 'expected-dead.ndjson'))
    expect(() => checkGolden(processor, folder)).to.throw('MILLRACE_GOLDEN=rewrite writes what the processor gives now')
    checkGolden(processor, folder, { rewrite: true })
    expect(['expected.ndjson', 'expected-dead.ndjson', 'input.ndjson', 'lookups.json'].map(read)).to.deep.equal(before)
  })

  it('says which line cannot be used, and what was expected', () => {
    change('input.ndjson', '"seq":41', '"seq":"41"')
    expect(() => checkGolden(processor, folder)).to.throw(`${folder}/input.ndjson:2: it is not what schema 1 says: "value".seq: "41"`)
    writeFileSync(join(folder, 'input.ndjson'), '{"key":"a","received":"yesterday"}\n')
    expect(() => checkGolden(processor, folder)).to.throw('input.ndjson:1: "received": expected a time, got "yesterday"')
    writeFileSync(join(folder, 'input.ndjson'), '{"key"\n')
    expect(() => checkGolden(processor, folder)).to.throw('input.ndjson:1: expected JSON')
    expect(() => checkGolden(processor, join(folder, 'gone'))).to.throw('expected a golden folder, with input.ndjson')
  })

  it('asks for the look-up that it does not have', () => {
    change('lookups.json', '"hive-3": null,', '')
    expect(() => checkGolden(processor, folder)).to.throw('record 3 (hive-3): it looked up the assignments of "hive-3"')
  })

  it('keeps every record byte by byte: what JSON cannot say is kept as bytes', () => {
    const json = {
      type: 'record',
      name: 'R',
      fields: [
        { name: 'a', type: ['null', 'double'] },
        { name: 'n', type: 'long' },
        { name: 'b', type: { type: 'array', items: ['null', 'bytes'] } },
      ],
    }
    const type = avroType(json)
    const datums = [
      type.toBuffer({ a: null, n: 1, b: [null, Buffer.from([0, 255])] }),
      type.toBuffer({ a: -0, n: -1, b: [] }),
      type.toBuffer({ a: Number.NaN, n: 0, b: [] }),
      Buffer.from('00feffffffffffffffff0100', 'hex'),
      Buffer.from('not a datum'),
    ]
    const head = { key: 'a', timestampMs: 17, headers: [{ name: 'fp', value: Buffer.from([1, 2]) }] }
    const records = [
      ...datums.map((datum) => ({ ...head, content: { tag: 'datum' as const, schema: { id: 7, json }, datum } })),
      { key: null, timestampMs: -1, content: { tag: 'bytes' as const, bytes: null } },
      { key: '', timestampMs: 9e15, content: { tag: 'bytes' as const, bytes: Buffer.from([0, 1]) } },
    ]
    const other = join(folder, 'bytes')
    writeGoldenInput(other, { records, lookups: {} })
    const lines = readFileSync(join(other, 'input.ndjson'), 'utf8').split('\n')
    expect(lines.map((line) => line.includes('"value"'))).to.deep.equal([true, true, true, false, false, false, false, false])
    expect(lines[0]).to.include('"value":{"n":1,"b":[null,{"$base64":"AP8="}]}')
    const found = readGolden(other).records
    expect(found.map(({ key, timestampMs }) => [key, timestampMs])).to.deep.equal(records.map(({ key, timestampMs }) => [key, timestampMs]))
    const bytes = found.map(({ content }) =>
      content.tag === 'value' ? type.toBuffer(content.value) : content.tag === 'datum' ? content.datum : content.bytes,
    )
    expect(bytes).to.deep.equal([...datums, null, Buffer.from([0, 1])])
    expect(found[0]?.headers).to.deep.equal(head.headers)
  })

  it('writes any double so that it is the same when read', () => {
    const type = avroType({ type: 'record', name: 'D', fields: [{ name: 'd', type: ['null', 'double'], default: null }] })
    fc.assert(
      fc.property(fc.option(fc.double()), (d) => {
        const read = fromPlainJson(type, JSON.parse(JSON.stringify(toPlainJson(type, { d })))) as { readonly d: number | null }
        expect(Object.is(read.d, d)).to.equal(true)
      }),
    )
  })
})
