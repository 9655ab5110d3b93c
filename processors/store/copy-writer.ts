import { MalformedError, MOST_SAMPLES } from '../../schemas/frame-reader.ts'
import { leadingColumns, quantities } from '../../schemas/generated/readings.ts'
import type { SampleLayout } from '../../schemas/readings-layout.ts'
import { WIRE_BYTES } from '../../schemas/wire-format.ts'
import { MOST_DAYS } from '../time-bounds.ts'

/**
 * Signature of binary COPY, no flags, no extension (PostgreSQL documentation, COPY, "Binary
 * Format").
 */
const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1')
const TRAILER_BYTES = 2
/** Microseconds from 1970-01-01, the schema's epoch, to 2000-01-01, PostgreSQL's. */
const POSTGRES_EPOCH_MICROS = 946_684_800_000_000
const MICROS_PER_DAY = 86_400_000_000
const TWO_32 = 4_294_967_296
/**
 * The order in which the code below writes a row. If readings.avsc has another order, this does not
 * compile.
 */
const leading: readonly ['device_id', 'ts', 'time_estimated', 'account_id', 'site_id'] = leadingColumns
const TS_COLUMN = leading.indexOf('ts')
const COLUMNS = leading.length + quantities.length
/**
 * Column count 2, device 4 + up to 64, ts 12, estimated 5, account and site 12 each, quantities 12
 * each.
 */
const LONGEST_ROW = 2 + 68 + 12 + 5 + 24 + 12 * quantities.length
const LONGEST_DEVICE_ID = 64

/** A record whose samples fall on more days than a transaction should make partitions for. */
export class TooManyDaysError extends Error {
  readonly code = 'TOO_MANY_DAYS'
  readonly transient = false
}

/** Whether a sample may become a row. Gets its time in microseconds. */
export type Admit = (tsMicros: number, sample: number) => boolean

/**
 * Turns `Readings` into rows of a binary COPY, byte by byte from one buffer into the other: no
 * object for a row. Columns are `leadingColumns`, then the quantities in their order.
 */
export class CopyWriter {
  /** Rows written since `reset`. */
  rows = 0
  /** Values of quantities in these rows. */
  readings = 0
  /** Days since 1970 (UTC) that rows fall on. */
  readonly days = new Set<number>()
  /** Days that the record under way is the first to have. */
  private readonly newDays: number[] = []
  /**
   * How often the day changes from row to row of the record under way. It falls on at most one day
   * more.
   */
  private dayChanges = 0
  private target: Buffer
  private view: DataView
  /** The memory that `rearrange` puts the rows into. */
  private spare: Buffer = Buffer.allocUnsafeSlow(0)
  private at = 0
  private source: Buffer = Buffer.alloc(0)
  private from = 0
  private readonly values = new Float64Array(quantities.length)
  private lastDay = Number.NaN

  constructor(initialBytes = 1 << 20) {
    this.target = Buffer.allocUnsafeSlow(initialBytes)
    this.view = viewOf(this.target)
    this.reset()
  }

  /** Starts a new COPY in the same memory: what `finish` returned must not be in use any more. */
  reset(): void {
    SIGNATURE.copy(this.target, 0)
    this.at = SIGNATURE.length
    this.rows = 0
    this.readings = 0
    this.days.clear()
    this.lastDay = Number.NaN
  }

  /** Bytes written since `reset`. */
  get bytes(): number {
    return this.at
  }

  /**
   * Puts the rows into another order.
   * @param parts all rows, in pieces: where each begins and ends, as `bytes` was before and after
   */
  rearrange(parts: readonly { readonly start: number; readonly end: number }[]): void {
    if (this.spare.length < this.at) this.spare = Buffer.allocUnsafeSlow(this.target.length)
    let at = SIGNATURE.copy(this.spare, 0)
    for (const { start, end } of parts) at += this.target.copy(this.spare, at, start, end)
    if (at !== this.at) throw new RangeError(`${at} bytes of ${this.at} were rearranged`)
    ;[this.target, this.spare] = [this.spare, this.target]
    this.view = viewOf(this.target)
  }

  /** The whole COPY stream. The writer must be reset before its next row. */
  finish(): Buffer {
    this.reserve(TRAILER_BYTES)
    this.target.writeInt16BE(-1, this.at)
    return this.target.subarray(0, this.at + TRAILER_BYTES)
  }

  /**
   * Appends the rows of one record in the registry's wire format, all of them or none.
   * @returns number of rows appended
   * @throws MalformedError, TooManyDaysError
   */
  append(record: Buffer, layout: SampleLayout, admit: Admit): number {
    const [at, rows, readings] = [this.at, this.rows, this.readings]
    this.dayChanges = 0
    if (this.newDays.length > 0) this.newDays.length = 0
    try {
      this.source = record
      this.from = WIRE_BYTES
      this.samples(layout, admit)
      if (this.dayChanges >= MOST_DAYS) this.checkDays(at)
      return this.rows - rows
    } catch (cause) {
      this.at = at
      this.rows = rows
      this.readings = readings
      for (const day of this.newDays) this.days.delete(day)
      this.lastDay = Number.NaN
      throw cause
    }
  }

