import { addMember, CodecError, hexByte, MOST_DEPTH } from './codec.ts'

/**
 * Reads JSON (RFC 8259), and says where it is not. Slower than the parser of the language, but it
 * tells members that are there twice, and integers that no double holds.
 * @throws CodecError that names the position, what was expected and what is there
 */
export function readJson(text: string): unknown {
  return new JsonReader(text).read()
}

/** More digits would take time by their square. */
const MOST_INTEGER_DIGITS = 40
const NUMBER = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y
const WHITE_SPACE = /[ \t\n\r]*/y
const WORDS: readonly (readonly [word: string, value: boolean | null])[] = [
  ['true', true],
  ['false', false],
  ['null', null],
]

class JsonReader {
  private at = 0
  private depth = 0
  private readonly text: string

  constructor(text: string) {
    this.text = text
  }

  read(): unknown {
    const value = this.readValue()
    if (this.skipSpace() !== '') this.refuse('the end')
    return value
  }

  private readValue(): unknown {
    const first = this.skipSpace()
    if (first === '{' || first === '[') {
      if (++this.depth > MOST_DEPTH) this.refuse(`objects and arrays nested at most ${MOST_DEPTH} deep`)
      const value = first === '{' ? this.readObject() : this.readArray()
      this.depth--
      return value
    }
    if (first === '"') return this.readString()
    if (first === '-' || (first >= '0' && first <= '9')) return this.readNumber()
    for (const [word, value] of WORDS) {
      if (!this.text.startsWith(word, this.at)) continue
      this.at += word.length
      return value
    }
    return this.refuse('a value')
  }

  private readObject(): Record<string, unknown> {
    const object: Record<string, unknown> = {}
    this.at++
    if (this.skipSpace() === '}') return this.past(object)
    for (;;) {
      if (this.skipSpace() !== '"') this.refuse('a name in quotation marks')
      const name = this.readString()
      if (this.skipSpace() !== ':') this.refuse('":"')
      this.at++
      addMember(object, name, this.readValue())
      const next = this.skipSpace()
      if (next === '}') return this.past(object)
      if (next !== ',') this.refuse('"," or "}"')
      this.at++
    }
  }

  private readArray(): unknown[] {
    const array: unknown[] = []
    this.at++
    if (this.skipSpace() === ']') return this.past(array)
    for (;;) {
      array.push(this.readValue())
      const next = this.skipSpace()
      if (next === ']') return this.past(array)
      if (next !== ',') this.refuse('"," or "]"')
      this.at++
    }
  }

  private readString(): string {
    const start = this.at
    let at = start + 1
    // Not by one expression for all of it: that would take a stack as deep as the text is long.
    for (;;) {
      const code = this.text.charCodeAt(at)
      if (code === 0x22) break
      if (code === 0x5c) at += this.escapeLength(at)
      else if (code >= 0x20) at++
      else {
        this.at = at
        this.refuse('the rest of a text, and its closing quotation mark')
      }
    }
    this.at = at + 1
    return JSON.parse(this.text.slice(start, at + 1)) as string
  }

  private escapeLength(at: number): number {
    const next = this.text[at + 1] ?? ''
    if (next !== '' && '"\\/bfnrt'.includes(next)) return 2
    if (next === 'u' && /^[0-9a-fA-F]{4}$/.test(this.text.slice(at + 2, at + 6))) return 6
    this.at = at
    return this.refuse('an escape of JSON, such as \\n or \\u00e9')
  }

  private readNumber(): number | bigint {
    NUMBER.lastIndex = this.at
    const match = NUMBER.exec(this.text)
    if (match === null) return this.refuse('a number')
    const [token, fraction, exponent] = match
    this.at += token.length
    const next = this.text[this.at] ?? ''
    if ((next >= '0' && next <= '9') || next === '.' || next === 'e' || next === 'E' || next === 'x')
      this.refuse('a number as JSON writes it')
    const value = Number(token)
    const isInteger = fraction === undefined && exponent === undefined
    return isInteger && !Number.isSafeInteger(value) && token.length <= MOST_INTEGER_DIGITS ? BigInt(token) : value
  }

  private past<Value>(value: Value): Value {
    this.at++
    return value
  }

  /** The character after white space; empty at the end. */
  private skipSpace(): string {
    WHITE_SPACE.lastIndex = this.at
    WHITE_SPACE.test(this.text)
    this.at = WHITE_SPACE.lastIndex
    return this.text[this.at] ?? ''
  }

  private refuse(expected: string): never {
    const code = this.text.codePointAt(this.at)
    const where = `position ${this.at} of ${this.text.length}`
    if (code === undefined)
      throw new CodecError(this.text === '' ? 'expected JSON, got nothing' : `expected JSON: ${expected} at its end, ${where}`)
    const found = code < 0x20 ? `byte ${hexByte(code)}` : JSON.stringify(this.text.slice(this.at, this.at + 12))
    throw new CodecError(`expected JSON: ${expected} at ${where}, got ${found}`)
  }
}
