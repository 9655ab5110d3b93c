import { addMember, CodecError, integerOf, MOST_RECORDS, quoted } from './codec.ts'
import { decodeUtf8 } from './utf8.ts'

/**
 * InfluxDB's line protocol, version 2: an array with a record for each line,
 * `{ measurement, tags: { key: text }, fields: { key: value }, timestamp }`.
 * - A field is a number, a boolean or a text. Integers, `1i` and `1u`, are numbers, or bigints if
 *   they are beyond ±(2^53 − 1).
 * - `timestamp` is the integer of the line, absent if it has none. It is in nanoseconds unless the
 *   writer agreed on another unit, which a line does not tell: a dialect's time format does.
 * - A backslash before a comma, an equals sign or a blank makes it part of a name; in a text,
 *   before a quotation mark or a backslash. Before anything else it is a backslash. A text may
 *   have line breaks.
 * - Empty lines and comments, lines that begin with `#`, are passed over.
 *
 * A value or timestamp that is none of these, such as `nan`, stays as its text: only who uses it
 * refuses it. A line of the wrong shape is an error for the whole message.
 * @throws CodecError that names the line
 */
export function decodeLineProtocol(payload: Buffer): unknown {
  return new LineReader(decodeUtf8(payload)).read()
}

interface Line {
  readonly measurement: string
  readonly tags: Record<string, unknown>
  readonly fields: Record<string, unknown>
  timestamp?: number | bigint | string
}

const INTEGER = /^-?\d{1,20}$/
const SUFFIXED = /^(-?\d{1,20})i$|^(\d{1,20})u$/
const FLOAT = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/
const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ...['t', 'T', 'true', 'True', 'TRUE'].map((word) => [word, true] as const),
  ...['f', 'F', 'false', 'False', 'FALSE'].map((word) => [word, false] as const),
])
const INT64_LIMIT = 2n ** 63n
const UINT64_LIMIT = 2n ** 64n

class LineReader {
  private at = 0
  private line = 1
  private readonly text: string

  constructor(text: string) {
    this.text = text
  }

  read(): readonly Line[] {
    const lines: Line[] = []
    for (;;) {
      this.skipEmpty()
      if (this.at >= this.text.length) return lines
      if (lines.length === MOST_RECORDS) throw new CodecError(`expected line protocol: at most ${MOST_RECORDS} lines, got more`)
      lines.push(this.readLine())
    }
  }

  private readLine(): Line {
    const line: Line = { measurement: this.readName(', '), tags: {}, fields: {} }
    if (line.measurement === '') this.refuse('a measurement')
    while (this.takes(',')) this.readTag(line.tags)
    if (!this.skipBlanks()) this.refuse('a blank before the fields')
    do this.readField(line.fields)
    while (this.takes(','))
    if (this.skipBlanks() && !this.isAtEnd()) {
      line.timestamp = timestampOf(this.readToken())
      this.skipBlanks()
    }
    if (!this.isAtEnd()) this.refuse('the end of the line')
    return line
  }

  private readTag(tags: Record<string, unknown>): void {
    const key = this.readName(',= ')
    if (key === '' || !this.takes('=')) this.refuse('a tag, its key and "="')
    const value = this.readName(',= ')
    if (value === '') this.refuse('the value of a tag')
    addMember(tags, key, value)
  }

  private readField(fields: Record<string, unknown>): void {
    const key = this.readName(',= ')
    if (key === '' || !this.takes('=')) this.refuse('a field, its key and "="')
    if (this.text[this.at] === '"') {
      addMember(fields, key, this.readText())
      return
    }
    const token = this.readToken()
    if (token === '') this.refuse('the value of a field')
    addMember(fields, key, fieldValueOf(token))
  }

  /** Up to one of `ends` that no backslash precedes, or the end of the line. */
  private readName(ends: string): string {
    let name = ''
    let from = this.at
    for (;;) {
      const character = this.text[this.at]
      if (character === undefined || character === '\n' || character === '\r' || ends.includes(character)) break
      const next = this.text[this.at + 1]
      if (character === '\\' && (next === ',' || next === '=' || next === ' ')) {
        name += this.text.slice(from, this.at)
        from = this.at + 1
        this.at++
      }
      this.at++
    }
    return name + this.text.slice(from, this.at)
  }

  /** Between quotation marks. */
  private readText(): string {
    let value = ''
    let from = ++this.at
    for (;;) {
      const character = this.text[this.at]
      if (character === undefined) this.refuse('the closing quotation mark of a text')
      if (character === '"') break
      if (character === '\n') this.line++
      const next = this.text[this.at + 1]
      if (character === '\\' && (next === '"' || next === '\\')) {
        value += this.text.slice(from, this.at)
        from = this.at + 1
        this.at++
      }
      this.at++
    }
    value += this.text.slice(from, this.at)
    this.at++
    return value
  }

  private readToken(): string {
    const from = this.at
    for (;;) {
      const character = this.text[this.at]
      if (character === undefined || character === ',' || character === ' ' || character === '\n' || character === '\r') break
      this.at++
    }
    return this.text.slice(from, this.at)
  }

  private takes(character: string): boolean {
    if (this.text[this.at] !== character) return false
    this.at++
    return true
  }

  private skipBlanks(): boolean {
    const from = this.at
    while (this.text[this.at] === ' ') this.at++
    return this.at > from
  }

  private isAtEnd(): boolean {
    const character = this.text[this.at]
    return character === undefined || character === '\n' || (character === '\r' && [undefined, '\n'].includes(this.text[this.at + 1]))
  }

  /** To the next line that is neither empty nor a comment. */
  private skipEmpty(): void {
    for (; this.at < this.text.length; this.at++) {
      const character = this.text[this.at]
      if (character === '\n') this.line++
      else if (character === '#') {
        const end = this.text.indexOf('\n', this.at)
        this.at = (end < 0 ? this.text.length : end) - 1
      } else if (character !== ' ' && character !== '\r' && character !== '\t') return
    }
  }

  private refuse(expected: string): never {
    const rest = this.text.slice(this.at, this.at + 20)
    const found = this.at >= this.text.length ? 'the end of the message' : quoted(rest)
    throw new CodecError(
      `expected line protocol: ${expected} in line ${this.line} at position ${this.at} of ${this.text.length}, got ${found}`,
    )
  }
}

function fieldValueOf(token: string): unknown {
  const suffixed = SUFFIXED.exec(token)
  if (suffixed !== null) {
    const [, signed, unsigned = ''] = suffixed
    const integer = BigInt(signed ?? unsigned)
    const fits = signed === undefined ? integer < UINT64_LIMIT : integer < INT64_LIMIT && integer >= -INT64_LIMIT
    return fits ? integerOf(integer) : token
  }
  if (FLOAT.test(token)) return Number(token)
  return BOOLEANS.get(token) ?? token
}

function timestampOf(token: string): number | bigint | string {
  return INTEGER.test(token) ? integerOf(BigInt(token)) : token
}
