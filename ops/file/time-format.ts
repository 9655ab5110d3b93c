/** A time as a file has it: a moment, or a local time whose zone somebody must know. */
export interface TimeText {
  /** Microseconds since 1970; as if the local time were UTC if `local`. */
  readonly micros: number
  readonly local: boolean
}

/** How times of a file are written. */
export interface TimeFormat {
  /** As `--time-format` takes it. */
  readonly name: string
  /** @returns undefined if the text is no time of this format */
  parse(text: string): TimeText | undefined
}

/** A format that cannot be read. */
export class TimeFormatError extends Error {}

const UNIX: Readonly<Record<string, { readonly digits: number; readonly micros: number }>> = {
  'unix-s': { digits: 10, micros: 1e6 },
  'unix-ms': { digits: 13, micros: 1e3 },
  'unix-us': { digits: 16, micros: 1 },
  'unix-ns': { digits: 19, micros: 1e-3 },
}
/** What `--time-format` takes, for messages. */
export const TIME_FORMATS = `iso8601, ${Object.keys(UNIX).join(', ')}, or a pattern such as "DD.MM.YYYY HH:MM" or "MM/DD/YYYY hh:mm A"`

/** Patterns that are tried if nobody tells the format. Two that fit all times are ambiguous. */
const GUESSES: readonly string[] = ['YYYY/MM/DD', 'YYYY.MM.DD', 'DD.MM.YYYY', 'DD/MM/YYYY', 'MM/DD/YYYY', 'DD-MM-YYYY', 'MM-DD-YYYY']
const TIMES: readonly string[] = [' HH:MM', ' hh:MM A', '']

/**
 * @param name a format by its name, or a pattern: YYYY, YY, MM, DD, HH, hh (with A for AM or PM),
 *   mm (minutes; MM after HH too), SS; anything else stands for itself
 * @throws TimeFormatError
 */
export function timeFormat(name: string): TimeFormat {
  const unix = UNIX[name]
  if (unix !== undefined) return { name, parse: (text) => ofUnix(text, unix.micros) }
  if (name === 'iso8601') return { name, parse: ofIso }
  const pattern = compile(name)
  return { name, parse: (text) => ofPattern(text, pattern) }
}

/** The formats that all times may be in; those that most are in if there is none. */
export function guessTimeFormats(texts: readonly string[]): readonly TimeFormat[] {
  const candidates = [clearFormat(texts), ...patternGuesses()]
  const scored = candidates.map((format) => ({ format, fits: texts.filter((text) => format.parse(text) !== undefined).length }))
  const most = Math.max(...scored.map(({ fits }) => fits))
  if (most === 0 || most * 2 < texts.length) return []
  return scored.filter(({ fits }) => fits === most).map(({ format }) => format)
}

/** ISO 8601 and the units of Unix time: no text can be two of them, so a file may have several. */
function clearFormat(texts: readonly string[]): TimeFormat {
  const all = [timeFormat('iso8601'), ...Object.entries(UNIX).map(([name, { digits }]) => unixOf(name, digits))]
  const there = all.filter((format) => texts.some((text) => format.parse(text) !== undefined))
  return { name: there.map(({ name }) => name).join(' or '), parse: (text) => firstOf(there, text) }
}

function firstOf(formats: readonly TimeFormat[], text: string): TimeText | undefined {
  for (const format of formats) {
    const time = format.parse(text)
    if (time !== undefined) return time
  }
  return undefined
}

/** Only numbers of as many digits as these units have between 2001 and 2286. */
function unixOf(name: string, digits: number): TimeFormat {
  const format = timeFormat(name)
  return { name, parse: (text) => (/^\d+/.exec(text)?.[0].length === digits ? format.parse(text) : undefined) }
}

function patternGuesses(): readonly TimeFormat[] {
  return GUESSES.map((date) => {
    const formats = TIMES.map((time) => timeFormat(`${date}${time}`))
    return { name: `${date} HH:MM`, parse: (text) => firstOf(formats, text) }
  })
}

function ofUnix(text: string, micros: number): TimeText | undefined {
  const match = /^(-?\d{1,19})(?:\.(\d*))?$/.exec(text)
  if (match === null) return undefined
  // As integers: a double does not hold nanoseconds, nor every decimal.
  const decimals = (match[2] ?? '').slice(0, 9).padEnd(9, '0')
  const billionths = BigInt(`${match[1]}${decimals}`)
  const value = Number((billionths * BigInt(micros * 1000)) / 1_000_000_000_000n)
  return Number.isSafeInteger(value) ? { micros: value, local: false } : undefined
}

