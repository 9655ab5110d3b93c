import type { NamedTimeFormat, TimeFormat, TimeRule } from '../../schemas/dialect.ts'
import type { TimeParts } from '../../schemas/time-pattern.ts'
import { parseIso8601 } from '../iso8601.ts'
import { RepeatedMember } from './codecs/codec.ts'
import { compileOrigin, originText, pathsOf } from './origin.ts'
import type { Read, Scope } from './scope.ts'
import { shownValue } from './shown-value.ts'
import { type LocalTime, localTimeOf } from './zone.ts'

/** Up to 2112: a double holds these microseconds exactly, and their differences too. */
const LATEST_MICROS = 2 ** 52

/**
 * What a record says of its time: `value` is one, `receipt` that the dialect takes the moment of
 * receipt, `none` that there is none, `bad` that what is there cannot be read.
 */
export type TimeState = 'value' | 'receipt' | 'none' | 'bad' | 'repeated'

type Parse = (value: unknown, receivedMicros: number) => number

/** Reads times by the rules of a dialect: the first that can be read counts. */
export class TimeReader {
  state: TimeState = 'none'
  micros = Number.NaN
  /** Whether the dialect says where to look in a record, so that records are moments in time. */
  readonly ofRecord: boolean
  private readonly rules: readonly CompiledRule[]
  /** The rule that gave the time. */
  private used: CompiledRule | undefined

  /** @param rules undefined if the dialect says nothing of times */
  constructor(rules: readonly TimeRule[] | undefined) {
    this.ofRecord =
      rules === undefined || rules.some((rule) => rule.kind === 'value' && pathsOf(rule.origin).some(({ from }) => from === '@'))
    this.rules = (rules ?? []).map(compileRule)
  }

  /** The result is in `state` and `micros` until the next one. */
  read(scope: Scope, receivedMicros: number): void {
    let state: TimeState = 'none'
    for (const rule of this.rules) {
      if (rule.read === undefined) {
        this.state = 'receipt'
        this.used = rule
        this.micros = Math.floor(receivedMicros / rule.floorMicros) * rule.floorMicros
        return
      }
      const value = rule.read(scope)
      if (value === undefined || value === null) continue
      for (const parse of rule.parse) {
        const micros = parse(value, receivedMicros)
        if (micros >= rule.earliestMicros && micros < LATEST_MICROS) {
          this.state = 'value'
          this.used = rule
          this.micros = micros
          return
        }
      }
      if (rule.isUnset(value, receivedMicros)) continue
      state = value instanceof RepeatedMember ? 'repeated' : 'bad'
    }
    this.state = state
  }

  /** Where the time that was read last comes from. */
  told(scope: Scope): string {
    if (this.state === 'none') return 'none in the message: the moment of receipt'
    const used = this.used
    if (used === undefined) return this.state
    const rule = `time[${this.rules.indexOf(used)}]`
    if (used.read === undefined)
      return `${rule}: the moment of receipt${used.floorMicros > 1 ? `, cut down to ${used.floorMicros / 1e6} s` : ''}`
    return `${rule}: ${used.place(scope)} ${shownValue(used.read(scope))}, ${used.expected.join(' or ')}${used.zone === undefined ? '' : ` in ${used.zone}`}`
  }

  /** What is wrong with a time of which the state is `bad` or `repeated`. */
  explain(scope: Scope): string {
    const found = this.rules.filter(({ read }) => {
      const value = read?.(scope)
      return value !== undefined && value !== null
    })
    const [first] = found
    const value = first?.read?.(scope)
    const places = [...new Set(found.map(({ place }) => place(scope)))].join(', ')
    if (value instanceof RepeatedMember) return `${places}: expected once, got ${value}`
    const expected = [...new Set(found.flatMap((rule) => rule.expected))].join(', or ')
    return `${places}: expected ${expected}, from 1970 to 2112, got ${shownValue(value)}`
  }
}

interface CompiledRule {
  /** Undefined for the moment of receipt. */
  readonly read: Read | undefined
  readonly floorMicros: number
  readonly earliestMicros: number
  readonly parse: readonly Parse[]
  readonly expected: readonly string[]
  readonly place: (scope: Scope) => string
  readonly zone: string | undefined
  /** Whether the value is of a clock that is not set. */
  readonly isUnset: (value: unknown, receivedMicros: number) => boolean
}

