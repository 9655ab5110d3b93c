import type { Example } from '../../processors/translate/example.ts'

/** A message that a damaged, foreign or hostile device might send. */
export interface Mutant {
  readonly topic: string
  readonly payload: Buffer
}

type Random = () => number
type Mutation = (payload: Buffer, random: Random, others: readonly Buffer[]) => Buffer

/** Values that no field of a well-made message has. */
const VALUES: readonly string[] = [
  'null',
  'true',
  '1e999',
  '-1e308',
  '""',
  '"NaN"',
  '[]',
  '{}',
  '[[[[1]]]]',
  '9007199254740993',
  '"2026-13-45T99:99:99Z"',
  '"\\u0000"',
  '{"__proto__":{"temperature":1}}',
]

const mutations: readonly Mutation[] = [
  (payload) => payload,
  (payload, random) => payload.subarray(0, below(payload.length, random)),
  (payload, random) => {
    const changed = Buffer.from(payload)
    for (let times = 0; times < 3; times++) {
      const place = below(changed.length, random)
      changed[place] = (changed[place] ?? 0) ^ (1 << below(8, random))
    }
    return changed
  },
  (payload, random) => {
    const place = below(payload.length, random)
    return Buffer.concat([payload.subarray(0, place), Buffer.from([below(256, random)]), payload.subarray(place)])
  },
  (payload) => Buffer.concat([payload, payload]),
  // One value of JSON becomes something else.
  (payload, random) => replaced(payload, /-?\d+(?:\.\d+)?|"[^"]*"(?=\s*[,}\]])/g, pick(VALUES, random), random),
  // One name of JSON becomes another's.
  (payload, random) => replaced(payload, /"[^"]*"(?=\s*:)/g, pick(['"temperature"', '"ts"', '"__proto__"', '""'], random), random),
  (payload, random) => Buffer.from(`${'['.repeat(1 + below(200, random))}${String(payload)}`),
  (_, random, others) => pick(others, random),
  (_, random) => Buffer.from(pick(VALUES, random)),
]

/**
 * Damaged messages of all examples, the same ones for the same seed.
 * @param taken whether a dialect takes a topic: others never come from the broker
 */
export function mutants(examples: readonly Example[], seed: number, count: number, taken: (topic: string) => boolean): readonly Mutant[] {
  const random = randomOf(seed)
  const messages = examples.map(({ message }) => message).filter(({ topic }) => taken(topic))
  const payloads = messages.map(({ payload }) => payload)
  return Array.from({ length: count }, (_, index) => {
    const { topic, payload } = messages[index % messages.length] as (typeof messages)[number]
    const other = topicOf(topic, random)
    return { topic: taken(other) ? other : topic, payload: pick(mutations, random)(payload, random, payloads) }
  })
}

/** Mostly as it is; now and then a level is what no device should be called. */
function topicOf(topic: string, random: Random): string {
  if (random() < 0.8) return topic
  const levels = topic.split('/')
  levels[below(levels.length, random)] = pick(['ü ñ', '-', 'x'.repeat(300), '__proto__', "a'b", '0'], random)
  return levels.join('/')
}

function replaced(payload: Buffer, what: RegExp, by: string, random: Random): Buffer {
  const text = payload.toString('latin1')
  const places = [...text.matchAll(what)]
  if (places.length === 0) return Buffer.from(by)
  const place = pick(places, random)
  return Buffer.from(`${text.slice(0, place.index)}${by}${text.slice(place.index + place[0].length)}`, 'latin1')
}

function below(end: number, random: Random): number {
  return Math.floor(random() * end)
}

function pick<T>(all: readonly T[], random: Random): T {
  return all[below(all.length, random)] as T
}

/** Mulberry32 of Tommy Ettinger: 32 bits of state are enough for a few hundred messages. */
function randomOf(seed: number): Random {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
