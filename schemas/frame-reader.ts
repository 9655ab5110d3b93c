import type { Firmware, Metric } from './firmware.ts'

/** A datum that is not what its schema says. The message names the place and the value. */
export class MalformedError extends Error {
  readonly code = 'MALFORMED'
  readonly transient = false
}

/**
 * Whether this is a MalformedError, of this copy of Millrace or of another: a processor in a
 * package of its own brings the copy that it was built with, whose class is not this one.
 */
export function isMalformed(cause: unknown): cause is MalformedError {
  return cause instanceof Error && (cause as { readonly code?: unknown }).code === 'MALFORMED'
}

/**
 * A frame has more samples than any firmware sends. As a record of Kafka, or as a dead letter, it
 * would be too large to handle well.
 */
export class TooManySamplesError extends MalformedError {}

/**
 * Most samples of a frame. It is 35 times what 280 bytes hold of a slow sensor, or a day of
 * readings in 9 s steps.
 */
export const MOST_SAMPLES = 10_000

const INITIAL_CAPACITY = 256

/**
 * The clock of a frame whose datum begins at `start`. It looks at the first bytes only, and skips
 * boot and frame number. Undefined if the frame ends before its clock.
 */
export function clockOf(bytes: Uint8Array, start: number): number | undefined {
  let at = start
  while ((bytes[at++] as number) >= 0x80);
  while ((bytes[at++] as number) >= 0x80);
  const zigzag = bytes[at]
  return zigzag === undefined ? undefined : zigzag >> 1
}

/**
 * Decodes the datum of one firmware's frames into columns. The columns are reused: they hold until
 * the next `read`. It is strict: it refuses a varint longer than its type needs, an array of
 * another length than `dt`, and a byte too many or too few.
 */
export class FrameReader {
  readonly firmware: Firmware
  boot = 0
  seq = 0
  /** One of `clocks`. */
  clock = 0
  /**
   * Counted in the firmware's `tickMicros`, as `elapsed` is. Since 1970, or since boot if the clock
   * is uptime.
   */
  base = 0
  dropped = 0
  /** Number of samples. */
  count = 0
  /** From `base` to each sample's time. */
  elapsed = new Float64Array(INITIAL_CAPACITY)
  /** Raw values of each metric, differences undone. */
  readonly raw: Float64Array[]
  /** Whether the metric's array has values: an empty one means that no sample has a reading. */
  readonly present: boolean[]
  private bytes: Uint8Array = new Uint8Array()
  private view: DataView = new DataView(new ArrayBuffer(0))
  private at = 0
  private end = 0

  constructor(firmware: Firmware) {
    this.firmware = firmware
    this.raw = firmware.metrics.map(() => new Float64Array(INITIAL_CAPACITY))
    this.present = firmware.metrics.map(() => false)
  }

  /**
   * Reads the datum that fills bytes from `start` to the end.
   * @throws MalformedError
   */
  read(bytes: Uint8Array, start: number): void {
    this.bytes = bytes
    this.at = start
    this.end = bytes.length
    this.boot = this.int('boot')
    this.seq = this.int('seq')
    const { metrics, clockCount, dtKind } = this.firmware
    this.clock = this.int('clock')
    if (this.clock < 0 || this.clock >= clockCount)
      throw new MalformedError(`clock: expected 0 (SYNCED) ${clockCount === 2 ? 'or 1 (UPTIME)' : 'to 2 (ESTIMATED)'}, got ${this.clock}`)
    this.base = this.long('base')
    this.dropped = this.int('dropped')
    this.count = this.column('dt', dtKind, this.elapsed, 0)
    for (let index = 0; index < metrics.length; index++) {
      const { name, kind } = metrics[index] as Metric
      const length = this.column(name, kind, this.raw[index] as Float64Array, index + 1)
      if (length !== this.count && length !== 0) throw new MalformedError(`${name}: expected ${this.count} values as in dt, got ${length}`)
      this.present[index] = length > 0
    }
    if (this.at !== this.end) throw new MalformedError(`${this.end - this.at} bytes are left after the last field`)
  }

  /**
   * Reads an array into a column and returns its length. Column 0 is dt; the others are metrics.
   */
  private column(name: string, kind: Metric['kind'], column: Float64Array, index: number): number {
    let values = column
    let length = 0
    let previous = 0
    for (;;) {
      let block = this.long(name)
      if (block === 0) return length
      if (block < 0) {
        block = -block
        this.long(name)
      }
      // Each value takes at least a byte, so a false length cannot make us allocate.
      if (block > this.end - this.at)
        throw new MalformedError(`${name}: ${block} values announced where ${this.end - this.at} bytes are left`)
      if (length + block > MOST_SAMPLES)
        throw new TooManySamplesError(`${name}: expected at most ${MOST_SAMPLES} samples, got ${length + block}`)
      if (length + block > values.length) values = this.grow(index, length + block)
      if (kind === 'int') {
        for (const to = length + block; length < to; length++) {
          const difference = this.int(name)
          // dt may add up beyond 32 bits; values wrap around as the device's arithmetic does.
          previous = index === 0 ? previous + difference : (previous + difference) | 0
          values[length] = previous
        }
      } else if (kind === 'long') {
        for (const to = length + block; length < to; length++) {
          previous += this.long(name)
          values[length] = previous
        }
      } else {
        length = this.doubles(name, values, length, block)
      }
    }
  }

  private doubles(name: string, values: Float64Array, from: number, count: number): number {
    if (count * 8 > this.end - this.at)
      throw new MalformedError(`${name}: ${count} doubles announced where ${this.end - this.at} bytes are left`)
    this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength)
    for (let index = 0; index < count; index++, this.at += 8) values[from + index] = this.view.getFloat64(this.at, true)
    return from + count
  }

  private grow(index: number, needed: number): Float64Array {
    const old = index === 0 ? this.elapsed : (this.raw[index - 1] as Float64Array)
    const grown = new Float64Array(Math.max(needed, old.length * 2))
    grown.set(old)
    if (index === 0) this.elapsed = grown
    else this.raw[index - 1] = grown
    return grown
  }

  private int(name: string): number {
    const { bytes } = this
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.at < this.end ? (bytes[this.at++] as number) : this.truncated(name)
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) {
        if ((byte === 0 && shift > 0) || (shift === 28 && byte > 0x0f)) break
        return (value >>> 1) ^ -(value & 1)
      }
    }
    throw new MalformedError(`${name}: the varint that ends at byte ${this.at} is longer than an int needs`)
  }

  private long(name: string): number {
    const { bytes } = this
    let value = 0
    let factor = 1
    for (let length = 1; length <= 10; length++) {
      const byte = this.at < this.end ? (bytes[this.at++] as number) : this.truncated(name)
      value += (byte & 0x7f) * factor
      factor *= 128
      if (byte < 0x80) {
        if (byte === 0 && length > 1) break
        if (value > Number.MAX_SAFE_INTEGER) throw new MalformedError(`${name}: a value beyond 2^52 at byte ${this.at}`)
        return value % 2 === 0 ? value / 2 : -(value + 1) / 2
      }
    }
    throw new MalformedError(`${name}: the varint that ends at byte ${this.at} is longer than a long needs`)
  }

  private truncated(name: string): never {
    throw new MalformedError(`${name}: the frame ends within it`)
  }
}
