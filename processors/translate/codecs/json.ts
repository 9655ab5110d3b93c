import { CodecError, MOST_DEPTH } from './codec.ts'
import { readJson } from './json-reader.ts'
import { decodeUtf8, markLength } from './utf8.ts'

/**
 * JSON as in RFC 8259, in UTF-8 with or without a byte order mark. Nothing else is let through: no
 * NaN, no comments, no NUL at the end.
 *
 * Numbers are doubles. A decimal of up to 15 digits is the shortest text of its double, so that a
 * conversion computes with what the device wrote; of a longer one the nearest double is left. An
 * integer beyond ±(2^53 − 1) is a bigint, such as the nanoseconds since 1970, if it has at most 40
 * digits. A number too large for a double is Infinity.
 *
 * The parser of the language does the work, since it takes a third of the time of our own reader.
 * What it does not tell is looked for afterwards, and is rare: then the message is read once more.
 * @throws CodecError
 */
export function decodeJson(payload: Buffer): unknown {
  const text = textOf(payload)
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause
    // Its own reader says where, and what was expected.
    readJson(text)
    throw new CodecError(`expected JSON: ${cause.message}`, { cause })
  }
  strings = 0
  return isPlain(parsed) && 2 * strings === quotes ? parsed : readJson(text)
}

const QUOTE = 0x22
const BRACKET = 0x5b
const BRACE = 0x7b

/** Quotation marks of the payload that is being read, and its names and texts. */
let quotes = 0
let strings = 0

function textOf(payload: Buffer): string {
  const start = markLength(payload)
  quotes = 0
  let all = 0
  let opened = 0
  for (let at = start; at < payload.length; at++) {
    const byte = payload[at] as number
    all |= byte
    if (byte === QUOTE) quotes++
    else if (byte === BRACKET || byte === BRACE) opened++
  }
  // Nearly every payload is ASCII, which needs no decoding.
  const text = all < 0x80 ? payload.toString('latin1', start) : decodeUtf8(payload)
  if (opened > MOST_DEPTH) refuseDeep(text)
  return text
}

/** Of text that may be no JSON: what it has too many of is refused in any case. */
function refuseDeep(text: string): void {
  let depth = 0
  let isString = false
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (character === '"') isString = !isString
    else if (isString) at += character === '\\' ? 1 : 0
    else if (character === '}' || character === ']') depth--
    else if ((character === '{' || character === '[') && ++depth > MOST_DEPTH)
      throw new CodecError(`expected objects and arrays nested at most ${MOST_DEPTH} deep, got more at position ${at}`)
  }
}

/**
 * Counts names and texts. Each has two quotation marks: if there are more, a name is there twice or
 * a text has an escaped one.
 * @returns false if an integer is there that a double does not hold
 */
function isPlain(value: unknown): boolean {
  if (typeof value === 'number') return !Number.isInteger(value) || Number.isSafeInteger(value)
  if (typeof value === 'string') {
    strings++
    return true
  }
  if (typeof value !== 'object' || value === null) return true
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) if (!isPlain(value[at])) return false
    return true
  }
  for (const name in value) {
    strings++
    if (!isPlain((value as Readonly<Record<string, unknown>>)[name])) return false
  }
  return true
}
