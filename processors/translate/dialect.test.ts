import { expect } from 'chai'
import { parseDialect, type Site } from '../../schemas/parse-dialect.ts'
import { compileDialect } from './dialect.ts'
import { outcomeOf, valuesOf } from './example.ts'
import type { CompiledDialect, Translation } from './translation.ts'

const RECEIVED = Date.parse('2026-11-29T03:30:05.250Z') * 1000
const AT = 1_795_923_004

function compile(text: string, site: Site = {}): CompiledDialect {
  return compileDialect(parseDialect(`dialect: x\nversion: 1\n${text}`, 'x.yaml'), site)
}

const TOPICS = 'topics: ["t/{device}", "t/{device}/{metric}", "t/{device}/{metric}/{phase}"]\n'

function translate(
  text: string,
  payload: unknown,
  topic = 't/d',
  more: { retained?: boolean; explain?: (step: string) => void } = {},
): Translation {
  const dialect = compile(TOPICS + text)
  const captures = dialect.match(topic)
  if (captures === undefined) throw new Error(`no topic takes ${topic}`)
  const bytes = Buffer.isBuffer(payload) ? payload : Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload))
  return dialect.translate({ topic, payload: bytes, receivedMicros: RECEIVED, retained: more.retained ?? false }, captures, more.explain)
}

/** The first sample's values. */
function values(text: string, payload: unknown, topic?: string): unknown {
  const { samples } = translate(text, payload, topic)
  return samples.map(valuesOf)
}

const quantity = (rule: string): string => `samples: [{ quantities: { temperature: ${rule} } }]`
const power = (rule: string): string => `samples: [{ quantities: { power: ${rule} } }]`

