import { isUtf8 } from 'node:buffer'
import { type Token, Tokenizer, Type } from 'cborg'
import { half, shortestDecimal, single } from '../../../schemas/shortest-decimal.ts'
import { addMember, CodecError, hexByte, integerOf, MOST_DEPTH } from './codec.ts'

/**
 * CBOR (RFC 8949), one data item. Its tree is that of JSON, with these additions:
 * - keys that are integers become decimal text, so that a path can name them;
 * - byte strings become text: lower-case hexadecimal;
 * - bignums are bigints, of up to 16 bytes; a decimal fraction (tag 4) is its number;
 * - any other tag is left out, and its content stands for it: 1(1795923004) is 1795923004;
 * - undefined is null;
 * - a float of 16 or 32 bits is the shortest decimal that it stands for: 23.4, and not
 *   23.399999618530273.
 * @throws CodecError
 */
export function decodeCbor(payload: Buffer): unknown {
  return readCbor(payload, 'hex')
}

/**
 * As `decodeCbor`.
 * @param bytesAs how byte strings are written as text
 */
export function readCbor(payload: Buffer, bytesAs: 'hex' | 'base64url'): unknown {
  return new CborReader(payload, bytesAs).read()
}

const HALF = 0xf9
const SINGLE = 0xfa
const BIGNUM = 2
const NEGATIVE_BIGNUM = 3
const DECIMAL_FRACTION = 4
const MOST_BIGNUM_BYTES = 16
const INDEFINITE_BYTES = 0x5f
const INDEFINITE_TEXT = 0x7f

/** cborg knows no strings of indefinite length: their first byte is passed over here. */
class Items extends Tokenizer {
  skipByte(): void {
    this._pos++
  }
}

function shortened(first: number | undefined, value: unknown): unknown {
  if (typeof value !== 'number' || (first !== HALF && first !== SINGLE)) return value
  return shortestDecimal(value, first === HALF ? half : single)
}

/** In place of an item: the end of an array, a map or a string of indefinite length. */
const BREAK = Symbol('break')

class CborReader {
  private readonly payload: Buffer
  private readonly bytesAs: 'hex' | 'base64url'
  private readonly items: Items
  private depth = 0

  constructor(payload: Buffer, bytesAs: 'hex' | 'base64url') {
    this.payload = payload
    this.bytesAs = bytesAs
    // Not a Buffer, whose slices are something else.
    const bytes = new Uint8Array(payload.buffer, payload.byteOffset, payload.length)
    this.items = new Items(bytes, { allowIndefinite: true, allowBigInt: true, coerceUndefinedToNull: true })
  }

  read(): unknown {
    const value = this.readItem('a data item')
    if (!this.items.done()) this.refuse('the end', this.items.pos())
    return value
  }

  private readItem(expected: string): unknown {
    const at = this.items.pos()
    const value = this.readItemOrBreak(expected)
    return value === BREAK ? this.refuse(expected, at) : value
  }

  private readItemOrBreak(expected: string): unknown {
    const at = this.items.pos()
    if (this.items.done()) this.refuse(expected, at)
    const first = this.payload[at]
    if (first === INDEFINITE_TEXT || first === INDEFINITE_BYTES) return this.readChunks(first)
    const token = this.next()
    if (token.type === Type.break) return BREAK
    if (token.type === Type.string) return this.textOf(token, at)
    if (token.type === Type.bytes) return Buffer.from(token.value as Uint8Array).toString(this.bytesAs)
    if (token.type.terminal) return shortened(first, token.value)
    if (++this.depth > MOST_DEPTH) this.refuse(`arrays, maps and tags nested at most ${MOST_DEPTH} deep`, at)
    const value = this.readNested(token, at)
    this.depth--
    return value
  }

  private readNested(token: Token, at: number): unknown {
    // Infinity if the length is indefinite.
    const length = Number(token.value)
    if (token.type === Type.array) return this.readArray(length)
    if (token.type === Type.map) return this.readMap(length)
    return this.readTagged(length, at)
  }

  private readArray(length: number): unknown[] {
    const array: unknown[] = []
    while (array.length < length) {
      const value =
        length === Number.POSITIVE_INFINITY ? this.readItemOrBreak('an item or the end of an array') : this.readItem('an item of an array')
      if (value === BREAK) break
      array.push(value)
    }
    return array
  }

