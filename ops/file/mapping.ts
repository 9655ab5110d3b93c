/** A column of a file by its name, or by its number from 1 if it has the form `#3`. */
export interface ColumnSource {
  readonly tag: 'column'
  readonly name: string
}

/** The same text in every line. */
export interface ConstantSource {
  readonly tag: 'constant'
  readonly text: string
}

export type Source = ColumnSource | ConstantSource

/** One entry of a mapping, such as `temperature=value[degF]`. */
export interface MappingEntry {
  /** `time`, `device`, or a quantity. */
  readonly target: string
  /** Several only for a time that is in several columns, such as date and time of day. */
  readonly sources: readonly Source[]
  /** UCUM code of the values as they come; undefined if none is given. */
  readonly unit: string | undefined
  /**
   * All that stands right of the equals sign, if it has no quotes. A column of exactly this name
   * comes first: `Temp [C]+1` may be a name.
   */
  readonly bare: string | undefined
}

/** A mapping that cannot be read. The message names the entry and what was expected. */
export class MappingError extends Error {}

const EXPECTED = 'expected entries such as time=timestamp, device=tag, temperature=value[degF], separated by commas'

/**
 * Reads a mapping: entries `target=source`, separated by commas. A source is
 * - the name of a column, in double quotes if it contains commas, quotes, `+` or brackets that are
 *   no unit; `""` within is one quote
 * - `#3`, the third column
 * - a text in single quotes, which is the same for every line
 * - for `time`, several of these with `+` between them, which are joined by a blank
 * and it may end in a UCUM unit in brackets; those that UCUM itself has may be left out: `[degF]`
 * is `[[degF]]`.
 * @throws MappingError
 */
export function parseMapping(text: string): readonly MappingEntry[] {
  const entries = splitOutsideQuotes(text, ',').filter((entry) => entry.trim() !== '')
  if (entries.length === 0) throw new MappingError(`${EXPECTED}, got ${JSON.stringify(text)}`)
  return entries.map(parseEntry)
}

/** Brackets at the end, of one more pair within: `[degF]`, `[[degF]]`, `[m[Hg]]`. */
const UNIT = /\[([^[\]]*(?:\[[^[\]]*\][^[\]]*)*)\]$/

function parseEntry(entry: string): MappingEntry {
  const equals = entry.indexOf('=')
  const target = entry.slice(0, equals).trim()
  const right = entry.slice(equals + 1).trim()
  if (equals < 0 || !/^[a-z][a-z0-9_]*$/.test(target) || right === '')
    throw new MappingError(`${EXPECTED}, got ${JSON.stringify(entry.trim())}`)
  const bracket = UNIT.exec(right)
  const unit = bracket?.[1]
  const named = right.slice(0, bracket?.index).trim()
  const sources = splitOutsideQuotes(named, '+').map((part) => parseSource(part.trim(), entry))
  return { target, sources, unit, bare: /["']/.test(right) ? undefined : right }
}

function parseSource(part: string, entry: string): Source {
  const quote = part[0]
  if (quote !== '"' && quote !== "'") {
    if (part === '') throw new MappingError(`expected the name of a column, got nothing in ${JSON.stringify(entry.trim())}`)
    return { tag: 'column', name: part }
  }
  const inner = part.slice(1, -1)
  if (part.length < 2 || part.at(-1) !== quote || inner.replaceAll(quote + quote, '').includes(quote))
    throw new MappingError(`expected a closing ${quote}, got ${JSON.stringify(part)}`)
  const text = inner.replaceAll(quote + quote, quote)
  return quote === '"' ? { tag: 'column', name: text } : { tag: 'constant', text }
}

/** Quotes open at the beginning of a source only: `outside'air` is a name. */
function splitOutsideQuotes(text: string, separator: ',' | '+'): readonly string[] {
  const parts: string[] = []
  let part = ''
  let quote: string | undefined
  for (const character of text) {
    if (quote !== undefined) {
      if (character === quote) quote = undefined
    } else if ((character === '"' || character === "'") && /(^|[=+"'])\s*$/.test(part)) quote = character
    else if (character === separator) {
      parts.push(part)
      part = ''
      continue
    }
    part += character
  }
  return [...parts, part]
}
