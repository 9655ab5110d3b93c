import { expect } from 'chai'
import fc from 'fast-check'
import { readDialects } from '../../schemas/files.ts'
import { quantities } from '../../schemas/generated/readings.ts'
import { compileDialect } from './dialect.ts'
import type { CompiledDialect, DialectRejection, Translation } from './translation.ts'

const RECEIVED_MICROS = 1_795_923_005_250_000
const TOPIC = 'devices/a/telemetry'
const MICROS = 1_795_406_400_000_000

describe('dialect millrace-json', () => {
  let dialect: CompiledDialect

  before(() => {
    const found = readDialects().find(({ name }) => name === 'millrace-json')
    if (found === undefined) throw new Error('schemas/dialects/millrace-json.yaml is missing')
    dialect = compileDialect(found)
  })

  const translate = (payload: Buffer | string, retained = false): Translation =>
    dialect.translate(
      { topic: TOPIC, payload: Buffer.from(payload), receivedMicros: RECEIVED_MICROS, retained },
      dialect.match(TOPIC) ?? {},
    )
  const valuesOf = (values: readonly number[]): Record<string, number> =>
    Object.fromEntries(
      quantities.flatMap(({ name }, index) => (Number.isNaN(values[index]) ? [] : ([[name, values[index] as number]] as const))),
    )
  /** Each sample as its time less the reference, whether it is estimated, and its values. */
  const taken = (payload: Buffer | string): [number, boolean, Record<string, number>][] =>
    translate(payload).samples.map(({ micros, estimated, values }) => [micros, estimated, valuesOf(values)])

  it('takes the device of the topic, which is the identity', () => {
    const { samples } = translate('{"power": 1}')
    expect(samples[0]).to.include({ device: 'a', channel: null, fromTopic: true, index: 0 })
    expect(dialect.key(TOPIC, dialect.match(TOPIC) ?? {})).to.equal('a')
    expect(dialect.match('devices/a/b/telemetry')).to.equal(undefined)
  })

  it('takes a sample or an array of them, null as no value', () => {
    expect(taken('{"ts": "2026-11-23T04:00:00.250001Z", "temperature": 34.2, "humidity": null}')).to.deep.equal([
      [MICROS + 250_001, false, { temperature: 34.2 }],
    ])
    expect(taken('[{"ts": 1795406400, "temperature": 1}, {"ts": 1795406401000, "humidity": 2, "temperature": null}]')).to.deep.equal([
      [MICROS, false, { temperature: 1 }],
      [MICROS + 1_000_000, false, { humidity: 2 }],
    ])
  })

  it('keeps samples apart that are within one millisecond', () => {
    const times = ['00.000100', '00.000600', '00.001100']
    const samples = taken(JSON.stringify(times.map((s) => ({ ts: `2026-11-23T04:00:${s}Z`, vibration: 1 }))))
    expect(samples.map(([micros]) => micros - MICROS)).to.deep.equal([100, 600, 1_100])
  })

  for (const [what, json] of [
    ['no times', '[{"power": 1}, {"power": -2}]'],
    ['null for times', '[{"ts": null, "power": 1}, {"ts": null, "power": -2}]'],
  ] as const) {
    it(`estimates times that differ if the message gives ${what}`, () => {
      expect(taken(json)).to.deep.equal([
        [RECEIVED_MICROS, true, { power: 1 }],
        [RECEIVED_MICROS + 1, true, { power: -2 }],
      ])
    })
  }

  it('makes one sample of two objects with one time', () => {
    const ts = '2026-11-29T03:00:00Z'
    expect(
      taken(
        JSON.stringify([
          { ts, temperature: 21.5 },
          { ts, humidity: 40 },
        ]),
      ),
    ).to.deep.equal([[Date.parse(ts) * 1000, false, { temperature: 21.5, humidity: 40 }]])
  })

  it('takes a value that comes twice once, and neither of two values for one time', () => {
    expect(translate('[{"ts": 1795406400, "power": 1}, {"ts": 1795406400, "power": 1}]').rejections).to.deep.equal([])
    const { samples, rejections } = translate('[{"ts": 1795406400, "power": 1, "weight": 3}, {"ts": 1795406400, "power": 2}]')
    expect(samples.map(({ values }) => valuesOf(values))).to.deep.equal([{ weight: 3 }])
    expect(rejections).to.deep.equal([
      { reason: 'ambiguous', detail: 'power of a: expected one value for one time, got 1 and 2', samples: [0], quantities: ['power'] },
    ])
  })

  it('keeps the order of its samples, and times that are decades apart', () => {
    const samples = taken(
      JSON.stringify(['1970-01-01T00:00:00Z', '2112-01-01T00:00:00Z', '2026-11-23T04:00:00Z'].map((ts) => ({ ts, weight: 1 }))),
    )
    expect(samples.map(([micros]) => micros)).to.deep.equal([0, 4_481_049_600_000_000, MICROS])
  })

  it('refuses what the broker had retained if it gives no time, and only that', () => {
    expect(translate('{"power": 1}', true)).to.deep.include({ samples: [] })
    expect(translate('{"power": 1}', true).rejections[0]).to.deep.include({ reason: 'retained', samples: [], quantities: [] })
    expect(translate('{"ts": 1795406400, "power": 1}', true).rejections).to.deep.equal([])
  })

  it('holds exactly the numbers of the message, for any message that is taken', () => {
    const value = fc.option(fc.double({ noNaN: true, noDefaultInfinity: true }), { nil: null })
    const sample = fc
      .dictionary(fc.constantFrom(...quantities.map(({ name }) => name)), value, { noNullPrototype: true })
      .filter((each) => Object.values(each).some((number) => number !== null))
    fc.assert(
      fc.property(fc.array(sample, { minLength: 1, maxLength: 200 }), fc.boolean(), (samples, hasTimes) => {
        const given = samples.map((each, index) => (hasTimes ? { ...each, ts: 1_795_406_400 + index } : each))
        const { samples: found, rejections } = translate(JSON.stringify(given))
        expect(rejections).to.deep.equal([])
        expect(found.map(({ values }) => valuesOf(values))).to.deep.equal(
          samples.map((each) =>
            // JSON has no negative zero.
            Object.fromEntries(quantities.flatMap(({ name }) => (typeof each[name] === 'number' ? [[name, each[name] + 0]] : []))),
          ),
        )
        expect(found.map(({ micros }) => micros)).to.deep.equal(
          samples.map((_, index) => (hasTimes ? MICROS + index * 1_000_000 : RECEIVED_MICROS + index)),
        )
      }),
    )
  })

  const deep = `${'['.repeat(30_000)}${']'.repeat(30_000)}`
  const refused: readonly (readonly [what: string, payload: Buffer | string, reason: string, detail: RegExp])[] = [
    ['broken JSON', '{"temperature": 3', 'bad-payload', /^expected JSON: /],
    ['a comma for a point', '{"temperature": 21,5}', 'bad-payload', /^expected JSON: /],
    ['a number that is none', '{"temperature": NaN}', 'bad-payload', /^expected JSON: /],
    ['a hexadecimal number', '{"temperature": 0x10}', 'bad-payload', /^expected JSON: /],
    ['a plus sign', '{"temperature": +5}', 'bad-payload', /^expected JSON: /],
    ['a NUL at the end', '{"temperature": 3}\0', 'bad-payload', /position 18 of 19, got byte 00/],
    ['an escape sequence', '{"temperature":\x1b]0;x\x07}', 'bad-payload', /position 15 of 22, got byte 1b/],
    [
      'bytes that are no UTF-8',
      Buffer.from('{"temperatur\xff": 3}', 'latin1'),
      'bad-payload',
      /^expected UTF-8, got byte ff at position 12 of 18/,
    ],
    ['UTF-16', Buffer.from('\ufeff{"temperature": 20}', 'utf16le'), 'bad-payload', /UTF-16/],
    ['JSON of 30,000 levels', deep, 'bad-payload', /at most 64 deep/],
    ['a value of 30,000 levels', `{"power": ${deep}}`, 'bad-payload', /at most 64 deep/],
    ['an empty array', '[]', 'bad-value', /^\$: expected an object, got \[\]/],
    ['a number', '7', 'bad-value', /expected an object, got 7/],
    ['an empty object', '{}', 'nothing-found', /got \{\}/],
    ['nothing but a time', '{"ts": 1795406400}', 'nothing-found', /got \{"ts":1795406400\}/],
    ['only nulls', '{"temperature": null}', 'nothing-found', /got \{"temperature":null\}/],
    ['numbers as samples', '[7, 8]', 'bad-value', /^\$\[0\]: expected an object, got 7/],
    ['null as a sample', '[null]', 'bad-value', /^\$\[0\]: expected an object, got null/],
    ['an unknown field', '{"temprature": 3}', 'unknown-quantity', /"temprature" is no standard quantity; expected temperature, humidity/],
    ['a field of Object.prototype', '{"__proto__": 3}', 'unknown-quantity', /"__proto__" is no standard quantity/],
    ['text for a number', '{"temperature": "34"}', 'bad-value', /^temperature \(\$\): expected a finite number or null, got "34"/],
    ['a boolean for a number', '{"temperature": true}', 'bad-value', /got true/],
    [
      'a number beyond doubles',
      '{"temperature": 1e999}',
      'bad-value',
      /expected a finite number or null, got a number too large for a double/,
    ],
    ['an object for a number', '{"temperature": {"value": 3}}', 'bad-value', /got \{"value":3\}/],
    ['a time without offset', '{"ts": "2026-11-23T04:00:00", "power": 1}', 'bad-time', /^\$\.ts: expected ISO 8601 with an offset/],
    ['a time in no unit', '{"ts": 0, "power": 1}', 'bad-time', /seconds since 1970 \(10 digits\), or milliseconds.*, got 0/],
    ['a time in microseconds', '{"ts": 1795923600123000, "power": 1}', 'bad-time', /got 1795923600123000/],
    ['a time that is an object', '{"ts": {}, "power": 1}', 'bad-time', /got \{\}/],
    ['a time in year 1', '{"ts": "0001-01-01T00:00:00Z", "power": 1}', 'bad-time', /from 1970 to 2112, got "0001/],
    ['a time beyond doubles', '{"ts": 1e400, "power": 1}', 'bad-time', /too large for a double/],
    ['a name that is there twice', '{"temperature":1,"temperature":2}', 'repeated-name', /^temperature .*: expected once, got .* 2 times/],
    ['two times', '{"ts":1795923701,"ts":1795923702,"temperature":3}', 'repeated-name', /^\$\.ts: expected once/],
  ]
  for (const [what, payload, reason, detail] of refused) {
    it(`refuses ${what}`, () => {
      const { samples, rejections } = translate(payload)
      expect(samples).to.deep.equal([])
      expect(rejections[0]?.reason).to.equal(reason)
      expect(rejections[0]?.detail).to.match(detail)
      expect(rejections[0]?.detail.length).to.be.below(700)
    })
  }

  it('takes UTF-8 with a byte order mark, integers that no double holds, and blanks', () => {
    expect(taken('\ufeff{"temperature": 20}')).to.deep.equal([[RECEIVED_MICROS, true, { temperature: 20 }]])
    expect(taken('{"temperature": 123456789012345678901234567890}')[0]?.[2]).to.deep.equal({ temperature: 1.2345678901234568e29 })
    expect(taken(' { "temperature" : -0 }\n')[0]?.[2]).to.deep.equal({ temperature: 0 })
  })

  it('refuses more samples than a record should have', () => {
    const { rejections } = translate(`[${'{"power":1},'.repeat(10_000)}{"power":1}]`)
    expect(rejections).to.deep.equal([
      { reason: 'too-many-samples', detail: 'expected at most 10000 records in a message, got more', samples: [], quantities: [] },
    ])
    expect(translate(`[${'{"power":1},'.repeat(9_999)}{"power":1}]`).samples).to.have.length(10_000)
  })

  const partly: readonly (readonly [string, string, Partial<DialectRejection>, readonly Record<string, number>[]])[] = [
    [
      'a time in year 1 in an array',
      '[{"ts": "0001-01-01T00:00:00Z", "power": 1}, {"ts": 1795406400, "power": 2}]',
      { reason: 'bad-time', samples: [0], quantities: [] },
      [{ power: 2 }],
    ],
    [
      'nothing but a time in an array',
      '[{"ts": 1795406400, "power": 1}, {"ts": 1795406401}]',
      { reason: 'nothing-found', samples: [1], quantities: [] },
      [{ power: 1 }],
    ],
    [
      'no time beside others',
      '[{"power": 1}, {"ts": 1795406400, "power": 2}, {"ts": null, "power": 3}]',
      { reason: 'bad-time', samples: [0], quantities: [] },
      [{ power: 2 }],
    ],
    ['a strange field', '{"power": 1, "colour": 2}', { reason: 'unknown-quantity', samples: [0], quantities: ['colour'] }, [{ power: 1 }]],
    ['text for a number', '{"power": 1, "humidity": "2"}', { reason: 'bad-value', samples: [0], quantities: ['humidity'] }, [{ power: 1 }]],
    [
      'a name that is there twice',
      '[{"power": 1}, {"power": 2, "\\u0068umidity": 3, "humidity" : 4}]',
      { reason: 'repeated-name', samples: [1], quantities: ['humidity'] },
      [{ power: 1 }, { power: 2 }],
    ],
    ['a number as a sample', '[{"power": 1}, 7]', { reason: 'bad-value', samples: [1], quantities: [] }, [{ power: 1 }]],
    ['an array as a sample', '[{"power": 1}, [1]]', { reason: 'bad-value', samples: [1], quantities: [] }, [{ power: 1 }]],
  ]
  for (const [what, payload, rejection, samples] of partly) {
    it(`leaves out ${what}, and takes the rest`, () => {
      const found = translate(payload)
      expect(found.samples.map(({ values }) => valuesOf(values))).to.deep.equal(samples)
      expect(found.rejections[0]).to.deep.include(rejection)
    })
  }

  it('leaves samples with more strange names than can be told out as a whole', () => {
    const strange = Object.fromEntries(Array.from({ length: 21 }, (_, index) => [`x${index}`, 1]))
    const { samples, rejections } = translate(JSON.stringify([{ power: 1 }, { power: 2, ...strange }, { power: 3, ['x'.repeat(65)]: 1 }]))
    expect(samples.map(({ values }) => valuesOf(values))).to.deep.equal([{ power: 1 }])
    expect(rejections).to.have.length(2)
    expect(rejections.map((each) => [each.samples, each.quantities])).to.deep.equal([
      [[1], []],
      [[2], []],
    ])
  })

  it('never loses a sample without a word, whatever comes', () => {
    const anything = fc.oneof(
      fc.json(),
      fc.string(),
      fc.jsonValue().map((value) => JSON.stringify([value, { power: 1 }])),
    )
    fc.assert(
      fc.property(anything, (text) => {
        const { samples, rejections, ignored } = translate(text)
        expect(ignored).to.equal(null)
        if (rejections.some((each) => each.samples.length === 0)) return
        const parsed: unknown = JSON.parse(text)
        const told = new Set([...samples.map(({ index }) => index), ...rejections.flatMap((each) => each.samples)])
        expect(told.size).to.equal(Array.isArray(parsed) ? Math.max(1, parsed.length) : 1)
      }),
    )
  })
})
