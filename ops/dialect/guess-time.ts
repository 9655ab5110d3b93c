import type { TimeFormat } from '../../schemas/dialect.ts'
import { wordsOf } from './guess-quantity.ts'
import { type Leaf, namesOf, numberOf } from './leaves.ts'

/** How a value seems to say when something was measured. */
export interface TimeGuess {
  readonly leaf: Leaf
  readonly formats: readonly TimeFormat[]
  /** IANA name, for texts without offset. */
  readonly zone: string | undefined
  /** Hours that its texts are ahead of UTC. */
  readonly aheadHours: number
  /** Higher is surer. */
  readonly score: number
}

const NAMES: readonly string[] = [
  ...[
    'ts',
    'time',
    'timestamp',
    'datetime',
    'date',
    'tst',
    'measured',
    'zeit',
    'zeitstempel',
    'utc',
    'epoch',
    'at',
    't',
    'when',
    'unixtime',
  ],
  ...['last', 'seen', 'received', 'created', 'sent', 'moment', 'heure', 'hora', 'tijd', 'recorded', 'acquired', 'timems', 'timestampms'],
]
/** A time, but not the one of the measurement if another is there. */
const WORSE: ReadonlySet<string> = new Set(['created', 'sent', 'start', 'boot', 'update', 'updated', 'since', 'received'])
const HOUR_MICROS = 3_600_000_000
const DAY_MICROS = 24 * HOUR_MICROS
/** How long a message may have waited before it was heard. */
const MOST_AGE_MICROS = 400 * DAY_MICROS
const UNITS = [
  ['unix-s', 1e6],
  ['unix-ms', 1e3],
  ['unix-us', 1],
  ['unix-ns', 1e-3],
] as const
const LOCAL = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?$/i
const WITH_OFFSET = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2})?)(?:[.,]\d+)?(Z|[+-]\d{2}(?::?\d{2})?)$/i

/**
 * The values that are times near the moments of receipt, the likeliest first. A number that is far
 * from them, such as an uptime, is none.
 * @param receivedMicros of the trees, by their index
 */
export function guessTimes(leaves: readonly Leaf[], receivedMicros: readonly number[]): readonly TimeGuess[] {
  return leaves
    .map((leaf) => guessTime(leaf, receivedMicros))
    .filter((guess) => guess !== undefined)
    .sort((a, b) => b.score - a.score)
}

function guessTime(leaf: Leaf, receivedMicros: readonly number[]): TimeGuess | undefined {
  const words = wordsOf(namesOf(leaf.steps).at(-1) ?? '')
  if (!words.some((word) => NAMES.includes(word))) return undefined
  const seen = leaf.values
    .filter(({ value }) => value !== null && value !== '')
    .map(({ tree, value }) => ({ value, received: receivedMicros[tree] ?? 0 }))
  if (seen.length === 0) return undefined
  const score = 10 - leaf.steps.length - words.filter((word) => WORSE.has(word)).length * 3 - words.length / 10
  const formats = seen.map(({ value, received }): TimeFormat | undefined => {
    const [unix] = UNITS.find(([, micros]) => isNear((numberOf(value) ?? Number.NaN) * micros, received)) ?? []
    return unix ?? (isNear(instantOf(value), received) ? 'iso8601' : undefined)
  })
  if (formats.every((format) => format !== undefined))
    return { leaf, formats: [...new Set(formats)], zone: undefined, aheadHours: 0, score }
  const ahead = seen.map(({ value, received }) => (localOf(value) - received) / HOUR_MICROS)
  // Clocks differ by seconds, zones by quarters of an hour. One that was not set does not count.
  const set = ahead.filter((hours) => Math.abs(hours) < 15).sort((a, b) => a - b)
  const median = set[Math.floor(set.length / 2)]
  if (median === undefined || ahead.some(Number.isNaN)) return undefined
  const aheadHours = Math.round(median * 4) / 4
  return { leaf, formats: ['iso8601'], zone: zoneOf(aheadHours), aheadHours, score }
}

function isNear(micros: number, received: number): boolean {
  return micros > received - MOST_AGE_MICROS && micros < received + DAY_MICROS
}

function instantOf(value: unknown): number {
  const [, date, time, offset] = (typeof value === 'string' ? WITH_OFFSET.exec(value) : null) ?? []
  if (offset === undefined) return Number.NaN
  const colon = /^[+-]\d{4}$/.test(offset) ? `${offset.slice(0, 3)}:${offset.slice(3)}` : offset.length === 3 ? `${offset}:00` : offset
  return Date.parse(`${date}T${time}${colon.toUpperCase()}`) * 1_000
}

/** A time without offset as if it were UTC. */
function localOf(value: unknown): number {
  return typeof value === 'string' && LOCAL.test(value) ? Date.parse(`${value.slice(0, 16).replace(' ', 'T')}Z`) * 1_000 : Number.NaN
}

/** A zone that is always so far ahead. Summer time is for a person to say. */
function zoneOf(aheadHours: number): string {
  if (aheadHours === 0) return 'UTC'
  const broken: Readonly<Record<string, string>> = {
    5.5: 'Asia/Kolkata',
    5.75: 'Asia/Kathmandu',
    9.5: 'Australia/Darwin',
    3.5: 'Asia/Tehran',
  }
  // The signs of these names are the other way round (tzdata, file etcetera).
  return broken[aheadHours] ?? `Etc/GMT${aheadHours > 0 ? '-' : '+'}${Math.abs(Math.round(aheadHours))}`
}
