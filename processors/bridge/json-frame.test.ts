import avro from 'avsc'
import { expect } from 'chai'
import fc from 'fast-check'
import { readFirmwares, readSchema } from '../../schemas/files.ts'
import { FrameReader } from '../../schemas/frame-reader.ts'
import type { RecordPart, Rejection } from '../contract.ts'
import { createEstimatedTimes } from './estimated-times.ts'
import { createJsonFrameEncoder, type JsonFrameEncoder } from './json-frame.ts'
import { JsonRefusal } from './json-samples.ts'
import { TextRefusal } from './json-text.ts'

const generic = readFirmwares().find(({ firmware }) => firmware.id === 'generic-json')?.firmware
const avroType = avro.Type.forSchema(readSchema('firmware/generic-json').json as avro.Schema)
const RECEIVED_MICROS = 1_795_406_400_250_000

describe('JSON telemetry as a frame', () => {
  if (generic === undefined) throw new Error('schemas/firmware/generic-json.avsc is missing')
  const quantities = generic.metrics.map(({ standard }) => standard)
  let encoder: JsonFrameEncoder

  beforeEach(() => {
    encoder = createJsonFrameEncoder(generic, createEstimatedTimes())
  })

  const encode = (payload: Buffer | string, only?: RecordPart): Buffer =>
    encoder.encode({ payload: Buffer.from(payload), device: 'a', receivedMicros: RECEIVED_MICROS, retained: false, only }, 258)
  /** avsc is the independent decoder; it refuses bytes that are left over. */
  const decode = (text: Buffer | string, only?: RecordPart): Record<string, unknown> => {
    const bytes = encode(text, only)
    expect([...bytes.subarray(0, 5)]).to.deep.equal([0, 0, 0, 1, 2])
    new FrameReader(generic).read(bytes, 5)
    return { ...(avroType.fromBuffer(bytes.subarray(5)) as Record<string, unknown>) }
  }
  const decodeJson = (json: unknown): Record<string, unknown> => decode(JSON.stringify(json))
  const empty = Object.fromEntries(quantities.map((name) => [name, []]))
  const head = { boot: 0, seq: 0, dropped: 0 }

  it('has the first time as its base, in microseconds', () => {
    expect(decodeJson({ ts: '2026-11-23T04:00:00.250001Z', temperature: 34.2, humidity: null })).to.deep.equal({
      ...empty,
      ...head,
      clock: 'SYNCED',
      base: 1_795_406_400_250_001,
      dt: [0],
      temperature: [34.2],
    })
  })

  it('keeps samples apart that are within one millisecond', () => {
    const frame = decodeJson(['00.000100', '00.000600', '00.001100'].map((s) => ({ ts: `2026-11-23T04:00:${s}Z`, vibration: 1 })))
    expect(frame).to.include({ base: 1_795_406_400_000_100 }).and.to.have.deep.property('dt', [0, 500, 500])
  })

  for (const [what, json] of [
    ['no times', [{ power: 1 }, { power: -2 }]],
    [
      'null for times',
      [
        { ts: null, power: 1 },
        { ts: null, power: -2 },
      ],
    ],
  ] as const) {
    it(`has estimated times that differ if the message gives ${what}`, () => {
      expect(decodeJson(json)).to.deep.equal({
        ...empty,
        ...head,
        clock: 'ESTIMATED',
        base: RECEIVED_MICROS,
        dt: [0, 1],
        power: [1, -2],
      })
    })
  }

  it('is strictly later than the message before, if both came without a time within one millisecond', () => {
    decodeJson([{ power: 1 }, { power: 2 }])
    expect(decodeJson({ power: 3 })).to.include({ base: RECEIVED_MICROS + 2 })
    expect(decodeJson({ power: 4 })).to.include({ base: RECEIVED_MICROS + 3 })
  })

  it('keeps the order of its samples: dt is negative where time goes back', () => {
    const frame = decodeJson([1_700_000_005, 1_700_000_004, 1_700_000_009].map((ts) => ({ ts, weight: 1 })))
    expect(frame).to.include({ base: 1_700_000_005_000_000 }).and.to.have.deep.property('dt', [0, -1_000_000, 5_000_000])
  })

  it('holds samples that are decades apart', () => {
    const frame = decodeJson(['1970-01-01T00:00:00Z', '2112-01-01T00:00:00Z', '2026-11-23T04:00:00Z'].map((ts) => ({ ts, weight: 1 })))
    expect(frame).to.include({ base: 0 }).and.to.have.deep.property('dt', [0, 4_481_049_600_000_000, -2_685_643_200_000_000])
  })

  it('has NaN where a sample lacks a quantity that another has', () => {
    const frame = decodeJson([{ temperature: 1 }, { humidity: 2, temperature: null }])
    expect(frame).to.have.deep.property('temperature', [1, Number.NaN])
    expect(frame).to.have.deep.property('humidity', [Number.NaN, 2])
    expect(frame).to.have.deep.property('weight', [])
  })

  it('takes UTF-8 with a byte order mark, and characters of any length in what it refuses', () => {
    expect(decode('\ufeff{"temperature": 20}')).to.have.deep.property('temperature', [20])
    expect(() => encode('{"温度": 20}')).to.throw(JsonRefusal, '"温度" is no standard quantity')
  })

  it('holds exactly the numbers of the message, for any message that is taken', () => {
    const value = fc.option(fc.double({ noNaN: true, noDefaultInfinity: true }), { nil: null })
    const sample = fc
      .dictionary(fc.constantFrom(...quantities), value, { noNullPrototype: true })
      .filter((each) => Object.values(each).some((number) => number !== null))
    const times = fc.array(fc.integer({ min: 1e9, max: 4.5e9 }), { minLength: 200, maxLength: 200 })
    fc.assert(
      fc.property(fc.array(sample, { minLength: 1, maxLength: 200 }), fc.option(times), (samples, given) => {
        const frame = decodeJson(given === null ? samples : samples.map((each, index) => ({ ...each, ts: given[index] })))
        for (const name of quantities) {
          const numbers = samples.map((each) => each[name] ?? Number.NaN)
          // JSON has no negative zero.
          const expected = numbers.every(Number.isNaN) ? [] : numbers.map((number) => number + 0)
          // An array in which only null was given is as good as an empty one.
          if (expected.length > 0 || (frame[name] as number[]).some((number) => !Number.isNaN(number)))
            expect(frame[name]).to.deep.equal(expected)
        }
        let time = frame.base as number
        const decoded = (frame.dt as number[]).map((difference) => (time += difference))
        if (given !== null) expect(decoded).to.deep.equal(samples.map((_, index) => (given[index] ?? 0) * 1e6))
        expect(encoder.rejections).to.deep.equal([])
      }),
    )
  })

  const refused: readonly (readonly [string, Buffer | string, RegExp])[] = [
    ['broken JSON', '{"temperature": 3', /^expected JSON: /],
    ['a comma for a point', '{"temperature": 21,5}', /^expected JSON: /],
    ['a number that is none', '{"temperature": NaN}', /^expected JSON: /],
    ['a NUL at the end', '{"temperature": 3}\0', /^expected JSON: byte 00 at position 18 of 19 has no place in it/],
    ['an escape sequence', '{"temperature":\x1b]0;x\x07}', /^expected JSON: byte 1b at position 15 of 22/],
    ['bytes that are no UTF-8', Buffer.from('{"temperatur\xff": 3}', 'latin1'), /^expected UTF-8, got byte ff at position 12 of 18/],
    ['an empty array', '[]', /at least one sample/],
    ['an empty object', '{}', /at least one quantity.*\{\}/],
    ['nothing but a time', '{"ts": 1795406400}', /at least one quantity/],
    ['only nulls', '{"temperature": null}', /at least one quantity/],
    ['numbers as samples', '[7, 8]', /^sample 0: expected an object, got 7; and 1 more/],
    ['an unknown field', '{"temprature": 3}', /^"temprature" is no standard quantity; expected temperature, humidity/],
    ['a field of Object.prototype', '{"__proto__": 3}', /"__proto__" is no standard quantity/],
    ['text for a number', '{"temperature": "34"}', /"temperature": expected a finite number or null, got "34"/],
    ['a boolean for a number', '{"temperature": true}', /got true/],
    ['a number beyond doubles', '{"temperature": 1e999}', /expected a finite number or null, got a number too large for a double/],
    ['an object for a number', '{"temperature": {"value": 3}}', /got \{"value":3\}/],
    ['a time without offset', '{"ts": "2026-11-23T04:00:00", "power": 1}', /"ts": expected ISO 8601 with an offset/],
    ['a time in no unit', '{"ts": 0, "power": 1}', /"ts": expected .* 10 digits \(seconds\) or 13 \(milliseconds\), got 0/],
    ['a time in year 1', '{"ts": "0001-01-01T00:00:00Z", "power": 1}', /"ts": expected a time from 1970 to 2112, got "0001/],
    ['a name that is there twice', '{"temperature":1,"temperature":2}', /"temperature": expected once, it is there twice/],
    ['two times', '{"ts":1795923701,"ts":1795923702,"temperature":3}', /"ts": expected once/],
    ['JSON of 30,000 levels', `${'['.repeat(30_000)}${']'.repeat(30_000)}`, /expected an object, got \[\[/],
    [
      'a value of 30,000 levels',
      `{"power": ${'['.repeat(30_000)}${']'.repeat(30_000)}}`,
      /"power": expected a finite number or null, got \[\[/,
    ],
  ]
  for (const [what, payload, detail] of refused) {
    it(`refuses ${what}`, () => {
      expect(() => encode(payload)).to.throw(TextRefusal, detail)
    })
  }

  it('refuses more samples than a record should have', () => {
    expect(() => encode(`[${'{"power":1},'.repeat(10_000)}{"power":1}]`))
      .to.throw(JsonRefusal, 'expected at most 10000 samples in a message, got 10001')
      .and.to.have.property('reason', 'too-many-samples')
    expect(decode(`[${'{"power":1},'.repeat(9_999)}{"power":1}]`).power).to.have.length(10_000)
  })

  it('shows no more than the beginning of a long value', () => {
    expect(() => encode(JSON.stringify({ temperature: 'x'.repeat(10_000) })))
      .to.throw(JsonRefusal)
      .with.property('message')
      .with.lengthOf.below(250)
  })

  const partly: readonly (readonly [string, string, Partial<Rejection>, Record<string, readonly number[]>])[] = [
    [
      'a time in year 1 in an array',
      '[{"ts": "0001-01-01T00:00:00Z", "power": 1}, {"ts": 1795406400, "power": 2}]',
      { samples: [0], quantities: [] },
      { power: [2], dt: [0] },
    ],
    [
      'nothing but a time in an array',
      '[{"ts": 1795406400, "power": 1}, {"ts": 1795406401}]',
      { samples: [1], quantities: [] },
      { power: [1], dt: [0] },
    ],
    [
      'no time beside others',
      '[{"power": 1}, {"ts": 1795406400, "power": 2}, {"ts": null, "power": 3}]',
      { samples: [0], quantities: [] },
      { power: [2] },
    ],
    ['a strange field', '{"power": 1, "colour": 2}', { samples: [0], quantities: ['colour'] }, { power: [1] }],
    ['text for a number', '{"power": 1, "humidity": "2"}', { samples: [0], quantities: ['humidity'] }, { power: [1], humidity: [] }],
    [
      'a name that is there twice',
      '[{"power": 1}, {"power": 2, "\\u0068umidity": 3, "humidity" : 4}]',
      { samples: [1], quantities: ['humidity'] },
      { power: [1, 2] },
    ],
    ['a number as a sample', '[{"power": 1}, 7]', { samples: [1], quantities: [] }, { power: [1] }],
  ]
  for (const [what, payload, rejection, columns] of partly) {
    it(`leaves out ${what}, and takes the rest`, () => {
      const frame = decode(payload)
      expect(encoder.rejections[0]).to.deep.include({ reason: 'bad-json', ...rejection })
      for (const [name, values] of Object.entries(columns))
        expect(
          (frame[name] as number[]).filter((value) => !Number.isNaN(value)),
          name,
        ).to.deep.equal(values)
    })
  }

  it('does not mistake text with quotation marks in it for a name that is there twice', () => {
    decode('{"ts": "2026-11-23T04:00:00\\u005a", "power": 1}')
    expect(encoder.rejections).to.deep.equal([])
  })

  it('leaves samples with more strange names than can be told out as a whole', () => {
    const strange = Object.fromEntries(Array.from({ length: 21 }, (_, index) => [`x${index}`, 1]))
    const frame = decodeJson([{ power: 1 }, { power: 2, ...strange }, { power: 3 }])
    expect(frame.power).to.deep.equal([1, 3])
    expect(encoder.rejections.at(-1)).to.deep.include({ samples: [1], quantities: [] })
  })

  it('takes only the part that a redrive is about', () => {
    const payload = '[{"power": 1, "humidity": 2}, {"power": 3, "humidity": 4}, {"power": 5, "colour": 6}]'
    expect(decode(payload, { samples: [1, 2], quantities: [] })).to.deep.include({ power: [3, 5] })
    const frame = decode(payload, { samples: [1], quantities: ['humidity'] })
    expect(frame).to.deep.include({ humidity: [4], power: [] })
    expect(encoder.rejections).to.deep.equal([])
    expect(() => encode(payload, { samples: [2], quantities: ['colour'] })).to.throw(JsonRefusal, '"colour" is no standard quantity')
    expect(() => encode(payload, { samples: [7], quantities: [] })).to.throw(JsonRefusal, 'which the message does not have')
  })

  it('never throws anything but a refusal, and never loses a sample without a word', () => {
    const anything = fc.oneof(
      fc.json(),
      fc.string(),
      fc.jsonValue().map((value) => JSON.stringify([value, { power: 1 }])),
    )
    fc.assert(
      fc.property(anything, (text) => {
        try {
          const frame = decode(text)
          const samples: unknown = JSON.parse(text)
          const refusedSamples = new Set(encoder.rejections.flatMap((each) => each.samples))
          expect((frame.dt as number[]).length + refusedSamples.size).to.be.at.least(Array.isArray(samples) ? samples.length : 1)
        } catch (cause) {
          expect(cause).to.be.instanceOf(TextRefusal)
        }
      }),
    )
  })
})

describe('estimated times', () => {
  it('are the receipt, but later than the last of the device', () => {
    const times = createEstimatedTimes()
    expect([1000, 1000, 1000, 500, 2000].map((received) => times.take('a', received, 1))).to.deep.equal([1000, 1001, 1002, 1003, 2000])
    expect(times.take('b', 1000, 1)).to.equal(1000)
  })

  it('are never given twice, whatever comes, and need little memory', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(40), fc.integer({ min: 1, max: 5 }), fc.nat(3))),
        fc.integer({ min: 1, max: 8 }),
        (messages, remembered) => {
          const times = createEstimatedTimes(remembered)
          const given = new Set<string>()
          let now = 0
          for (const [device, count, pause] of messages) {
            now += pause * 1000
            const first = times.take(`d${device}`, now, count)
            for (let index = 0; index < count; index++) {
              const key = `${device} ${first + index}`
              expect(given.has(key)).to.equal(false)
              given.add(key)
            }
          }
        },
      ),
    )
    const times = createEstimatedTimes(100)
    for (let device = 0; device < 10_000; device++) times.take(`d${device}`, device * 1000, 1)
    expect(times.size).to.be.at.most(101)
  })
})