const ISO = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d+))?)?)?\s*(Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?$/i

function ofIso(text: string): TimeText | undefined {
  const match = ISO.exec(text)
  if (match === null) return undefined
  const [, year, month, day, hour, minute, second, fraction, offset] = match
  return assemble({ year, month, day, hour, minute, second, fraction, offset })
}

interface Parts {
  readonly year?: string | undefined
  readonly month?: string | undefined
  readonly day?: string | undefined
  readonly hour?: string | undefined
  readonly minute?: string | undefined
  readonly second?: string | undefined
  readonly fraction?: string | undefined
  readonly offset?: string | undefined
  /** AM or PM, of a clock of 12 hours. */
  readonly half?: string | undefined
}

const TOKENS: Readonly<Record<string, string>> = {
  YYYY: '(?<year>\\d{4})',
  YY: '(?<year>\\d{2})',
  DD: '(?<day>\\d{1,2})',
  HH: '(?<hour>\\d{1,2})',
  hh: '(?<hour>\\d{1,2})',
  mm: '(?<minute>\\d{2})',
  SS: '(?<second>\\d{2})(?:[.,](?<fraction>\\d+))?',
  ss: '(?<second>\\d{2})(?:[.,](?<fraction>\\d+))?',
  A: '(?<half>[AaPp]\\.?[Mm]\\.?)',
}

/** Seconds, and an offset at the end, may follow though the pattern does not say so. */
function compile(pattern: string): RegExp {
  let source = ''
  let hours = false
  const seen = new Set<string>()
  for (let at = 0; at < pattern.length; ) {
    const token = /^(YYYY|YY|MM|DD|HH|hh|mm|SS|ss|A)/.exec(pattern.slice(at))?.[0]
    if (token === undefined) {
      const character = pattern[at++] as string
      source += character === ' ' ? '\\s+' : character === 'T' ? '[T\\s]' : character.replace(/[\\^$.*+?()[\]{}|/-]/, '\\$&')
      continue
    }
    at += token.length
    if (token === 'HH' || token === 'hh') hours = true
    const group = token === 'MM' ? (hours ? TOKENS.mm : '(?<month>\\d{1,2})') : TOKENS[token]
    const name = /<(\w+)>/.exec(group ?? '')?.[1] ?? token
    if (seen.has(name)) throw new TimeFormatError(`expected ${name} once in a time format, got ${JSON.stringify(pattern)}`)
    seen.add(name)
    source += group
    if (name === 'minute' && !/SS|ss/.test(pattern)) source += '(?::(?<second>\\d{2})(?:[.,](?<fraction>\\d+))?)?'
  }
  for (const needed of ['year', 'month', 'day'])
    if (!seen.has(needed)) throw new TimeFormatError(`expected ${TIME_FORMATS}, got ${JSON.stringify(pattern)}, which has no ${needed}`)
  if (seen.has('hour') !== seen.has('minute'))
    throw new TimeFormatError(`expected hours and minutes, or neither, in a time format, got ${JSON.stringify(pattern)}`)
  return new RegExp(`^${source}\\s*(?<offset>Z|UTC|GMT|[+-]\\d\\d(?::?\\d\\d)?)?$`)
}

function ofPattern(text: string, pattern: RegExp): TimeText | undefined {
  const groups = pattern.exec(text)?.groups
  if (groups === undefined) return undefined
  const { year } = groups
  return assemble({ ...groups, year: year?.length === 2 ? `20${year}` : year })
}

function assemble({ year, month, day, hour = '0', minute = '0', second = '0', fraction = '', offset, half }: Parts): TimeText | undefined {
  const [y, mo, d, mi, s] = [Number(year), Number(month), Number(day), Number(minute), Number(second)]
  let h = Number(hour)
  if (half !== undefined) {
    if (h < 1 || h > 12) return undefined
    h = (h % 12) + (/^p/i.test(half) ? 12 : 0)
  }
  const midnight = h === 24 && mi === 0 && s === 0
  if ((h > 23 && !midnight) || mi > 59 || s > 60) return undefined
  const date = Date.UTC(y, mo - 1, d)
  const back = new Date(date)
  if (y < 1000 || back.getUTCMonth() !== mo - 1 || back.getUTCDate() !== d) return undefined
  const micros = (date + ((h * 60 + mi) * 60 + s) * 1000) * 1000 + Number(fraction.slice(0, 6).padEnd(6, '0'))
  if (offset === undefined) return { micros, local: true }
  const minutes = offsetMinutes(offset)
  return minutes === undefined ? undefined : { micros: micros - minutes * 60e6, local: false }
}

function offsetMinutes(offset: string): number | undefined {
  const match = /^([+-])(\d\d):?(\d\d)?$/.exec(offset)
  if (match === null) return 0
  const [hours, minutes] = [Number(match[2]), Number(match[3] ?? '0')]
  return hours > 23 || minutes > 59 ? undefined : (match[1] === '-' ? -1 : 1) * (hours * 60 + minutes)
}