  /**
   * Counts the days of the rows from `start` on: samples need not be in order, so there may be more
   * changes of day than days.
   */
  private checkDays(start: number): void {
    const days = new Set<number>()
    for (let at = start; at < this.at; ) {
      let column = at + 2
      for (let index = 0; index < COLUMNS; index++) {
        const length = this.view.getInt32(column)
        if (index === TS_COLUMN) days.add(Math.floor((Number(this.view.getBigInt64(column + 4)) + POSTGRES_EPOCH_MICROS) / MICROS_PER_DAY))
        column += 4 + Math.max(length, 0)
      }
      at = column
    }
    if (days.size > MOST_DAYS) throw new TooManyDaysError(`its samples fall on ${days.size} days; expected at most ${MOST_DAYS}`)
  }

  private samples(layout: SampleLayout, admit: Admit): void {
    const deviceLength = this.varint()
    const device = this.from
    if (deviceLength < 1 || deviceLength > LONGEST_DEVICE_ID)
      throw new MalformedError(`device_id: expected 1 to ${LONGEST_DEVICE_ID} bytes, got ${deviceLength}`)
    this.skip(deviceLength)
    this.skip(this.varint())
    // boot, seq, dropped
    this.varint()
    this.varint()
    this.varint()
    let sample = 0
    for (;;) {
      let block = this.varint()
      if (block === 0) break
      if (block < 0) {
        block = -block
        this.varint()
      }
      if (sample + block > MOST_SAMPLES) throw new MalformedError(`samples: expected at most ${MOST_SAMPLES}, got ${sample + block}`)
      if (block > this.source.length - this.from)
        throw new MalformedError(`samples: ${block} announced where ${this.source.length - this.from} bytes are left`)
      this.reserve(block * LONGEST_ROW)
      for (; block > 0; block--) this.sample(device, deviceLength, layout, admit, sample++)
    }
    if (this.from !== this.source.length) throw new MalformedError(`${this.source.length - this.from} bytes are left after the last field`)
  }

  private sample(device: number, deviceLength: number, layout: SampleLayout, admit: Admit, index: number): void {
    const { source, view } = this
    const values = this.values
    const ts = this.varint()
    const estimated = this.byte()
    const account = this.optionalId()
    const site = this.optionalId()
    values.fill(Number.NaN)
    for (let place = 0; place < layout.length; place++) {
      const branch = this.byte()
      if (branch === 0) continue
      if (branch !== 2) throw new MalformedError(`a quantity: expected union branch 0 or 1, got byte ${branch}`)
      if (this.from + 8 > source.length) throw new MalformedError('the record ends within a quantity')
      const column = layout[place] as number
      if (column >= 0) values[column] = source.readDoubleLE(this.from)
      this.from += 8
    }
    if (!admit(ts, index)) return
    const day = Math.floor(ts / MICROS_PER_DAY)
    if (day !== this.lastDay) {
      this.lastDay = day
      this.dayChanges++
      if (!this.days.has(day)) {
        this.days.add(day)
        this.newDays.push(day)
      }
    }
    let at = this.at
    view.setInt16(at, COLUMNS)
    view.setInt32(at + 2, deviceLength)
    at += 6
    for (let byte = 0; byte < deviceLength; byte++) this.target[at + byte] = source[device + byte] as number
    at += deviceLength
    view.setInt32(at, 8)
    this.int64(at + 4, ts - POSTGRES_EPOCH_MICROS)
    view.setInt32(at + 12, 1)
    this.target[at + 16] = estimated
    at = this.id(this.id(at + 17, account), site)
    for (let column = 0; column < values.length; column++) {
      const value = values[column] as number
      if (Number.isNaN(value)) {
        view.setInt32(at, -1)
        at += 4
      } else {
        view.setInt32(at, 8)
        view.setFloat64(at + 4, value)
        at += 12
        this.readings++
      }
    }
    this.at = at
    this.rows++
  }

  private id(at: number, id: number): number {
    if (id < 0) {
      this.view.setInt32(at, -1)
      return at + 4
    }
    this.view.setInt32(at, 8)
    this.int64(at + 4, id)
    return at + 12
  }

  private int64(at: number, value: number): void {
    this.view.setInt32(at, Math.floor(value / TWO_32))
    this.view.setUint32(at + 4, value >>> 0)
  }

  /** An account or site; -1 for none. IDs are positive. */
  private optionalId(): number {
    const branch = this.byte()
    if (branch === 0) return -1
    if (branch !== 2) throw new MalformedError(`an ID: expected union branch 0 or 1, got byte ${branch}`)
    return this.varint()
  }

  private byte(): number {
    const byte = this.source[this.from++]
    if (byte === undefined) throw new MalformedError('the record ends within a sample')
    return byte
  }

  private skip(bytes: number): void {
    this.from += bytes
    if (bytes < 0 || this.from > this.source.length) throw new MalformedError('the record ends within a string')
  }

  private varint(): number {
    const { source } = this
    let value = 0
    let factor = 1
    for (let length = 0; length < 10; length++) {
      const byte = source[this.from++]
      if (byte === undefined) break
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2
      factor *= 128
    }
    throw new MalformedError('a varint that does not end')
  }

  private reserve(needed: number): void {
    if (this.at + needed <= this.target.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(this.target.length * 2, this.at + needed))
    this.target.copy(grown, 0, 0, this.at)
    this.target = grown
    this.view = viewOf(grown)
  }
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength)
}
