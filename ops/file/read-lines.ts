import { type DeviceId, parseDeviceId } from '../../processors/contract.ts'
import { convert } from '../../schemas/conversion.ts'
import type { FileColumns, Place } from './columns.ts'
import type { MomentsOf } from './local-time.ts'
import { type Decimal, numberText } from './number-text.ts'
import type { TimeFormat } from './time-format.ts'

/** Why a line was not taken: what `summary` of a file counts by. */
export type LineFault = 'columns' | 'time' | 'zone' | 'old' | 'device' | 'value'

/** What is wrong with a line. */
export interface BadLine {
  readonly tag: 'bad'
  readonly fault: LineFault
  /** Place, what was expected, what is there. */
  readonly detail: string
}

/** A line in standard units. */
export interface GoodLine {
  readonly tag: 'good'
  readonly device: DeviceId
  /** Microseconds since 1970. */
  readonly micros: number
  /** Decimal text for each value column; empty for none. */
  readonly values: readonly string[]
}

export type LineResult = GoodLine | BadLine | { readonly tag: 'empty' }

export interface LineRules {
  readonly columns: FileColumns
  readonly header: readonly string[]
  readonly time: TimeFormat
  /** For times without an offset; undefined if nobody told a zone. */
  readonly moments: MomentsOf | undefined
  readonly zone: string | undefined
  readonly decimal: Decimal
  /** Texts that mean no reading, in lower case. */
  readonly missing: ReadonlySet<string>
  /** Times from here to there are taken. Microseconds since 1970. */
  readonly oldest: number
  readonly newest: number
  /** How far back that is, in words. */
  readonly span: string
}

/** Reads lines by the rules of their file. */
export class LineReader {
  /** Lines whose local time was there twice, when clocks were put back. */
  repeatedHour = 0
  private readonly rules: LineRules
  /** Of the texts that mean no reading, those that are numbers: -9999.0 is -9999. */
  private readonly missingNumbers: ReadonlySet<number>
  /** By device: a local time that comes twice is the later one if the earlier is over. */
  private readonly last = new Map<string, number>()

  constructor(rules: LineRules) {
    this.rules = rules
    this.missingNumbers = new Set([...rules.missing].flatMap((text) => numberText(text, rules.decimal) ?? []).map(Number))
  }

  read(fields: readonly string[]): LineResult {
    const { columns, header } = this.rules
    if (fields.length !== header.length) {
      // Some programs end each line with a separator.
      const rest = fields.slice(header.length)
      if (fields.length < header.length || rest.some((text) => text.trim() !== ''))
        return bad('columns', `expected ${header.length} fields as in the header, got ${fields.length}`)
    }
    const values: string[] = []
    let present = false
    for (const { index, conversion, quantity } of columns.values) {
      const text = (fields[index] ?? '').trim()
      if (this.rules.missing.has(text.toLowerCase())) {
        values.push('')
        continue
      }
      const number = numberText(text, this.rules.decimal)
      const converted = number === undefined || conversion === undefined ? number : String(convert(number, conversion))
      if (converted === undefined)
        return bad(
          'value',
          `${this.column(index, quantity)}: expected a number${this.rules.decimal === 'comma' ? ' with a decimal comma' : ''}, got ${quoted(text)}`,
        )
      if (this.missingNumbers.size > 0 && this.missingNumbers.has(Number(number))) {
        values.push('')
        continue
      }
      values.push(converted)
      present = true
    }
    const text = deviceText(columns.device, fields)
    const device = parseDeviceId(text)
    if (device === undefined)
      return bad(
        'device',
        `${this.column(columns.device, 'device')}: expected 1 to 64 of A-Z a-z 0-9 _ -, the first a letter or digit, got ${quoted(text)}`,
      )
    const micros = this.time(fields, device)
    if (typeof micros !== 'number') return micros
    return present ? { tag: 'good', device, micros, values } : { tag: 'empty' }
  }

  private time(fields: readonly string[], device: string): number | BadLine {
    const { columns, time, moments, zone, oldest, newest, span } = this.rules
    const text = columns.time.map((place) => deviceText(place, fields)).join(' ')
    const where = this.column(columns.time[0] as Place, 'time')
    const found = time.parse(text)
    if (found === undefined) return bad('time', `${where}: expected a time as ${time.name}, got ${quoted(text)}`)
    let { micros } = found
    if (found.local) {
      if (moments === undefined)
        return bad(
          'zone',
          `${where}: expected a time with an offset, or --zone to say whose time of day it is (--zone UTC), got ${quoted(text)}`,
        )
      const rest = ((micros % 1000) + 1000) % 1000
      const possible = moments((micros - rest) / 1000)
      const [first, second] = possible.map((ms) => ms * 1000 + rest)
      if (first === undefined) return bad('time', `${where}: clocks in ${zone} did not show ${text}: they were put forward`)
      if (second !== undefined) this.repeatedHour++
      micros = second !== undefined && first <= (this.last.get(device) ?? Number.NEGATIVE_INFINITY) ? second : first
      this.last.set(device, micros)
    }
    if (micros < oldest || micros > newest) return bad('old', `${where}: expected a time ${span}, got ${quoted(text)}`)
    return micros
  }

  private column(place: Place | number, what: string): string {
    if (typeof place !== 'number' && place.tag === 'constant') return what
    const index = typeof place === 'number' ? place : place.index
    const name = this.rules.header[index] ?? ''
    return `column ${index + 1} (${name === what || name === '' ? what : `${name}, ${what}`})`
  }
}

function deviceText(place: Place, fields: readonly string[]): string {
  return place.tag === 'constant' ? place.text : (fields[place.index] ?? '').trim()
}

function bad(fault: LineFault, detail: string): BadLine {
  return { tag: 'bad', fault, detail }
}

const SHOWN = 60

function quoted(text: string): string {
  return JSON.stringify(text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text)
}
