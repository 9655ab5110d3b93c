import { expect } from 'chai'
import { type Dialect, DialectError } from './dialect.ts'
import { isPath, parsePath, parseTemplate } from './dialect-path.ts'
import { atSite, parseDialect } from './parse-dialect.ts'

const HEAD = 'dialect: x\nversion: 1\ntopics: "a/{device}"\n'
const parse = (text: string): Dialect => parseDialect(text, 'x.yaml')
const withSamples = (samples: string): Dialect => parse(`${HEAD}samples:\n  - ${samples}\n`)

describe('the file of a dialect', () => {
  it('has defaults', () => {
    const dialect = withSamples('quantities: { power: $.P }')
    expect(dialect).to.deep.include({ name: 'x', version: 1, payload: 'json', otherwise: 'reject', unknownDevices: 'reject', ignore: [] })
    expect(dialect.topics.map(({ filter }) => filter)).to.deep.equal(['a/+'])
    expect(dialect.samples[0]?.each.map(({ text }) => text)).to.deep.equal(['$'])
  })

  it('takes one in place of a list, and anchors', () => {
    const dialect = withSamples(
      '{ when: { path: $.t, equals: 1 }, quantities: &q { power: { path: $.P, missing: -1 } } }\n  - quantities: *q',
    )
    expect(dialect.samples).to.have.length(2)
    expect(dialect.samples[0]?.when).to.have.length(1)
    expect(dialect.samples[1]?.quantities[0]).to.deep.include({ quantity: 'power', missing: [-1] })
  })

  it('takes several ways to a quantity, each with its own unit', () => {
    const { samples } = withSamples('quantities: { temperature: [$.tempC, { path: $.tempF, unit: "[degF]" }] }')
    expect(samples[0]?.quantities).to.have.length(2)
  })

  const refused: readonly (readonly [what: string, text: string, message: RegExp])[] = [
    ['no YAML', 'dialect: [', /^x\.yaml: line \d+, column \d+: expected YAML/],
    ['a key that is there twice', `${HEAD}version: 2\n`, /^x\.yaml: line 4, column 1: expected YAML: Map keys must be unique/],
    ['text', 'hello', /^x\.yaml: expected keys such as dialect/],
    ['a list', '- 1', /^x\.yaml: expected keys/],
    ['nothing', '', /^x\.yaml: expected keys/],
    ['aliases without end', bomb(), /Excessive alias count/],
    [
      'an unknown key',
      `${HEAD}colour: red\nsamples: [{ quantities: standard }]`,
      /^x\.yaml: expected only the keys dialect, .*, got colour$/,
    ],
    ['no samples', HEAD, /^x\.yaml: samples: .*got nothing$/],
    [
      'no version',
      'dialect: x\ntopics: a/{device}\nsamples: [{ quantities: standard }]',
      /^x\.yaml: version: expected an integer, got nothing/,
    ],
    [
      'a codec of another name',
      `${HEAD}payload: xml\nsamples: [{ quantities: standard }]`,
      /^x\.yaml: payload: expected one of json, .*, got "xml"/,
    ],
    [
      'a topic with #',
      'dialect: x\nversion: 1\ntopics: [a/#]\nsamples: [{ quantities: standard }]',
      /^x\.yaml: topics\[0\]: topic "a\/#": expected no \+ or #/,
    ],
    [
      'an unknown quantity',
      'quantities: { temprature: $.t }',
      /samples\[0\]\.quantities\.temprature: expected one of temperature, .*, got "temprature"/,
    ],
    [
      'a unit of something else',
      'quantities: { temperature: { path: $.t, unit: V } }',
      /samples\[0\]\.quantities\.temperature\.unit: expected a unit of temperature: V measures/,
    ],
    [
      'a unit that is none',
      'quantities: { temperature: { path: $.t, unit: degC } }',
      /quantities\.temperature\.unit: expected a UCUM code.*got "degC"/,
    ],
    [
      'a scale that is no text',
      'quantities: { power: { path: $.t, scale: 0.1 } }',
      /quantities\.power\.scale: expected a decimal in quotes.*got 0\.1/,
    ],
    [
      'a scale and a unit',
      'quantities: { power: { path: $.t, scale: "0.1", unit: kW } }',
      /quantities\.power: expected either unit or scale and offset/,
    ],
    ['a scale of 0', 'quantities: { power: { path: $.t, scale: "0.00" } }', /expected a scale other than 0/],
    ['neither path nor name', 'quantities: { power: { unit: kW } }', /quantities\.power: expected either path or named/],
    [
      'a name without the rule having one',
      'quantities: { power: { named: P } }',
      /quantities\.power\.named: expected the rule to have name and value/,
    ],
    ['a name without a value', '{ name: "{device}", quantities: { power: { named: P } } }', /samples\[0\]: expected both name and value/],
    ['a path with ..', 'quantities: { power: { path: $..P } }', /quantities\.power\.path: expected no \.\./],
    ['a path with a filter', 'quantities: { power: { path: "$[?@.a]" } }', /expected no filter/],
    ['a path with a slice', 'quantities: { power: { path: "$[0:2]" } }', /expected no slice/],
    ['a path that ends', 'quantities: { power: { path: "$.a[" } }', /expected an index/],
    [
      'a path to many values',
      'quantities: { power: { path: "$.a[*]" } }',
      /samples\[0\]\.quantities\.power\.path: expected a path to one place/,
    ],
    [
      'a capture of nowhere',
      '{ device: "{tag}", quantities: { power: $.P } }',
      /samples\[0\]\.device: expected a capture of the topic or of each \(\{device\}\), got \{tag\}/,
    ],
    [
      'a condition without a test',
      '{ when: [{ path: $.P }], quantities: { power: $.P } }',
      /samples\[0\]\.when\[0\]: expected one of equals/,
    ],
    ['a condition of nothing', '{ when: [{ equals: 1 }], quantities: { power: $.P } }', /when\[0\]: expected either path or text/],
    [
      'a mistyped key of a condition',
      '{ when: [{ path: $.P, equal: 1 }], quantities: { power: $.P } }',
      /when\[0\]: expected only the keys .*, got equal/,
    ],
    [
      'bytes of a strange type',
      'quantities: { power: { path: $.d, bytes: { encoding: hex, type: word } } }',
      /power\.bytes\.type: expected one of uint8, .*got "word"/,
    ],
    [
      'braces that are no capture',
      '{ device: "a{b", quantities: { power: $.P } }',
      /samples\[0\]\.device: expected names or paths in braces/,
    ],
    ['each from the record', '{ each: "@.a", quantities: { power: $.P } }', /samples\[0\]\.each: expected a path from the message/],
    [
      'a zone that is none',
      '{ time: { path: $.t, format: iso8601, zone: Europe/Wien }, quantities: { power: $.P } }',
      /time\.zone: expected an IANA time zone.*got "Europe\/Wien"/,
    ],
    [
      'a strange time format',
      '{ time: { path: $.t, format: rfc822 }, quantities: { power: $.P } }',
      /time\.format: expected one of iso8601/,
    ],
    [
      'a time pattern without a day',
      '{ time: { path: $.t, format: "%Y %H" }, quantities: { power: $.P } }',
      /time\.format: expected a year/,
    ],
    [
      'a state of a device that the message names',
      'status: { topic: "a/{x}/state", device: $.id, map: { on: ready } }',
      /status\.device: expected text of the topic alone, got \$\.id/,
    ],
    ['a key of the message', 'key: "{$.id}"', /key: expected text of the topic alone, got \$\.id/],
    ['a duration of nothing', '{ time: { receipt: true, floor: 0s }, quantities: { power: $.P } }', /time\.floor: expected a duration/],
    [
      'an earliest that is no date',
      '{ time: { path: $.t, format: unix-s, earliest: 2024-13-01 }, quantities: { power: $.P } }',
      /time\.earliest: expected a date/,
    ],
    ['standard with a name', '{ name: "{device}", value: $.a, quantities: standard }', /samples\[0\]\.quantities: expected no name/],
    ['no quantities', 'quantities: {}', /samples\[0\]\.quantities: expected at least one/],
  ]
  for (const [what, text, message] of refused) {
    it(`is refused with ${what}`, () => {
      if (/^(?:key|status):/.test(text)) {
        expect(() => parse(`${HEAD}${text}\nsamples: [{ quantities: standard }]`)).to.throw(DialectError, message)
        return
      }
      const isWhole = /^(?:dialect|hello|- 1|a:|$)/.test(text)
      expect(() => (isWhole ? parse(text) : withSamples(text))).to.throw(DialectError, message)
    })
  }

  it('is refused with each of its faults on a line', () => {
    expect(() => parse('dialect: X\nversion: 0\ntopics: a\nsamples: [{ quantities: { power: { path: P } } }]'))
      .to.throw(DialectError)
      .with.property('message')
      .that.satisfies((message: string) => message.split('\n').length === 3)
  })

  it('does not take a key for the prototype', () => {
    expect(() => withSamples('quantities: { __proto__: $.P }')).to.throw(DialectError, '__proto__: expected one of temperature')
    const { samples } = withSamples('quantities: { power: { path: $.P, map: { __proto__: 1 } } }')
    expect(samples[0]?.quantities[0])
      .to.have.property('map')
      .that.deep.equals(new Map([['__proto__', 1]]))
  })

  it('may have other topics and another zone at a site, if these have what it takes of them', () => {
    const dialect = withSamples('{ device: "{device}", time: { path: $.t, format: iso8601 }, quantities: { power: $.P } }')
    const changed = atSite(dialect, { topics: ['b/{device}/x'], zone: 'Europe/Vienna' })
    expect(changed.topics[0]?.filter).to.equal('b/+/x')
    expect(changed.samples[0]?.time?.[0]).to.include({ zone: 'Europe/Vienna' })
    expect(() => atSite(dialect, { topics: ['b/{name}'] })).to.throw(
      DialectError,
      /samples\[0\]\.device: expected a capture of the topic.*\{name\}.*got \{device\}/,
    )
    expect(() => atSite(dialect, { topics: ['b/#'] })).to.throw(DialectError, /x\.yaml: of the site: topic "b\/#"/)
    expect(() => atSite(dialect, { zone: 'CET1' })).to.throw(DialectError, /zone: expected an IANA time zone/)
  })
})

