import { type QuantityGuess, wordsOf } from './guess-quantity.ts'

const MOST_SHOWN = 60

/** What takes characters out of names that an ID must not have: a key of YAML, or nothing. */
export function replacements(names: readonly string[], bad: RegExp): string {
  const found = new Set(names.flatMap((name) => [...name.matchAll(bad)].map(([each]) => each)))
  if (found.size === 0) return ''
  const to = (each: string): string => (each === '/' || each === '.' ? '-' : each === ':' ? '' : '_')
  return `, replace: { ${[...found].map((each) => `${quoted(each)}: ${quoted(to(each))}`).join(', ')} }`
}

export function missingYaml(texts: ReadonlySet<string>): string {
  return texts.size === 0 ? '' : `, missing: [${[...texts].map(quoted).join(', ')}]`
}

export function unitYaml(guess: QuantityGuess | undefined): string {
  if (guess?.scale !== undefined) return `, scale: ${quoted(guess.scale)}`
  return guess?.unit === undefined ? '' : `, unit: ${quoted(guess.unit)}`
}

/** A channel of a name: what is no channel's character becomes a dash. */
export function channelName(name: string): string {
  const made = name
    .normalize('NFD')
    .replace(/\p{M}/gu, '')
    .replace(/[^A-Za-z0-9_.-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
  return (made === '' ? wordsOf(name).join('-') || 'other' : made).slice(-32).replace(/^[^A-Za-z0-9]+/, '')
}

/** Text as YAML. JSON's are. */
export function quoted(text: string): string {
  return JSON.stringify(text)
}

/** Lowest and highest. */
export function range({ minimum, maximum }: { readonly minimum: number; readonly maximum: number }): string {
  return minimum === maximum ? String(minimum) : `${minimum} to ${maximum}`
}

/** A value as a comment shows it. */
export function short(value: unknown): string {
  const text = JSON.stringify(typeof value === 'bigint' ? String(value) : value) ?? ''
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text
}
