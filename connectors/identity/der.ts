/**
 * The distinguished encoding of ASN.1 (ITU-T X.690), as far as certificates need it. Node.js can
 * read certificates but not make them.
 */

/** The tag of each type, with the bit of those that are made of others. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  none: 0x05,
  name: 0x06,
  utf8: 0x0c,
  time: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const

/** One value as it was read. */
export interface Element {
  readonly tag: number
  readonly content: Buffer
  /** With tag and length. */
  readonly whole: Buffer
}

const LONG = 0x80
/** Bytes of a length that is taken: a certificate has less than 16 MB. */
const MOST_LENGTH_BYTES = 3

export function element(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  return Buffer.concat([Buffer.from([tag]), lengthOf(content), content])
}

function lengthOf({ length }: Buffer): Buffer {
  if (length < LONG) return Buffer.from([length])
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(length)
  const first = bytes.findIndex((byte) => byte !== 0)
  return Buffer.concat([Buffer.from([LONG | (4 - first)]), bytes.subarray(first)])
}

/** A value that the standard tags by its place: [0], [3]. */
export function tagged(place: number, ...parts: readonly Uint8Array[]): Buffer {
  return element(0xa0 | place, ...parts)
}

/** A number without a sign, from its bytes. */
export function unsigned(bytes: Buffer): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0)
  const digits = first === -1 ? Buffer.from([0]) : bytes.subarray(first)
  return element(TAG.integer, ...((digits[0] ?? 0) >= 0x80 ? [Buffer.from([0])] : []), digits)
}

/** An object identifier, such as 2.5.4.3. */
export function identifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  return element(TAG.name, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]))
}

function base128(value: number): readonly number[] {
  const digits = [value & 0x7f]
  for (let left = value >>> 7; left > 0; left >>>= 7) digits.unshift((left & 0x7f) | 0x80)
  return digits
}

/** A time of any century, to the second (RFC 5280, 4.1.2.5.2). */
export function generalizedTime(at: Date): Buffer {
  return element(TAG.time, Buffer.from(`${at.toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`))
}

/** Of a validity, where times before 2050 must have two digits of the year (RFC 5280, 4.1.2.5). */
export function time(at: Date): Buffer {
  if (at.getUTCFullYear() >= 2050) return generalizedTime(at)
  return element(0x17, Buffer.from(`${at.toISOString().slice(2, 19).replace(/[-:T]/g, '')}Z`))
}

/** A string of whole bytes. */
export function bits(bytes: Uint8Array): Buffer {
  return element(TAG.bits, Buffer.from([0]), bytes)
}

/**
 * The values within a value, one after the other.
 * @throws RangeError if the bytes are none
 */
export function elements(bytes: Buffer): readonly Element[] {
  const found: Element[] = []
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes.readUInt8(at)
    const first = bytes.length > at + 1 ? bytes.readUInt8(at + 1) : LONG
    const size = first & 0x7f
    if (first >= LONG && (size === 0 || size > MOST_LENGTH_BYTES || at + 2 + size > bytes.length))
      throw new RangeError(`byte ${at}: expected a length of DER`)
    const start = at + 2 + (first < LONG ? 0 : size)
    const end = start + (first < LONG ? size : bytes.readUIntBE(at + 2, size))
    if (end > bytes.length) throw new RangeError(`byte ${at}: expected ${end - bytes.length} bytes more`)
    found.push({ tag, content: bytes.subarray(start, end), whole: bytes.subarray(at, end) })
    at = end
  }
  return found
}

/** @throws RangeError if there is none at that place, or one of another type */
export function expected(found: readonly Element[], place: number, tag: number, what: string): Element {
  const it = found[place]
  if (it?.tag !== tag) throw new RangeError(`expected ${what}`)
  return it
}
