import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { compileDialect } from '../../processors/translate/dialect.ts'
import { projectRoot } from '../../schemas/files.ts'
import { parseDialect } from '../../schemas/parse-dialect.ts'
import { checkDialects } from './check.ts'
import { differences, exampleText, parseExample } from './example.ts'
import { dialectFiles } from './files.ts'
import { tryMessage } from './try.ts'

const DIALECT = `
dialect: scale
version: 3
topics: ["scales/{device}/data"]
time: [{ path: $.at, format: unix-s }]
samples:
  - quantities:
      weight: { path: $.g, unit: g }
      humidity: { path: $.h, missing: [-1] }
otherwise: ignore
status: { topic: "scales/{device}/online", payload: text, map: { "1": ready, "0": lost } }
`
const EXAMPLE = {
  dialect: 'scale',
  topic: 'scales/hive-1/data',
  received: '2026-11-29T03:30:05.250Z',
  payload_json: { at: 1795923004, g: 41270, h: 61 },
  expect: {
    samples: [{ device: 'hive-1', ts: '2026-11-29T03:30:04.000Z', estimated: false, values: { weight: 41.27, humidity: 61 } }],
  },
}
const RECEIVED = Date.parse(EXAMPLE.received) * 1_000
const scale = compileDialect(parseDialect(DIALECT, 'scale.yaml'))
const differing = (changed: object): readonly string[] =>
  differences(scale, parseExample(JSON.stringify({ ...EXAMPLE, ...changed }), 'a.json'))

describe('an example of a dialect', () => {
  it('has no difference if all is as it says', () => {
    expect(differing({})).to.deep.equal([])
    expect(differing({ payload_json: undefined, payload_text: '{"at":1795923004,"g":41270,"h":61}' })).to.deep.equal([])
    expect(
      differing({ payload_json: undefined, payload_hex: Buffer.from('{"at":1795923004,"g":41270,"h":61}').toString('hex') }),
    ).to.deep.equal([])
    expect(differing({ topic: 'scales/hive-1', expect: { tag: 'no-topic' } })).to.deep.equal([])
    expect(differing({ payload_json: { at: 1795923004, h: -1 }, expect: { samples: [], ignored: 'no-reading' } })).to.deep.equal([])
    const status = {
      topic: 'scales/hive-1/online',
      payload_json: undefined,
      payload_text: '1',
      expect: { status: { device: 'hive-1', state: 'ready' } },
    }
    expect(differing(status)).to.deep.equal([])
  })

  it('names each field that differs, with both values', () => {
    expect(differing({ payload_json: { at: 1795923005, g: 41000 } })).to.deep.equal([
      'samples[0].ts: expected "2026-11-29T03:30:04.000Z", got "2026-11-29T03:30:05.000Z"',
      'samples[0].values.weight: expected 41.27, got 41',
      'samples[0].values.humidity: expected 61, got nothing',
    ])
    expect(differing({ payload_json: { at: 1795923004, g: 41270, h: 161 } })).to.deep.equal([
      'samples[0].values.humidity: expected 61, got nothing',
      'rejections: expected [], got ["out-of-range of humidity"]',
      '  out-of-range: humidity 161 %: expected 0 to 100',
    ])
    expect(differing({ topic: 'elsewhere' })).to.deep.equal(['expected telemetry, got a topic that no pattern takes'])
    expect(differing({ expect: { tag: 'no-topic' } })).to.deep.equal([
      'expected no pattern to take the topic, got 1 samples and 0 rejections',
    ])
    expect(differing({ payload_json: { x: 1 } })).to.deep.equal(['samples: expected ["hive-1"], got []'])
  })

  it('is refused with its place if it is none', () => {
    for (const [changed, problem] of [
      [{ received: 'yesterday' }, 'a.json: received: expected a time with its zone'],
      [{ payload_text: 'x' }, 'a.json: expected one of payload_json, payload_text, payload_hex and payload_base64'],
      [{ expect: {} }, 'a.json: expect: expected one of samples'],
      [{ expect: { samples: [{ ...EXAMPLE.expect.samples[0], values: { wait: 1 } }] } }, 'a.json: expect: samples: 0: values: wait: '],
      [{ toppic: 'x' }, 'a.json: '],
    ] as const)
      expect(() => differing(changed)).to.throw(problem)
    expect(() => parseExample('{', 'a.json')).to.throw('a.json: expected JSON')
  })

  it('can be written of any message, and then has no difference', () => {
    for (const payload of [
      JSON.stringify(EXAMPLE.payload_json),
      '{"at":1795923004,"g":1e3,"g":2}',
      '21.5',
      'ü\n',
      Buffer.from('ff00fe', 'hex'),
    ]) {
      const message = { topic: EXAMPLE.topic, payload: Buffer.from(payload as string), receivedMicros: RECEIVED, retained: true }
      const example = parseExample(exampleText(scale, message), 'a.json')
      expect(example.message.payload.toString('latin1').replace(/1000/, '1e3')).to.equal(message.payload.toString('latin1'))
      expect(differences(scale, example)).to.deep.equal([])
    }
  })
})

