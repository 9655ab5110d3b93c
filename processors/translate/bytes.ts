import type { BytesRule } from '../../schemas/dialect.ts'
import { shortestDecimal, single } from '../../schemas/shortest-decimal.ts'
import { shown } from '../shown.ts'

/** The text is not what the bytes should be in. The message says what was expected. */
export class BytesFault extends Error {}

const HEX = /^(?:0[xX])?((?:[0-9a-fA-F]{2})*)$/
const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/

/**
 * Compiles a number in bytes that a text has. What it gives returns undefined if the bytes that it
 * is counted from are not there.
 * @throws BytesFault (what it gives) if it is no such text, or ends before the number does
 */
export function compileBytes(rule: BytesRule): (text: unknown) => number | bigint | undefined {
  const { encoding, after, at, size } = rule
  const decode = encoding === 'hex' ? decodeHex : decodeBase64
  const read = reader(rule)
  return (text) => {
    if (typeof text !== 'string') throw new BytesFault(`expected bytes in ${encoding}, got ${shown(text)}`)
    const bytes = decode(text)
    const found = after === undefined ? 0 : bytes.indexOf(after)
    if (found < 0) return undefined
    const start = at < 0 ? bytes.length + at : found + (after?.length ?? 0) + at
    if (start < 0 || start + size > bytes.length)
      throw new BytesFault(`expected ${size} bytes from byte ${start} on, got ${bytes.length} in all in ${shown(text)}`)
    return read(bytes, start)
  }
}

function decodeHex(text: string): Buffer {
  const digits = HEX.exec(text.trim())?.[1]
  if (digits === undefined) throw new BytesFault(`expected bytes in hexadecimal, got ${shown(text)}`)
  return Buffer.from(digits, 'hex')
}

function decodeBase64(text: string): Buffer {
  const trimmed = text.trim()
  // 4 characters are 3 bytes; one alone is none.
  if (!BASE64.test(trimmed) || trimmed.replace(/=+$/, '').length % 4 === 1)
    throw new BytesFault(`expected bytes in base64, got ${shown(text)}`)
  return Buffer.from(trimmed, 'base64')
}

function reader({ kind, size, littleEndian, shift, mask }: BytesRule): (bytes: Buffer, at: number) => number | bigint {
  if (kind === 'float') {
    if (size === 4) return (bytes, at) => shortestDecimal(littleEndian ? bytes.readFloatLE(at) : bytes.readFloatBE(at), single)
    return littleEndian ? (bytes, at) => bytes.readDoubleLE(at) : (bytes, at) => bytes.readDoubleBE(at)
  }
  return (bytes, at) => {
    let unsigned = 0n
    for (let index = 0; index < size; index++) {
      const byte = bytes[at + (littleEndian ? size - 1 - index : index)] ?? 0
      unsigned = (unsigned << 8n) | BigInt(byte)
    }
    const signed = kind === 'int' ? BigInt.asIntN(size * 8, unsigned) : unsigned
    const shifted = signed >> BigInt(shift)
    const value = mask === undefined ? shifted : shifted & mask
    return value >= MIN_SAFE && value <= MAX_SAFE ? Number(value) : value
  }
}

const MIN_SAFE = BigInt(Number.MIN_SAFE_INTEGER)
const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER)