  private readMap(length: number): Record<string, unknown> {
    const object: Record<string, unknown> = {}
    for (let members = 0; members < length; members++) {
      const at = this.items.pos()
      const isBytes = (this.payload[at] as number) >> 5 === 2
      const key = length === Number.POSITIVE_INFINITY ? this.readItemOrBreak('a key or the end of a map') : this.readItem('a key of a map')
      if (key === BREAK) break
      if (isBytes || (typeof key !== 'string' && typeof key !== 'bigint' && !Number.isSafeInteger(key)))
        this.refuse('a key that is text or an integer', at)
      addMember(object, String(key), this.readItem('the value of a key'))
    }
    return object
  }

  private readTagged(tag: number, at: number): unknown {
    if (tag === BIGNUM || tag === NEGATIVE_BIGNUM) return this.readBignum(tag)
    const content = this.readItem('the content of a tag')
    if (tag !== DECIMAL_FRACTION) return content
    const [exponent, mantissa] = Array.isArray(content) && content.length === 2 ? (content as unknown[]) : []
    if (!isInteger(exponent) || !isInteger(mantissa)) this.refuse('a decimal fraction of an exponent and a mantissa', at)
    return Number(`${mantissa}e${exponent}`)
  }

  private readBignum(tag: number): number | bigint {
    const at = this.items.pos()
    const token = this.items.done() ? undefined : this.next()
    const bytes: unknown = token?.type === Type.bytes ? token.value : undefined
    if (!(bytes instanceof Uint8Array) || bytes.length > MOST_BIGNUM_BYTES)
      return this.refuse(`a byte string of at most ${MOST_BIGNUM_BYTES} bytes, an integer`, at)
    const magnitude = BigInt(`0x0${Buffer.from(bytes).toString('hex')}`)
    const value = tag === BIGNUM ? magnitude : -1n - magnitude
    return integerOf(value)
  }

  /** A string of indefinite length: strings of the same kind up to a break. */
  private readChunks(first: number): string {
    const type = first === INDEFINITE_TEXT ? Type.string : Type.bytes
    const chunks: Buffer[] = []
    this.items.skipByte()
    for (;;) {
      const at = this.items.pos()
      if (this.items.done()) this.refuse('the rest of a string', at)
      const token = this.next()
      if (token.type === Type.break) break
      if (token.type !== type) this.refuse(`a piece of a ${type.name === 'string' ? 'text' : 'byte'} string`, at)
      chunks.push(this.contentOf(token, at))
      if (type === Type.string) this.textOf(token, at)
    }
    return Buffer.concat(chunks).toString(type === Type.string ? 'utf8' : this.bytesAs)
  }

  private textOf(token: Token, at: number): string {
    const text = token.value as string
    const content = this.contentOf(token, at)
    // If it is ASCII, each byte is a character. Else cborg leaves out a mark, and lets errors pass.
    if (text.length === content.length && !text.includes('\ufffd')) return text
    if (!isUtf8(content))
      throw new CodecError(`expected CBOR: UTF-8 in the text at position ${at} of ${this.payload.length}, got something else`)
    return content.toString('utf8')
  }

  private contentOf(token: Token, at: number): Buffer {
    const information = (this.payload[at] as number) & 0x1f
    const header = information < 24 ? 1 : 1 + 2 ** (information - 24)
    return this.payload.subarray(at + header, at + (token.encodedLength ?? header))
  }

  private next(): Token {
    const at = this.items.pos()
    try {
      return this.items.next()
    } catch (cause) {
      const said = cause instanceof Error ? cause.message.replace(/^CBOR decode error: /, '') : String(cause)
      throw new CodecError(`expected CBOR: at position ${at} of ${this.payload.length}, byte ${hexByte(this.payload[at])}: ${said}`, {
        cause,
      })
    }
  }

  private refuse(expected: string, at: number): never {
    const { length } = this.payload
    if (length === 0) throw new CodecError('expected CBOR, got nothing')
    const found =
      at < length ? `at position ${at} of ${length}, got byte ${hexByte(this.payload[at])}` : `at its end, position ${length} of ${length}`
    throw new CodecError(`expected CBOR: ${expected} ${found}`)
  }
}

function isInteger(value: unknown): value is number | bigint {
  return typeof value === 'bigint' || Number.isSafeInteger(value)
}