describe('docs/dialects.md', () => {
  it('has a dialect and an example that belong together', () => {
    const page = readFileSync(`${projectRoot}docs/dialects.md`, 'utf8')
    const block = (language: string): string => page.split(`\`\`\`${language}\n`)[1]?.split('```')[0] ?? ''
    const dialect = compileDialect(parseDialect(block('yaml'), 'docs/dialects.md'))
    expect(differences(dialect, parseExample(block('json'), 'docs/dialects.md'))).to.deep.equal([])
  })
})

describe('the check of dialects', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-check-'))
    mkdirSync(join(folder, 'examples'))
    writeFileSync(join(folder, 'scale.yaml'), DIALECT)
    writeFileSync(join(folder, 'examples', 'a.json'), JSON.stringify(EXAMPLE))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it('counts dialects and the examples beside them', () => {
    const { lines, passed, failed } = checkDialects(dialectFiles([folder]))
    expect(lines).to.deep.equal([`ok      ${folder}/scale.yaml: scale, version 3`, `ok        ${folder}/examples/a.json`])
    expect([passed, failed]).to.deep.equal([2, 0])
  })

  it('fails for a file that is no dialect, one that has a name of another, an example that is none, and one of no dialect here', () => {
    writeFileSync(join(folder, 'bad.yaml'), DIALECT.replace('weight:', 'wait:'))
    writeFileSync(join(folder, 'twice.yaml'), DIALECT)
    writeFileSync(join(folder, 'examples', 'b.json'), '[]')
    writeFileSync(join(folder, 'examples', 'c.json'), JSON.stringify({ ...EXAMPLE, dialect: 'scael' }))
    const { lines, failed } = checkDialects(dialectFiles([folder]))
    expect(failed).to.equal(4)
    expect(lines.join('\n'))
      .to.match(/FAILED {2}.*bad\.yaml\n.*quantities\.wait: expected one of/)
      .and.to.match(/FAILED {2}.*twice\.yaml: scale, version 3\n.*another dialect scale/)
      .and.to.match(/FAILED {2}.*b\.json\n/)
      .and.to.match(/FAILED {2}.*c\.json\n.*no dialect scael/)
  })
})

describe('the trial of a message', () => {
  const trial = (topic: string, payload: string): ReturnType<typeof tryMessage> =>
    tryMessage(scale, { topic, payload: Buffer.from(payload), receivedMicros: RECEIVED, retained: false })

  it('says what took the topic, the key, each value, and what comes of it', () => {
    const { lines, rejected } = trial('scales/hive-1/data', '{"at":1795923004,"g":41270,"h":161}')
    expect(rejected).to.equal(true)
    expect(lines).to.include('topic      scales/hive-1/data: taken by scales/{device}/data')
    expect(lines).to.include('             {device} = hive-1')
    expect(lines).to.include('key        hive-1')
    expect(lines).to.include('sample     hive-1 at 2026-11-29T03:30:04.000Z')
    expect(lines).to.include('             weight 41.27 kg')
    expect(lines).to.include('rejected   out-of-range: humidity 161 %: expected 0 to 100')
  })

  it('tells ignored, status and a topic of nobody', () => {
    expect(trial('scales/hive-1/data', '{}').rejected).to.equal(false)
    expect(trial('scales/hive-1/data', '{}').lines.at(-1)).to.match(/^ignored {4}otherwise: /)
    expect(trial('scales/hive-1/online', '1').lines.at(-1)).to.equal('status     hive-1 is ready')
    expect(trial('scales/hive-1/online', '2').rejected).to.equal(true)
    const { lines, rejected } = trial('scales/hive-1', '{}')
    expect(rejected).to.equal(true)
    expect(lines).to.include('             scales/{device}/data  (subscribed as scales/+/data)')
    expect(trial('scales/hive-1/data', '{"at":979999999999,"g":1}').lines.some((line) => line.startsWith('rejected'))).to.equal(true)
  })
})
