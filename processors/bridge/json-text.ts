import { isUtf8 } from 'node:buffer'
import { printable } from '../shown.ts'

/**
 * The payload is not the JSON that it should be. The message becomes the dead letter's detail: it
 * names the place, the value and what was expected.
 */
export class TextRefusal extends Error {}

const QUOTE = 0x22

/** The text of a payload that should be JSON. The fields hold until the next `read`. */
export class JsonText {
  text = ''
  /**
   * How many quotation marks are in it. They show whether a name is there twice, which the parser
   * does not tell.
   */
  quotes = 0

  /**
   * Takes UTF-8, with or without its byte order mark.
   * @throws TextRefusal
   */
  read(payload: Buffer): void {
    const start = hasMark(payload) ? 3 : 0
    let quotes = 0
    let all = 0
    for (let at = start; at < payload.length; at++) {
      const byte = payload[at] as number
      all |= byte
      if (byte === QUOTE) quotes++
    }
    this.quotes = quotes
    // Nearly every payload is ASCII, which needs no decoding.
    if (all < 0x80) this.text = payload.toString('latin1', start)
    else if (isUtf8(payload)) this.text = payload.toString('utf8', start)
    else throw new TextRefusal(`expected UTF-8, got ${describeInvalid(payload)}`)
  }

  /**
   * What the text says.
   * @throws TextRefusal
   */
  parse(payload: Buffer): unknown {
    try {
      return JSON.parse(this.text) as unknown
    } catch (cause) {
      if (!(cause instanceof SyntaxError)) throw cause
      throw new TextRefusal(`expected JSON: ${describeControl(payload) ?? printable(cause.message)}`)
    }
  }
}

/**
 * Whether a payload may be JSON that was meant for us: its first byte, after white space, opens an
 * object or an array.
 */
export function looksLikeJson(payload: Buffer): boolean {
  for (let at = hasMark(payload) ? 3 : 0; at < payload.length; at++) {
    const byte = payload[at]
    if (byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d) continue
    return byte === 0x7b || byte === 0x5b
  }
  return false
}

/** How deep objects and arrays are nested in a text of JSON. */
export function depthOf(text: string): number {
  let depth = 0
  let deepest = 0
  let quoted = false
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (character === '"') quoted = !quoted
    else if (quoted) at += character === '\\' ? 1 : 0
    else if (character === '{' || character === '[') deepest = Math.max(deepest, ++depth)
    else if (character === '}' || character === ']') depth--
  }
  return deepest
}

/** What to say about a payload that is text in another encoding; undefined if it is not. */
export function foreignEncoding(payload: Buffer): string | undefined {
  const [first, second] = payload
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff))
    return `expected UTF-8, got UTF-16: its byte order mark is ${payload.toString('hex', 0, 2)}`
  // A zero beside an opening brace or bracket.
  if (opens(first) && second === 0) return 'expected UTF-8, got UTF-16, low byte first, without a byte order mark'
  if (first === 0 && opens(second)) return 'expected UTF-8, got UTF-16, high byte first, without a byte order mark'
  return undefined
}

function opens(byte: number | undefined): boolean {
  return byte === 0x7b || byte === 0x5b
}

/** Whether it begins with the mark that some programs put before UTF-8. */
function hasMark(payload: Buffer): boolean {
  return payload[0] === 0xef && payload[1] === 0xbb && payload[2] === 0xbf
}

/**
 * The first byte that has no place in JSON, such as the NUL that ends a string of C: the parser
 * names its position only.
 */
function describeControl(payload: Buffer): string | undefined {
  const at = payload.findIndex((byte) => byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d)
  return at < 0 ? undefined : `byte ${hex(payload[at] as number)} at position ${at} of ${payload.length} has no place in it`
}

const REPLACEMENT = '\ufffd'

/**
 * The first byte that is not UTF-8. There decoding puts a replacement character that the payload
 * does not have.
 */
function describeInvalid(payload: Buffer): string {
  const text = payload.toString('utf8')
  let at = 0
  for (let from = 0; ; ) {
    const found = text.indexOf(REPLACEMENT, from)
    at += Buffer.byteLength(text.slice(from, found))
    if (payload.toString('utf8', at, at + 3) !== REPLACEMENT || !isUtf8(payload.subarray(at, at + 3))) break
    at += 3
    from = found + 1
  }
  return `byte ${hex(payload[at] as number)} at position ${at} of ${payload.length}`
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0')
}
