import avro from 'avsc'
import { expect } from 'chai'
import fc from 'fast-check'
import { readFirmwares, readSchema } from '../../schemas/files.ts'
import { FrameReader } from '../../schemas/frame-reader.ts'
import { createJsonFrameEncoder } from './json-frame.ts'
import { JsonRefusal } from './json-samples.ts'

const generic = readFirmwares().find(({ firmware }) => firmware.id === 'generic-json')?.firmware
const avroType = avro.Type.forSchema(readSchema('firmware/generic-json').json as avro.Schema)

describe('JSON telemetry as a frame', () => {
  if (generic === undefined) throw new Error('schemas/firmware/generic-json.avsc is missing')
  const encode = createJsonFrameEncoder(generic)
  const quantities = generic.metrics.map(({ standard }) => standard)
  /** avsc is the independent decoder; it refuses bytes that are left over. */
  const decode = (json: unknown): Record<string, unknown> => {
    const bytes = encode(JSON.stringify(json), 258)
    expect([...bytes.subarray(0, 5)]).to.deep.equal([0, 0, 0, 1, 2])
    new FrameReader(generic).read(bytes, 5)
    return { ...(avroType.fromBuffer(bytes.subarray(5)) as Record<string, unknown>) }
  }
  const empty = Object.fromEntries(quantities.map((name) => [name, []]))
  const head = { boot: 0, seq: 0, dropped: 0 }

  it('has the first time as its base', () => {
    const frame = decode({ ts: '2026-11-23T04:00:00.250Z', temperature: 34.2, humidity: null })
    expect(frame).to.deep.equal({ ...empty, ...head, clock: 'SYNCED', base: 1_795_406_400_250, dt: [0], temperature: [34.2] })
  })

  it('is UPTIME with base 0 where the message gives no time', () => {
    expect(decode([{ power: 1 }, { power: -2 }])).to.deep.equal({ ...empty, ...head, clock: 'UPTIME', base: 0, dt: [0, 0], power: [1, -2] })
  })

  it('keeps the order of its samples: dt is negative where time goes back', () => {
    const frame = decode([5_000, 4_000, 9_000].map((ts) => ({ ts, weight: 1 })))
    expect(frame).to.include({ base: 5_000 }).and.to.have.deep.property('dt', [0, -1_000, 5_000])
  })

  it('has NaN where a sample lacks a quantity that another has', () => {
    const frame = decode([{ temperature: 1 }, { humidity: 2, temperature: null }])
    expect(frame).to.have.deep.property('temperature', [1, Number.NaN])
    expect(frame).to.have.deep.property('humidity', [Number.NaN, 2])
    expect(frame).to.have.deep.property('weight', [])
  })

  it('holds exactly the numbers of the message, for any message that is taken', () => {
    const value = fc.option(fc.double({ noNaN: true, noDefaultInfinity: true }), { nil: null })
    const sample = fc.dictionary(fc.constantFrom(...quantities), value, { noNullPrototype: true })
    const times = fc.array(fc.integer({ min: 0, max: 2 ** 31 - 1 }), { minLength: 200, maxLength: 200 })
    fc.assert(
      fc.property(fc.array(sample, { minLength: 1, maxLength: 200 }), fc.option(times), (samples, given) => {
        fc.pre(samples.some((each) => Object.values(each).some((number) => number !== null)))
        const frame = decode(given === null ? samples : samples.map((each, index) => ({ ...each, ts: given[index] })))
        for (const name of quantities) {
          const numbers = samples.map((each) => each[name] ?? Number.NaN)
          // JSON has no negative zero.
          const expected = numbers.every(Number.isNaN) ? [] : numbers.map((number) => number + 0)
          expect(frame[name]).to.deep.equal(expected)
        }
        let time = frame.base as number
        const decoded = (frame.dt as number[]).map((difference) => (time += difference))
        expect(decoded).to.deep.equal(samples.map((_, index) => given?.[index] ?? 0))
      }),
    )
  })

  const refused: readonly (readonly [string, string, RegExp])[] = [
    ['broken JSON', '{"temperature": 3', /^expected JSON: /],
    ['an empty array', '[]', /at least one sample/],
    ['an empty object', '{}', /at least one quantity.*\{\}/],
    ['only nulls', '{"temperature": null}', /at least one quantity/],
    ['a number as a sample', '[{"power": 1}, 7]', /^sample 1: expected an object, got 7/],
    ['an unknown field', '{"temprature": 3}', /"temprature" is no standard quantity; expected temperature, humidity/],
    ['a field of Object.prototype', '{"__proto__": 3}', /"__proto__" is no standard quantity/],
    ['text for a number', '{"temperature": "34"}', /"temperature": expected a finite number or null, got "34"/],
    ['a boolean for a number', '{"temperature": true}', /got true/],
    ['a number beyond doubles', '{"temperature": 1e999}', /expected a finite number/],
    ['an object for a number', '{"temperature": {"value": 3}}', /got \{"value":3\}/],
    ['times in some samples only', '[{"ts": 1, "power": 1}, {"power": 1}]', /^sample 1: expected "ts" in all samples or in none/],
    ['times in later samples only', '[{"power": 1}, {"ts": 1, "power": 1}]', /^sample 1: expected "ts" in all samples or in none/],
    ['a time without offset', '{"ts": "2026-11-23T04:00:00", "power": 1}', /"ts": expected ISO 8601 with an offset/],
    ['null for a time', '{"ts": null, "power": 1}', /"ts": expected .* got null/],
    ['samples more than 24 days apart', '[{"ts": 0, "power": 1}, {"ts": 3000000000, "power": 1}]', /^sample 1: .*24 days/],
  ]
  for (const [what, text, detail] of refused) {
    it(`refuses ${what}`, () => {
      expect(() => encode(text, 1)).to.throw(JsonRefusal, detail)
    })
  }

  it('shows no more than the beginning of a long value', () => {
    expect(() => encode(JSON.stringify({ temperature: 'x'.repeat(10_000) }), 1))
      .to.throw(JsonRefusal)
      .with.property('message')
      .with.lengthOf.below(250)
  })
})