describe('a dialect', () => {
  describe('finds values', () => {
    const cases: readonly (readonly [what: string, text: string, payload: unknown, found: unknown])[] = [
      ['by the first path that has one', power('{ path: [$.a, $.b, $.c] }'), { a: null, b: 2, c: 3 }, [{ power: 2 }]],
      ['in text', power('$.a'), { a: ' -1.5e3 ' }, [{ power: -1500 }]],
      ['in exact units', quantity('{ path: $.a, unit: "[degF]" }'), { a: 93.2 }, [{ temperature: 34 }]],
      ['in exact decimals', quantity('{ path: $.a, scale: "0.1", offset: "-0.3" }'), { a: 6 }, [{ temperature: 0.3 }]],
      ['that are integers beyond doubles', power('{ path: $.a, unit: uW }'), '{"a": 9007199254740993}', [{ power: 9_007_199_254.740993 }]],
      ['by one of several ways', quantity('[$.c, { path: $.f, unit: "[degF]" }]'), { f: 50 }, [{ temperature: 10 }]],
      ['in the first way that has one', quantity('[$.c, { path: $.f, unit: "[degF]" }]'), { c: 11, f: 50 }, [{ temperature: 11 }]],
      ['in a part of a text', power('{ path: $.a, split: { by: ";", part: 1 } }'), { a: '1;2;3' }, [{ power: 2 }]],
      ['before a unit in the text', power('{ path: $.a, remove_suffix: [" kW", kW], unit: kW }'), { a: '1.2 kW' }, [{ power: 1200 }]],
      [
        'with a decimal comma, if it says so',
        power('{ path: $.a, replace: { ".": "", ",": "." } }'),
        { a: '1.234,5' },
        [{ power: 1234.5 }],
      ],
      ['by a map', power('{ path: $.a, map: { on: 60, off: 0, "true": 1 } }'), { a: 'on' }, [{ power: 60 }]],
      ['by a map of truth values', power('{ path: $.a, map: { "true": 60, "false": 0 } }'), { a: true }, [{ power: 60 }]],
      ['from the end of a list', power('"$.a[-1]"'), { a: [1, 2, 3] }, [{ power: 3 }]],
      ['if a condition holds', power('{ path: $.a, when: [{ path: $.b, in: [1, two] }] }'), { a: 1, b: 'two' }, [{ power: 1 }]],
      [
        'under the names of the prototype',
        power('{ path: ["$.constructor", "$.toString", "$[\'__proto__\']", $.a] }'),
        '{"a": 1, "__proto__": 5}',
        [{ power: 5 }],
      ],
      [
        'of parallel lists',
        'samples: [{ each: "$.t.{i}", time: { path: "@", format: unix-s }, quantities: { power: "$.p.{i}" } }]',
        { t: [AT, AT + 1], p: [1, 2] },
        [{ power: 1 }, { power: 2 }],
      ],
    ]
    for (const [what, text, payload, found] of cases) {
      it(what, () => {
        expect(values(text, payload)).to.deep.equal(found)
      })
    }

    const bytes: readonly (readonly [rule: string, text: string, found: number])[] = [
      ['encoding: hex, type: int8', 'FE', -2],
      ['encoding: hex, at: 1, type: uint16', '00 0102'.replace(' ', ''), 258],
      ['encoding: hex, at: 1, type: uint16le', '000102', 513],
      ['encoding: hex, at: -2, type: int16le', '0000feff', -2],
      ['encoding: hex, type: uint24', '010000', 65_536],
      ['encoding: hex, type: int24le', '0000ff', -65_536],
      ['encoding: hex, type: uint32', 'ffffffff', 4_294_967_295],
      ['encoding: hex, type: int64le', 'feffffffffffffff', -2],
      ['encoding: hex, type: float32', '4315e666', 149.9],
      ['encoding: hex, type: float64le', '9a99999999bd6240', 149.925],
      ['encoding: hex, type: uint16, shift: 5', 'AC36', 1377],
      ['encoding: hex, type: uint16, mask: 31', 'AC36', 22],
      ['encoding: hex, type: uint16, shift: 4, mask: 15', 'AC36', 3],
      ['encoding: hex, after: FF9904, at: 1, type: uint8', '00FF990405AA', 170],
      ['encoding: base64, at: 1, type: uint16', 'AQID', 515],
      ['encoding: base64, type: uint8', '_w', 255],
    ]
    for (const [rule, text, found] of bytes) {
      it(`in bytes: ${rule}`, () => {
        expect(values(power(`{ path: $.d, bytes: { ${rule} } }`), { d: text })).to.deep.equal([{ power: found }])
      })
    }
  })

  describe('says of a value that cannot be taken', () => {
    const cases: readonly (readonly [what: string, text: string, payload: unknown, reason: string, detail: RegExp])[] = [
      ['which field it is', power('$.a.b'), { a: { b: 'x' } }, 'bad-value', /^power \(\$\.a\.b\): expected a number, got "x"$/],
      ['a comma', power('$.a'), { a: '1,234' }, 'bad-value', /got "1,234"/],
      ['a unit in the text', power('$.a'), { a: '12 W' }, 'bad-value', /got "12 W"/],
      ['a hexadecimal number', power('$.a'), { a: '0x10' }, 'bad-value', /got "0x10"/],
      ['a truth value', power('$.a'), { a: true }, 'bad-value', /got true/],
      ['an object', power('$.a'), { a: { v: 1 } }, 'bad-value', /got \{"v":1\}/],
      ['an empty text', power('$.a'), { a: '' }, 'bad-value', /got ""/],
      ['infinity', power('$.a'), '{"a": 1e999}', 'bad-value', /expected a finite number, got a number too large/],
      ['what becomes infinite', power('{ path: $.a, scale: "1e50" }'), { a: 1e300 }, 'bad-value', /expected a finite number, got 1e\+300/],
      ['digits without end', power('$.a'), { a: '9'.repeat(10_000) }, 'bad-value', /expected a number, got "9+…/],
      [
        'a text without the part',
        power('{ path: $.a, split: { by: ";", part: 3 } }'),
        { a: '1;2' },
        'bad-value',
        /expected text with the part/,
      ],
      [
        'bytes that end',
        power('{ path: $.a, bytes: { encoding: hex, at: 1, type: uint16 } }'),
        { a: '0102' },
        'bad-value',
        /expected 2 bytes from byte 1 on, got 2 in all/,
      ],
      [
        'bytes that are none',
        power('{ path: $.a, bytes: { encoding: hex, type: uint8 } }'),
        { a: '0g' },
        'bad-value',
        /expected bytes in hexadecimal, got "0g"/,
      ],
      [
        'base64 that is none',
        power('{ path: $.a, bytes: { encoding: base64, type: uint8 } }'),
        { a: 'A' },
        'bad-value',
        /expected bytes in base64/,
      ],
      [
        'a number in place of bytes',
        power('{ path: $.a, bytes: { encoding: hex, type: uint8 } }'),
        { a: 12 },
        'bad-value',
        /expected bytes in hex, got 12/,
      ],
      ['a code that is in no map', power('{ path: $.a, map: { on: 60 } }'), { a: 'off' }, 'unknown-code', /expected one of on, got "off"/],
      [
        'a unit that is in no map',
        quantity('{ path: $.a, unit: { path: $.u, map: { C: Cel } } }'),
        { a: 1, u: 'K' },
        'unknown-unit',
        /the unit \(\$\.u\): expected one of C, got "K"/,
      ],
      [
        'a unit that is missing',
        quantity('{ path: $.a, unit: { path: $.u, map: { C: Cel } } }'),
        { a: 1 },
        'unknown-unit',
        /\(\$\.u\): expected one of C, got nothing/,
      ],
      [
        'a unit of something else',
        quantity('{ path: $.a, unit: { path: $.u, otherwise: same } }'),
        { a: 1, u: 'kg' },
        'unknown-unit',
        /kg measures/,
      ],
      ['a name that is there twice', power('$.a'), '{"a": 1, "a": 2}', 'repeated-name', /^power \(\$\.a\): expected once/],
      ['escapes, spelt out', power('$.a'), { a: '\u001b[31m\u009b' }, 'bad-value', /got "\\u001b\[31m\\u009b"/],
    ]
    for (const [what, text, payload, reason, detail] of cases) {
      it(what, () => {
        const { samples, rejections } = translate(text, payload)
        expect(samples).to.deep.equal([])
        expect(rejections).to.have.length(1)
        expect(rejections[0]).to.deep.include({ reason, samples: [0], quantities: [reason === 'unknown-unit' ? 'temperature' : 'power'] })
        expect(rejections[0]?.detail).to.match(detail)
      })
    }

    it('and takes its neighbours', () => {
      const { samples, rejections } = translate('samples: [{ quantities: { power: $.a, weight: $.b } }]', { a: 'x', b: 2 })
      expect(samples.map(valuesOf)).to.deep.equal([{ weight: 2 }])
      expect(rejections[0]).to.deep.include({ samples: [0], quantities: ['power'] })
    })
  })

  it('uses the unit that the message names, or that it has if it names none', () => {
    const unit = 'unit: { path: $.u, map: { hPa: hPa, mmHg: "mm[Hg]" }, otherwise: kPa }'
    const text = `samples: [{ quantities: { pressure: { path: $.p, ${unit} } } }]`
    expect(values(text, { p: 750, u: 'mmHg' })).to.deep.equal([{ pressure: 999.915 }])
    expect(values(text, { p: 100 })).to.deep.equal([{ pressure: 1000 }])
    // Nobody knows what it is; it is not kPa.
    expect(translate(text, { p: 29.9, u: 'inHg' }).rejections[0]?.reason).to.equal('unknown-unit')
  })

  it('knows values that mean no reading, in numbers and in text, and counts the message', () => {
    const text = power('{ path: $.a, missing: [-1, nan, 327.67] }')
    for (const a of [-1, '-1', 'NaN', ' nan ', 327.67, '327.670', null])
      expect(translate(text, { a }), String(a)).to.deep.equal({ samples: [], rejections: [], ignored: 'no-reading' })
  })

  describe('gives each value to the first rule that finds it', () => {
    it('so that a rule for a special kind stands before the one for all', () => {
      const text =
        'samples:\n  - { each: "$.{s}", when: [{ text: "{s}", matches: "DS*" }], channel: "{s}", quantities: &q { temperature: "@.T" } }\n  - { each: "$.{s}", quantities: *q }'
      expect(
        outcomeOf(translate(text, { DS1: { T: 1 }, DS2: { T: 2 }, BME: { T: 3 } })).samples.map(({ device, values }) => [
          device,
          values.temperature,
        ]),
      ).to.deep.equal([
        ['d/DS1', 1],
        ['d/DS2', 2],
        ['d', 3],
      ])
    })

    it('so that three rules take three phases of one object', () => {
      const rule = (phase: string): string => `{ channel: ${phase}, quantities: { power: $.${phase}_power, voltage: $.${phase}_voltage } }`
      const payload = { a_power: 1, a_voltage: 230, b_power: 2, b_voltage: 231, c_power: 'x', c_voltage: 232 }
      const { samples, rejections } = translate(`samples: [${['a', 'b', 'c'].map(rule).join(', ')}]`, payload)
      expect(samples.map(({ channel, index, values: all }) => [channel, index, valuesOf({ values: all })])).to.deep.equal([
        ['a', 0, { power: 1, voltage: 230 }],
        ['b', 1, { power: 2, voltage: 231 }],
        ['c', 2, { voltage: 232 }],
      ])
      expect(rejections[0]).to.deep.include({ samples: [2], quantities: ['power'] })
    })

    it('so that two rules may take different bytes of one text, and not the same', () => {
      const at = (place: number): string => `{ path: $.d, bytes: { encoding: hex, at: ${place}, type: uint8 } }`
      const text = `samples: [{ channel: a, quantities: { power: ${at(0)} } }, { channel: b, quantities: { power: ${at(1)} } }, { channel: c, quantities: { power: ${at(0)} } }]`
      expect(outcomeOf(translate(text, { d: '0102' })).samples.map(({ device }) => device)).to.deep.equal(['d/a', 'd/b'])
    })
  })

  it('takes several lists of records, and a list or what is no list', () => {
    const both = 'samples: [{ each: ["$.probes[*]", $.inner], time: [{ path: "@.t", format: unix-s }], quantities: { power: "@.p" } }]'
    expect(values(both, { probes: [{ t: AT, p: 1 }], inner: { t: AT + 1, p: 2 } })).to.deep.equal([{ power: 1 }, { power: 2 }])
    const either = 'samples: [{ each: ["$[*]", $], quantities: { power: "@.p" } }]'
    expect(values(either, [{ p: 1 }, { p: 2 }])).to.deep.equal([{ power: 1 }, { power: 2 }])
    expect(values(either, { p: 3, q: { p: 4 } })).to.deep.equal([{ power: 3 }])
  })

  it('refuses an element of a list in which it finds nothing, unless a later rule does or it says ignore', () => {
    const rule = 'samples: [{ each: "$[*]", quantities: { power: "@.p" } }'
    expect(translate(`${rule}]`, [{ p: 1 }, { q: 2 }]).rejections).to.deep.include.members([
      { reason: 'nothing-found', detail: '$[1]: expected a value that the dialect x looks for, got {"q":2}', samples: [1], quantities: [] },
    ])
    expect(translate(`${rule}, { each: "$[*]", quantities: { weight: "@.q" } }]`, [{ p: 1 }, { q: 2 }]).rejections).to.deep.equal([])
    expect(translate(`${rule}]\notherwise: ignore`, [{ p: 1 }, { q: 2 }]).rejections).to.deep.equal([])
  })

  it('says of a message in which it finds nothing what it is, or counts it', () => {
    expect(translate(power('$.a'), { b: 1 })).to.deep.include({ samples: [], ignored: null })
    expect(translate(power('$.a'), { b: 1 }).rejections[0]?.detail).to.match(/got \{"b":1\}$/)
    expect(translate(`${power('$.a')}\notherwise: ignore`, { b: 1 })).to.deep.equal({ samples: [], rejections: [], ignored: 'otherwise' })
    expect(translate(`${power('$.a')}\nignore: [{ path: $.b, exists: true }]`, { a: 1, b: 1 }).ignored).to.equal('not-telemetry')
    expect(
      translate(`${power('$.a')}\nignore: [[{ path: $.b, exists: true }, { path: $.c, exists: true }]]`, { a: 1, b: 1 }).samples,
    ).to.have.length(1)
  })

  it('makes one sample of what is said of one device and time, and none of two values for one quantity', () => {
    const text =
      'time: { path: "@.t", format: unix-s }\nsamples: [{ each: "$[*]", name: "@.n", value: "@.v", quantities: { power: { named: [p, q] }, weight: { named: w } } }]'
    const of = (n: string, v: number, t = AT): unknown => ({ n, v, t })
    expect(values(text, [of('p', 1), of('w', 2), of('p', 3, AT + 1)])).to.deep.equal([{ power: 1, weight: 2 }, { power: 3 }])
    const { samples, rejections } = translate(text, [of('w', 2), of('p', 1), of('q', 1)])
    expect(samples.map(valuesOf)).to.deep.equal([{ weight: 2 }])
    expect(rejections[0]).to.deep.include({ reason: 'ambiguous', samples: [0], quantities: ['power'] })
    // A third one does not bring it back.
    expect(translate(text, [of('p', 1), of('q', 2), of('p', 3)])).to.deep.include({ samples: [] })
  })

  describe('makes the device', () => {
    it('of captures, without what does not belong to it', () => {
      const text =
        'device: { text: "{device}", remove_prefix: x_, remove_suffix: [_t, _h], replace: { ":": "-", " ": "_" } }\nsamples: [{ quantities: { power: $ } }]'
      const { samples } = translate(text, '1', 't/x_a:b c_t')
      expect(samples[0]).to.include({ device: 'a-b_c', fromTopic: true })
    })

    it('of the message, which is not the topic saying it', () => {
      const { samples } = translate('device: $.id\nsamples: [{ quantities: { power: $.p } }]', { id: 17, p: 1 })
      expect(samples[0]).to.include({ device: '17', fromTopic: false })
      expect(
        translate('samples: [{ each: "$.{s}", device: "{device}-{s}", quantities: { power: "@.p" } }]', { a: { p: 1 } }).samples[0],
      ).to.include({ device: 'd-a', fromTopic: false })
    })

    it('of several fields of the message', () => {
      const text = 'device: "{$.model}-{$.id}"\nsamples: [{ quantities: { temperature: $.t } }]'
      expect(translate(text, { model: 'TX29', id: 17, t: 1 }).samples[0]).to.include({ device: 'TX29-17', fromTopic: false })
      expect(translate(text, { model: 'TX29', t: 1 }).rejections[0]?.reason).to.equal('bad-device-id')
      const standard = 'device: "{@.model}-{@.id}"\nsamples: [{ quantities: standard }]'
      expect(translate(standard, { model: 'TX29', id: 17, temperature: 1 }).rejections).to.deep.equal([])
    })

    it('of the first that can be made', () => {
      const text = 'device: ["{device}-{phase}", "{device}"]\nsamples: [{ quantities: { power: $ } }]'
      expect(translate(text, '1', 't/d/power/L1').samples[0]?.device).to.equal('d-L1')
      expect(translate(text, '1', 't/d/power').samples[0]?.device).to.equal('d')
    })

    it('and refuses one that is no device ID', () => {
      for (const id of ['a/b', '', '-a', 'x'.repeat(65), 'a\u0000', '\u001b[2J', null, {}, '__proto__']) {
        const { samples, rejections } = translate('device: $.id\nsamples: [{ quantities: { power: $.p } }]', { id, p: 1 })
        expect(samples, String(id)).to.deep.equal([])
        expect(rejections[0]).to.deep.include({ reason: 'bad-device-id', samples: [0], quantities: [] })
        expect(rejections[0]?.detail).to.match(/^[^\p{Cc}]+$/u)
      }
    })

    it('with a channel, which a topic may lack but not a message', () => {
      const ofTopic = 'channel: "{phase}"\nsamples: [{ quantities: { power: $ } }]'
      expect(translate(ofTopic, '1', 't/d/power/L1').samples[0]).to.include({ device: 'd', channel: 'L1' })
      expect(translate(ofTopic, '1', 't/d/power').samples[0]).to.include({ device: 'd', channel: null })
      const ofMessage = 'channel: $.c\nsamples: [{ quantities: { power: $.p } }]'
      expect(translate(ofMessage, { c: 3, p: 1 }).samples[0]).to.include({ channel: '3' })
      for (const c of [undefined, null, 'a/b', 'x'.repeat(33)])
        expect(translate(ofMessage, { c, p: 1 }).rejections[0]?.reason).to.equal('bad-channel')
    })
  })

  it('has an identity of the topic alone', () => {
    const key = (text: string, topic: string): string => {
      const dialect = compile(`${text}\nsamples: [{ device: $.id, quantities: { power: $.p } }]`)
      return dialect.key(topic, dialect.match(topic) ?? {})
    }
    expect(key('topics: "t/{device}/{x}"', 't/d/1')).to.equal('d')
    expect(key('topics: "t/{gw}/{tag}"\nkey: "{gw}"', 't/g:1/x')).to.equal('g:1')
    expect(key('topics: "t/{net}/{node}"\ndevice: "{net}-{node}"', 't/a/b')).to.equal('a-b')
    expect(key('topics: "t/{net}/{node}"\ndevice: $.id', 't/a/b')).to.equal('t/a/b')
    expect(translate('key: "{device}"\nsamples: [{ quantities: { power: $ } }]', '1').samples[0]?.fromTopic).to.equal(false)
  })

  it('knows states', () => {
    const dialect = compile(
      'topics: "t/{name...}"\ndevice: { text: "{name}", replace: { "/": "-" } }\nsamples: [{ quantities: { power: $ } }]\nstatus: { topic: "t/{name...}/up", path: [$.state, $], map: { online: ready, "false": lost } }',
    )
    const read = (payload: string): unknown => {
      const { status } = dialect
      return status?.read(Buffer.from(payload), status.topic.match('t/a/b/up') ?? {})
    }
    expect(read('{"state": "online"}')).to.deep.equal({ device: 'a-b', state: 'ready' })
    expect(read('online')).to.deep.equal({ device: 'a-b', state: 'ready' })
    expect(read('false')).to.deep.equal({ device: 'a-b', state: 'lost' })
    expect(read('')).to.equal(undefined)
    expect(() => read('"asleep"')).to.throw('$: expected one of online, false, got "asleep"')
    expect(() => read('{"state": "online"')).to.throw('expected JSON')
  })

  describe('reads times', () => {
    const timed = (time: string, t: unknown): [string, boolean] | string => {
      const { samples, rejections } = translate(
        `time: ${time}\nsamples: [{ quantities: { power: $.p } }]`,
        typeof t === 'string' && t.startsWith('raw:') ? `{"p": 1, "t": ${t.slice(4)}}` : { t, p: 1 },
      )
      const [sample] = samples
      return sample === undefined ? (rejections[0]?.reason ?? 'nothing') : [iso(sample.micros), sample.estimated]
    }
    const receipt = '2026-11-29T03:30:05.250000'
    const cases: readonly (readonly [time: string, given: unknown, expected: [string, boolean] | string])[] = [
      ['{ path: $.t, format: iso8601 }', '2026-11-29T03:30:04.123456789Z', ['2026-11-29T03:30:04.123456', false]],
      ['{ path: $.t, format: iso8601 }', '2026-11-29T03:30:04', 'bad-time'],
      ['{ path: $.t, format: iso8601 }', AT, 'bad-time'],
      ['{ path: $.t, format: iso8601 }', null, [receipt, true]],
      ['{ path: $.t, format: iso8601 }', undefined, [receipt, true]],
      ['{ path: $.t, format: iso8601 }', {}, 'bad-time'],
      ['{ path: $.t, format: iso8601, zone: Europe/Vienna }', '2026-07-01T03:30:04', ['2026-07-01T01:30:04.000000', false]],
      ['{ path: $.t, format: iso8601, zone: Europe/Vienna }', '2026-07-01 03:30:04.5+00:00', ['2026-07-01T03:30:04.500000', false]],
      ['{ path: $.t, format: unix-s }', AT, ['2026-11-29T03:30:04.000000', false]],
      ['{ path: $.t, format: unix-s }', AT + 0.25, ['2026-11-29T03:30:04.250000', false]],
      ['{ path: $.t, format: unix-s }', ` ${AT} `, ['2026-11-29T03:30:04.000000', false]],
      ['{ path: $.t, format: unix-s }', AT * 1000, 'bad-time'],
      ['{ path: $.t, format: unix-s }', 0, 'bad-time'],
      ['{ path: $.t, format: unix-s }', -AT, 'bad-time'],
      ['{ path: $.t, format: unix-ms }', AT * 1000 + 30, ['2026-11-29T03:30:04.030000', false]],
      ['{ path: $.t, format: unix-ms }', `${AT}030`, ['2026-11-29T03:30:04.030000', false]],
      ['{ path: $.t, format: unix-ms }', AT, 'bad-time'],
      ['{ path: $.t, format: unix-us }', AT * 1e6 + 7, ['2026-11-29T03:30:04.000007', false]],
      ['{ path: $.t, format: unix-ns }', `raw:${AT}123456789`, ['2026-11-29T03:30:04.123456', false]],
      ['{ path: $.t, format: unix-ns }', `${AT}123456789`, ['2026-11-29T03:30:04.123456', false]],
      ['{ path: $.t, format: [iso8601, unix-s, unix-ms] }', AT * 1000, ['2026-11-29T03:30:04.000000', false]],
      ['{ path: $.t, format: unix-s }', 'raw:1e999', 'bad-time'],
      ['{ path: $.t, format: unix-s }', 'raw:1, "t": 2', 'repeated-name'],
      ['{ path: $.t, format: iso8601 }', '9999-01-01T00:00:00Z', 'bad-time'],
      ['{ path: $.t, format: iso8601, earliest: 2024-01-01 }', '1970-01-01T00:00:09Z', [receipt, true]],
      ['{ path: $.t, format: unix-s, earliest: 2024-01-01 }', 12, [receipt, true]],
      ['{ path: $.t, format: unix-s, earliest: 2024-01-01 }', '0', [receipt, true]],
      ['{ path: $.t, format: unix-s, earliest: 2024-01-01 }', 'x', 'bad-time'],
      ['[{ path: $.t, format: unix-s }, { receipt: true, floor: 1s }]', 'x', ['2026-11-29T03:30:05.000000', true]],
      ['{ receipt: true, floor: 10min }', 'x', ['2026-11-29T03:30:00.000000', true]],
      ['{ receipt: true }', AT, [receipt, true]],
      ['[{ path: $.u, format: unix-s }, { path: $.t, format: unix-s }]', AT, ['2026-11-29T03:30:04.000000', false]],
    ]
    for (const [time, given, expected] of cases) {
      it(`${time} of ${JSON.stringify(given)}`, () => {
        expect(timed(time, given)).to.deep.equal(expected)
      })
    }

    it('by a pattern, and of several fields', () => {
      const parts = '{ text: "{$.t.date} {$.t.time}", format: "%d.%m.%Y %H:%M:%S", zone: Europe/Vienna }'
      expect(timed(parts, { date: '29.11.2026', time: '4:30:04' })).to.deep.equal(['2026-11-29T03:30:04.000000', false])
      expect(timed(parts, { date: '31.11.2026', time: '4:30:04' })).to.equal('bad-time')
      expect(timed(parts, { date: '29.11.2026' })).to.deep.equal([receipt, true])
      expect(timed('{ path: $.t, format: "%Y%m%d%H%M%S" }', 20_261_129_043_004)).to.equal('bad-time')
      expect(timed('{ path: $.t, format: "%Y%m%d%H%M%S", zone: UTC }', 20_261_129_043_004)).to.deep.equal([
        '2026-11-29T04:30:04.000000',
        false,
      ])
    })

    it('in local time where an hour comes twice, or not at all', () => {
      const local = (t: string, received: string): string => {
        const dialect = compile(
          `${TOPICS}time: { path: $.t, format: iso8601, zone: Europe/Vienna }\nsamples: [{ quantities: { power: $.p } }]`,
        )
        const message = {
          topic: 't/d',
          payload: Buffer.from(JSON.stringify({ t, p: 1 })),
          receivedMicros: Date.parse(received) * 1000,
          retained: false,
        }
        return iso(dialect.translate(message, dialect.match('t/d') ?? {}).samples[0]?.micros ?? 0)
      }
      expect(local('2026-10-25T02:30:00', '2026-10-25T00:30:01Z')).to.equal('2026-10-25T00:30:00.000000')
      expect(local('2026-10-25T02:30:00', '2026-10-25T01:30:01Z')).to.equal('2026-10-25T01:30:00.000000')
      expect(local('2026-10-25T02:30:00', '2026-10-26T00:00:00Z')).to.equal('2026-10-25T01:30:00.000000')
      expect(local('2026-10-25T03:00:00', '2026-10-26T00:00:00Z')).to.equal('2026-10-25T02:00:00.000000')
      expect(local('2026-10-25T01:59:59.999999', '2026-10-26T00:00:00Z')).to.equal('2026-10-24T23:59:59.999999')
      // No clock that was put forward shows it.
      expect(local('2026-03-29T02:30:00', '2026-03-29T01:30:01Z')).to.equal('2026-03-29T01:30:00.000000')
      expect(local('2026-03-29T03:00:00', '2026-03-29T01:30:01Z')).to.equal('2026-03-29T01:00:00.000000')
    })

    it('estimates them so that moments differ and values of one moment do not', () => {
      const times = (text: string, payload: unknown): number[] => translate(text, payload).samples.map(({ micros }) => micros - RECEIVED)
      expect(times('samples: [{ each: "$[*]", quantities: { power: "@.p" } }]', [{ p: 1 }, { p: 2 }])).to.deep.equal([0, 1])
      expect(
        times('time: { path: $.t, format: unix-s }\nsamples: [{ each: "$.{s}", quantities: { power: "@.p", weight: "@.w" } }]', {
          a: { p: 1 },
          b: { w: 2 },
        }),
      ).to.deep.equal([0])
      expect(
        times('samples: [{ each: "$[*]", name: "@.n", value: "@.v", quantities: { power: { named: p }, weight: { named: w } } }]', [
          { n: 'p', v: 1 },
          { n: 'w', v: 2 },
        ]),
      ).to.deep.equal([0])
    })

    it('takes nothing without a time that the broker had retained', () => {
      const rejected = translate(power('$.p'), { p: 1 }, 't/d', { retained: true })
      expect(rejected).to.deep.include({ samples: [], ignored: null })
      expect(rejected.rejections[0]).to.deep.include({ reason: 'retained', samples: [] })
      expect(translate(`time: { receipt: true }\n${power('$.p')}`, { p: 1 }, 't/d', { retained: true })).to.deep.equal({
        samples: [],
        rejections: [],
        ignored: 'retained',
      })
      expect(
        translate(`time: { path: $.t, format: unix-s }\n${power('$.p')}`, { p: 1, t: AT }, 't/d', { retained: true }).samples,
      ).to.have.length(1)
    })
  })

  describe('bears', () => {
    it('a million members, and as many records', () => {
      const payload = `{${Array.from({ length: 1_000_000 }, (_, index) => `"${index}":1`).join()}}`
      expect(translate(power('$.a'), payload).rejections[0]?.reason).to.equal('nothing-found')
      expect(translate('samples: [{ each: "$.{s}", quantities: { power: "@" } }]', payload).rejections).to.deep.equal([
        { reason: 'too-many-samples', detail: 'expected at most 10000 records in a message, got more', samples: [], quantities: [] },
      ])
      expect(translate('samples: [{ quantities: standard }]', payload).rejections).to.have.length.at.most(21)
    }).timeout(20_000)

    it('records by the thousands for each of several rules', () => {
      const payload = Array.from({ length: 9_000 }, () => ({ p: 1 }))
      const rule = '{ each: "$[*]", quantities: { power: "@.p" } }'
      expect(translate(`samples: [${rule}, ${rule}]`, payload).rejections[0]?.reason).to.equal('too-many-samples')
    })

    it('names of control characters and of the prototype', () => {
      const text = 'samples: [{ each: "$.{s}", device: "{s}", quantities: { power: "@.p" } }]'
      const { samples, rejections } = translate(text, '{"__proto__": {"p": 1}, "constructor": {"p": 2}, "\\u001b[2J": {"p": 3}}')
      expect(samples.map(({ device }) => device)).to.deep.equal(['constructor'])
      expect(rejections.map(({ reason }) => reason)).to.deep.equal(['bad-device-id', 'bad-device-id'])
      for (const { detail } of rejections) expect(detail).to.match(/^[^\p{Cc}]+$/u)
      expect({}).to.not.have.property('p')
    })

    it('globs and texts that are made to be slow', () => {
      const text = 'samples: [{ name: "@.n", value: "@.v", quantities: { power: { named: "*a*a*a*a*a*b" } } }]'
      expect(translate(text, { n: 'a'.repeat(60_000), v: 1 }).rejections[0]?.reason).to.equal('nothing-found')
      const long = { path: '$.p', replace: { a: 'aaaaaaaaaa' } }
      expect(translate(power(JSON.stringify(long)), { p: 'a'.repeat(3_000) }).rejections).to.have.length(1)
    })
  })

  it('explains step by step what it finds', () => {
    const steps: string[] = []
    const text =
      'samples: [{ each: "$.{s}", when: [{ path: "@", type: object }], quantities: { temperature: { path: "@.T", unit: "[degF]" } } }]'
    translate(text, { a: { T: 50 }, b: 1, c: {} }, 't/d', { explain: (step) => steps.push(step) })
    expect(steps).to.deep.equal([
      'payload json: {"a":{"T":50},"b":1,"c":{}}',
      'rule 1, each $.{s}',
      '  $.a: {"T":50}',
      '    temperature: $.a.T 50, (value × 5 − 160) / 9 is 10 Cel',
      '    time: none in the message: the moment of receipt',
      '    sample 0: d at 2026-11-29T03:30:05.250Z (estimated): temperature 10 Cel',
      '  $.b: left out by `when`: $.b is 1, expected type object',
      '  $.c: {}',
      '    nothing that the rule looks for',
    ])
  })
})

function iso(micros: number): string {
  const ms = Math.floor(micros / 1000)
  return `${new Date(ms).toJSON().slice(0, -1)}${String(micros - ms * 1000).padStart(3, '0')}`
}
