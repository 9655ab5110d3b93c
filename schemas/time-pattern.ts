/**
 * A pattern of dates and times, as C's strptime has it: `%d.%m.%Y %H:%M:%S`. Digits may lack their
 * leading zeros; blanks in the pattern stand for any number of them.
 */
export interface TimePattern {
  readonly text: string
  /**
   * What a text has of it; undefined if it is none. The parts need not make a date that there is.
   */
  match(text: string): TimeParts | undefined
}

export interface TimeParts {
  readonly year: number
  /** From 1. */
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly second: number
  /** Below a second, in microseconds. */
  readonly micros: number
  /** Minutes east of Greenwich; undefined for local time. */
  readonly offset: number | undefined
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const FIELDS: Readonly<Record<string, string>> = {
  Y: '(?<Y>\\d{4})',
  y: '(?<y>\\d{2})',
  m: '(?<m>\\d{1,2})',
  b: `(?<b>${MONTHS.join('|')})[a-z]*`,
  d: '(?<d>\\d{1,2})',
  H: '(?<H>\\d{1,2})',
  I: '(?<I>\\d{1,2})',
  p: '(?<p>am|pm)',
  M: '(?<M>\\d{1,2})',
  S: '(?<S>\\d{1,2})',
  f: '(?<f>\\d{1,9})',
  z: '(?<z>z|[+-]\\d{2}(?::?\\d{2})?)',
  '%': '%',
}
const MOST_CHARACTERS = 64

/** @throws RangeError that says what was expected */
export function parseTimePattern(text: string): TimePattern {
  if (text.length > MOST_CHARACTERS) throw new RangeError(`expected a pattern of at most ${MOST_CHARACTERS} characters`)
  const used = new Set<string>()
  const source = text.replace(/%(.?)|\s+|[^%\s]/gs, (piece: string, letter: string | undefined) => {
    if (letter === undefined) return /\s/.test(piece) ? '\\s+' : piece.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
    const field = FIELDS[letter]
    if (field === undefined) throw new RangeError(`expected one of %${Object.keys(FIELDS).join(', %')}, got %${letter}`)
    if (used.has(letter) && letter !== '%') throw new RangeError(`expected %${letter} once`)
    used.add(letter)
    return field
  })
  const has = (...letters: string[]): boolean => letters.some((letter) => used.has(letter))
  if (!has('Y', 'y') || !has('m', 'b') || !has('d'))
    throw new RangeError('expected a year (%Y), a month (%m) and a day (%d) in the pattern')
  if (used.has('I') !== used.has('p')) throw new RangeError('expected both %I and %p, or %H')
  const expression = new RegExp(`^\\s*${source}\\s*$`, 'i')
  return {
    text,
    match: (given) => {
      const found = given.length > MOST_CHARACTERS ? undefined : expression.exec(given)?.groups
      return found === undefined ? undefined : partsOf(found)
    },
  }
}

function partsOf(found: Readonly<Record<string, string | undefined>>): TimeParts {
  const number = (letter: string): number => Number(found[letter] ?? 0)
  const half = found.p === undefined ? 0 : found.p.toLowerCase() === 'pm' ? 12 : 0
  return {
    year: found.Y === undefined ? 2000 + number('y') : number('Y'),
    month: found.b === undefined ? number('m') : MONTHS.indexOf(found.b.toLowerCase()) + 1,
    day: number('d'),
    hour: found.I === undefined ? number('H') : (number('I') % 12) + half,
    minute: number('M'),
    second: number('S'),
    micros: Number((found.f ?? '').padEnd(6, '0').slice(0, 6)),
    offset: found.z === undefined ? undefined : offsetOf(found.z),
  }
}

function offsetOf(text: string): number {
  if (text.toLowerCase() === 'z') return 0
  const minutes = Number(text.slice(1, 3)) * 60 + Number(text.slice(3).replace(':', '') || 0)
  return text.startsWith('-') ? -minutes : minutes
}