describe('the path of a dialect', () => {
  it('is read as RFC 9535 writes it', () => {
    expect(parsePath(`$.a.b[0]['c d'].*`).steps).to.deep.equal([
      { kind: 'member', name: 'a' },
      { kind: 'member', name: 'b' },
      { kind: 'element', index: 0 },
      { kind: 'member', name: 'c d' },
      { kind: 'all' },
    ])
    expect(parsePath(`@["it's"][-1].{x}[*]['\\'']`).steps).to.deep.equal([
      { kind: 'member', name: "it's" },
      { kind: 'element', index: -1 },
      { kind: 'capture', name: 'x' },
      { kind: 'elements' },
      { kind: 'member', name: "'" },
    ])
  })

  it('is told from text by how it begins', () => {
    expect(['$', '@', '$.a', "@['x']", '$x', '@home', '{a}', 'a$'].map(isPath)).to.deep.equal([
      true,
      true,
      true,
      true,
      false,
      false,
      false,
      false,
    ])
    expect(parseTemplate('{a}-{b}').parts).to.deep.equal([{ capture: 'a' }, { literal: '-' }, { capture: 'b' }])
  })
})

/** Ten levels of ten aliases each. */
function bomb(): string {
  const levels = Array.from({ length: 9 }, (_, index) => `a${index + 1}: &a${index + 1} [${Array(10).fill(`*a${index}`).join(', ')}]`)
  return `a: &a0 [1]\n${levels.join('\n')}\n`
}
