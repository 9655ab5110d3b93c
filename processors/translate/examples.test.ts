import { readdirSync, readFileSync } from 'node:fs'
import { expect } from 'chai'
import fc from 'fast-check'
import { projectRoot, readDialects } from '../../schemas/files.ts'
import { compileDialect } from './dialect.ts'
import { type Example, exampleFaults, parseExample, valuesOf } from './example.ts'
import type { CompiledDialect, Translation } from './translation.ts'

const FOLDER = `${projectRoot}schemas/dialects/examples`
const MUTATIONS = 100

describe('the dialects that come with Millrace', () => {
  const dialects = new Map(readDialects().map((dialect) => [dialect.name, compileDialect(dialect)]))
  const examples = readdirSync(FOLDER)
    .sort()
    .map((file) => ({ file, example: parseExample(readFileSync(`${FOLDER}/${file}`, 'utf8')) }))
  const dialectOf = ({ dialect }: Example): CompiledDialect => {
    const found = dialects.get(dialect)
    if (found === undefined) throw new Error(`there is no dialect ${dialect}`)
    return found
  }

  it('have an example each', () => {
    expect([...new Set(examples.map(({ example }) => example.dialect))].sort()).to.deep.equal([...dialects.keys()].sort())
  })

  for (const { file, example } of examples) {
    it(`do what ${file} says`, () => {
      expect(exampleFaults(dialectOf(example), example)).to.deep.equal([])
    })
  }

  for (const { file, example } of examples) {
    const { message } = example
    const dialect = dialectOf(example)
    const captures = dialect.match(message.topic)
    if (captures === undefined) continue
    const translate = (payload: Buffer): Translation => dialect.translate({ ...message, payload }, captures)

    it(`bear a hundred mutations of ${file}: no throw, no silence, no value that was not there`, () => {
      const before = new Set(translate(message.payload).samples.flatMap(sayings))
      fc.assert(
        fc.property(mutated(message.payload), ({ payload, mayChange }) => {
          const { samples, rejections, ignored } = translate(payload)
          expect(samples.length + rejections.length > 0 || ignored !== null).to.equal(true)
          for (const { detail } of rejections) expect(detail).to.match(/^[^\p{Cc}]{5,700}$/u)
          if (!mayChange) for (const saying of samples.flatMap(sayings)) expect([...before]).to.include(saying)
        }),
        { numRuns: MUTATIONS, seed: 12 },
      )
    })
  }
})

function sayings(sample: Translation['samples'][number]): readonly string[] {
  return Object.entries(valuesOf(sample)).map(([name, value]) => `${sample.device} ${name} ${value}`)
}

interface Mutation {
  readonly payload: Buffer
  /** Whether it may be another message of the device: cut off, a number of text is another. */
  readonly mayChange: boolean
}

function mutated(payload: Buffer): fc.Arbitrary<Mutation> {
  const cut = fc.nat(payload.length).map((length) => ({ payload: payload.subarray(0, length), mayChange: true }))
  const flipped = fc.tuple(fc.nat(Math.max(0, payload.length - 1)), fc.integer({ min: 1, max: 255 })).map(([at, bits]) => {
    const bytes = Buffer.from(payload)
    bytes[at] = (bytes[at] ?? 0) ^ bits
    return { payload: bytes, mayChange: true }
  })
  const others = fc
    .constantFrom(
      '',
      'x',
      'null',
      '{}',
      '[]',
      '1e999',
      '-',
      'NaN',
      '21,5',
      '1,234.5',
      '\0',
      '[[[[1]]]]',
      '9'.repeat(5_000),
      '{"__proto__":1}',
    )
    .map((text) => ({ payload: Buffer.from(text), mayChange: true }))
  const places = placesIn(payload)
  if (places.length === 0) return fc.oneof(cut, flipped, others)
  const field = fc.tuple(fc.constantFrom(...places), fc.constantFrom(...REPLACEMENTS)).map(([place, replace]) => ({
    payload: Buffer.from(replaced(JSON.parse(payload.toString()), place, replace)),
    // In a list without one, the others have another place.
    mayChange: replace === leftOut && typeof place.at(-1) === 'number',
  }))
  return fc.oneof({ weight: 6, arbitrary: field }, cut, flipped, others)
}

type Place = readonly (string | number)[]

/** Every place in a message of JSON; none if it is not. */
function placesIn(payload: Buffer): readonly Place[] {
  let json: unknown
  try {
    json = JSON.parse(payload.toString())
  } catch {
    return []
  }
  const places: Place[] = []
  const visit = (value: unknown, place: Place): void => {
    if (place.length > 0) places.push(place)
    if (typeof value === 'object' && value !== null)
      for (const [key, each] of Object.entries(value)) visit(each, [...place, Array.isArray(value) ? Number(key) : key])
  }
  visit(json, [])
  return places
}

/** Text that stands for JSON which `JSON.stringify` does not write. */
const RAW = 'raw:'
const MISSING = Symbol('missing')
const leftOut = (): unknown => MISSING
const REPLACEMENTS: readonly ((value: unknown) => unknown)[] = [
  leftOut,
  () => null,
  () => 'text',
  () => '',
  () => true,
  () => ({}),
  () => [],
  (value) => ({ value }),
  (value) => [value],
  (value) => [[[[[[[[value]]]]]]]],
  () => `${RAW}1e999`,
  () => `${RAW}-1e999`,
  () => `${RAW}${'9'.repeat(500)}`,
  () => `${RAW}${'['.repeat(70)}${']'.repeat(70)}`,
  () => 'x'.repeat(10_000),
  () => '\u001b[31m\u0000\u009b',
]

function replaced(json: unknown, place: Place, replace: (value: unknown) => unknown): string {
  const change = (value: unknown, at: number): unknown => {
    const key = place[at]
    if (key === undefined) return replace(value)
    if (Array.isArray(value))
      return value.map((each, index) => (index === key ? change(each, at + 1) : each)).filter((each) => each !== MISSING)
    const entries = Object.entries(value as Record<string, unknown>)
    return Object.fromEntries(
      entries.map(([name, each]) => [name, name === key ? change(each, at + 1) : each] as const).filter(([, each]) => each !== MISSING),
    )
  }
  return JSON.stringify(change(json, 0)).replace(/"raw:([^"]*)"/, '$1')
}
