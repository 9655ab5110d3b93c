import { MalformedError } from './frame-reader.ts'

const INT = 0x7fffffff
const NO_BYTES = Buffer.alloc(0)

/** Goes over the fields of an Avro datum. What is wrong with one is told by its name. */
export abstract class AvroCursor {
  protected bytes: Buffer = NO_BYTES
  protected at = 0

  protected byte(field: string): number {
    const byte = this.bytes[this.at++]
    if (byte === undefined) throw new MalformedError(`${field}: the record ends before it`)
    return byte
  }

  protected int(field: string): number {
    const value = this.long(field)
    if (value > INT || value < -INT - 1) throw new MalformedError(`${field}: expected a 32-bit integer, got ${value}`)
    return value
  }

  /** A zigzag varint. One beyond 2^52 is not exact. */
  protected long(field: string): number {
    const { bytes } = this
    let value = 0
    let factor = 1
    for (let length = 0; length < 10; length++) {
      const byte = bytes[this.at++]
      if (byte === undefined) throw new MalformedError(`${field}: the record ends within it`)
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2
      factor *= 128
    }
    throw new MalformedError(`${field}: expected an integer of at most 10 bytes`)
  }

  /** A number, or null as -1. */
  protected optionalLong(field: string): number {
    const branch = this.bytes[this.at++]
    if (branch !== 0 && branch !== 2) throw notABranch(field, branch)
    return branch === 0 ? -1 : this.long(field)
  }

  /** Skips a string, which ends before `at` then, and returns its length. */
  protected string(field: string): number {
    const length = this.long(field)
    const left = this.bytes.length - this.at
    if (length < 0 || length > left) throw new MalformedError(`${field}: expected at most ${left} bytes, got ${length}`)
    this.at += length
    return length
  }
}

/** @param branch the byte of a union with null; 2 or undefined if the record ends within it */
export function notABranch(field: string, branch: number | undefined): MalformedError {
  return new MalformedError(
    branch === undefined || branch === 2
      ? `${field}: the record ends within it`
      : `${field}: expected union branch 0 or 1, got byte ${branch}`,
  )
}