function compileRule(rule: TimeRule): CompiledRule {
  if (rule.kind === 'receipt') {
    const nothing = { parse: [], expected: [], place: () => '', zone: undefined, isUnset: () => false }
    return { ...nothing, read: undefined, floorMicros: rule.floorMicros, earliestMicros: 0 }
  }
  const { earliestMicros, formats } = rule
  const local = rule.zone === undefined ? undefined : localTimeOf(rule.zone)
  const parse = formats.map((format) => compileFormat(format, local))
  return {
    read: compileOrigin(rule.origin),
    floorMicros: 1,
    earliestMicros,
    parse,
    expected: formats.map((format) => expectedOf(format, local !== undefined)),
    place: originText(rule.origin),
    zone: rule.zone,
    isUnset: (value, receivedMicros) =>
      earliestMicros > 0 &&
      (parse.some((each) => each(value, receivedMicros) < earliestMicros) ||
        formats.some((format) => unixMicros(value, format) < earliestMicros)),
  }
}

function expectedOf(format: TimeFormat, isLocal: boolean): string {
  if (typeof format === 'object') return format.text
  return format === 'iso8601' && isLocal ? 'ISO 8601' : EXPECTED[format]
}

const EXPECTED: Readonly<Record<NamedTimeFormat, string>> = {
  iso8601: 'ISO 8601 with an offset or Z',
  'unix-s': 'seconds since 1970 (10 digits)',
  'unix-ms': 'milliseconds since 1970 (13 digits)',
  'unix-us': 'microseconds since 1970 (16 digits)',
  'unix-ns': 'nanoseconds since 1970 (19 digits)',
}

function compileFormat(format: TimeFormat, local: LocalTime | undefined): Parse {
  if (typeof format === 'object')
    return (value, receivedMicros) => {
      const parts = typeof value === 'string' || typeof value === 'number' ? format.match(String(value)) : undefined
      return parts === undefined ? Number.NaN : microsOf(parts, local, receivedMicros)
    }
  if (format !== 'iso8601') return (value) => parseUnix(value, format)
  if (local === undefined) return (value) => (typeof value === 'string' ? parseIso8601(value) : Number.NaN)
  return (value, receivedMicros) =>
    typeof value === 'string' ? parseIso8601(value, (localMicros) => local(localMicros, receivedMicros)) : Number.NaN
}

/** The same text as ISO 8601 is read by the one who knows calendars. */
function microsOf(
  { year, month, day, hour, minute, second, micros, offset }: TimeParts,
  local: LocalTime | undefined,
  receivedMicros: number,
): number {
  const two = (number: number): string => String(number).padStart(2, '0')
  const zone =
    offset === undefined ? '' : `${offset < 0 ? '-' : '+'}${two(Math.floor(Math.abs(offset) / 60))}:${two(Math.abs(offset) % 60)}`
  const text = `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}T${two(hour)}:${two(minute)}:${two(second)}.${String(micros).padStart(6, '0')}${zone}`
  return parseIso8601(text, local && ((localMicros) => local(localMicros, receivedMicros)))
}

type UnixFormat = Exclude<NamedTimeFormat, 'iso8601'>

/**
 * The least number of as many digits as a time has in this century, and how many are a microsecond.
 */
const UNIX: Readonly<Record<UnixFormat, { readonly least: number; readonly perMicro: number }>> = {
  'unix-s': { least: 1e9, perMicro: 1e-6 },
  'unix-ms': { least: 1e12, perMicro: 1e-3 },
  'unix-us': { least: 1e15, perMicro: 1 },
  'unix-ns': { least: 1e18, perMicro: 1e3 },
}

/**
 * A number, or text of one, since 1970. Its digits must be as many as in the years from 2001 to
 * 2286: seconds that are taken for milliseconds would be a time in 1970.
 * @returns microseconds; NaN if it is none
 */
function parseUnix(value: unknown, format: UnixFormat): number {
  const { least } = UNIX[format]
  const number = numberOf(value)
  return number >= least && number < 10 * least ? unixMicros(value, format) : Number.NaN
}

/** The same for any number that is not negative. */
function unixMicros(value: unknown, format: TimeFormat): number {
  if (format === 'iso8601' || typeof format === 'object') return Number.NaN
  const { perMicro } = UNIX[format]
  // Nanoseconds have more digits than a double.
  if (format === 'unix-ns' && typeof value === 'bigint') return Number(value / 1000n)
  if (format === 'unix-ns' && typeof value === 'string' && /^\s*\d{1,19}\s*$/.test(value)) return Number(BigInt(value.trim()) / 1000n)
  const number = numberOf(value)
  if (!(number >= 0)) return Number.NaN
  if (perMicro > 1) return Math.floor(number / perMicro)
  return Math.round(number * (format === 'unix-s' ? 1e6 : format === 'unix-ms' ? 1e3 : 1))
}

function numberOf(value: unknown): number {
  if (typeof value === 'number') return value
  if (typeof value === 'bigint') return Number(value)
  return typeof value === 'string' && /^\s*\d{1,19}(?:\.\d{1,20})?\s*$/.test(value) ? Number(value) : Number.NaN
}
