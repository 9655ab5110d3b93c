import { isObject } from '../schemas/json.ts'

/** More would not help a reader. */
const SHOWN_CHARACTERS = 100
const SHOWN_ITEMS = 10
const SHOWN_DEPTH = 3

/**
 * The beginning of a value that came out of JSON, for a detail. However long or deep it is, no more
 * than its beginning is looked at.
 */
export function shown(value: unknown): string {
  // JSON has no infinity: 1e999 would be shown as null.
  if (typeof value === 'number' && !Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : 'a number too large for a double'
  if (typeof value === 'bigint') return String(value).slice(0, SHOWN_CHARACTERS)
  const text = JSON.stringify(beginning(value, SHOWN_DEPTH)) ?? 'nothing'
  return printable(text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text)
}

/** Text without control characters: a detail is read in terminals. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

function beginning(value: unknown, depth: number): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) return 'a number too large for a double'
  if (typeof value === 'bigint') return String(value)
  if (typeof value === 'string') return value.slice(0, SHOWN_CHARACTERS + 1)
  if (typeof value !== 'object' || value === null) return value
  if (depth === 0) return '…'
  if (Array.isArray(value)) return value.slice(0, SHOWN_ITEMS).map((item) => beginning(item, depth - 1))
  return isObject(value) ? Object.fromEntries(firstEntries(value).map(([name, item]) => [name, beginning(item, depth - 1)])) : undefined
}

function firstEntries(value: Readonly<Record<string, unknown>>): (readonly [string, unknown])[] {
  return Object.keys(value)
    .slice(0, SHOWN_ITEMS)
    .map((name) => [name.slice(0, SHOWN_CHARACTERS), value[name]])
}
