import { isUtf8 } from 'node:buffer'
import { CodecError, hexByte } from './codec.ts'

/**
 * The text of a payload that should be UTF-8, without the byte order mark that some programs put
 * before it.
 * @throws CodecError that names the first byte that is not UTF-8, or the encoding that it is
 */
export function decodeUtf8(payload: Buffer): string {
  const start = markLength(payload)
  if (!isUtf8(payload)) throw new CodecError(foreignEncoding(payload) ?? `expected UTF-8, got ${describeInvalid(payload)}`)
  return payload.toString('utf8', start)
}

/** Length of the byte order mark. */
export function markLength(payload: Buffer): 0 | 3 {
  return payload[0] === 0xef && payload[1] === 0xbb && payload[2] === 0xbf ? 3 : 0
}

/** What to say about a payload that is text in another encoding; undefined if it is not. */
export function foreignEncoding(payload: Buffer): string | undefined {
  const [first, second] = payload
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff))
    return `expected UTF-8, got UTF-16: its byte order mark is ${payload.toString('hex', 0, 2)}`
  // ASCII in UTF-16 has a zero in every second byte.
  if (payload.length < 4 || payload.length % 2 === 1) return undefined
  if (isAscii(first) && second === 0 && isAscii(payload[2]) && payload[3] === 0)
    return 'expected UTF-8, got UTF-16, low byte first, without a byte order mark'
  if (first === 0 && isAscii(second) && payload[2] === 0 && isAscii(payload[3]))
    return 'expected UTF-8, got UTF-16, high byte first, without a byte order mark'
  return undefined
}

function isAscii(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x09 && byte < 0x7f
}

/** The first byte at which a sequence begins that is not UTF-8 (RFC 3629, section 4). */
function describeInvalid(payload: Buffer): string {
  let at = 0
  while (at < payload.length) {
    const length = sequenceLength(payload[at] as number)
    if (length === 0 || !isUtf8(payload.subarray(at, at + length)) || at + length > payload.length) break
    at += length
  }
  return `byte ${hexByte(payload[at])} at position ${at} of ${payload.length}`
}

function sequenceLength(first: number): number {
  if (first < 0x80) return 1
  if (first < 0xc2) return 0
  if (first < 0xe0) return 2
  if (first < 0xf0) return 3
  return first < 0xf5 ? 4 : 0
}
