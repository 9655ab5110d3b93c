import { MalformedError } from '../../schemas/frame-reader.ts'
import { requireWireHeader, WIRE_BYTES } from '../../schemas/wire-format.ts'

const INT = 0x7fffffff
const JSON_FIRMWARE = Buffer.from('generic-json', 'latin1')

/**
 * What tells frames apart. It is read from the start of a record; the samples are not looked at.
 * The fields hold until the next `read`.
 */
abstract class Head {
  boot = 0
  seq = 0
  /** Samples that the device had to discard before this frame. */
  dropped = 0
  protected bytes: Uint8Array = new Uint8Array()
  protected at = 0

  /** @throws MalformedError if the numbers are none of the wire format's */
  protected refuseImpossible(): void {
    if (Math.abs(this.boot) > INT || this.seq < 0 || this.seq > INT)
      throw new MalformedError(`boot ${this.boot}, seq ${this.seq}: not what a device numbers`)
  }

  /** A zigzag varint below 2^53. */
  protected varint(): number {
    const { bytes } = this
    let value = 0
    let factor = 1
    for (let length = 0; length < 10; length++) {
      const byte = bytes[this.at++]
      if (byte === undefined) break
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2
      factor *= 128
    }
    throw new MalformedError('the record ends within its head')
  }
}

/**
 * The head of `Readings` (schemas/readings.avsc) in the registry's wire format: two strings, three
 * numbers, the first sample's time.
 */
export class ReadingsHead extends Head {
  /** False for JSON devices, whose frames the bridge makes: nobody numbered them. */
  numbered = false
  samples = 0
  /**
   * Time of the first sample in microseconds since 1970; NaN if there is none or it was only
   * estimated.
   */
  firstSample = Number.NaN
  /** The same, estimated or not. */
  firstTime = Number.NaN

  /** @throws MalformedError */
  read(record: Buffer): void {
    this.bytes = requireWireHeader(record)
    this.at = WIRE_BYTES
    this.skipString()
    const length = this.skipString()
    this.numbered = !(length === JSON_FIRMWARE.length && this.isJsonFirmware(this.at - length))
    this.boot = this.varint()
    this.seq = this.varint()
    this.dropped = this.varint()
    this.samples = this.varint()
    this.firstSample = Number.NaN
    this.firstTime = Number.NaN
    if (this.numbered) this.refuseImpossible()
    if (this.samples === 0) return
    if (this.samples < 0) {
      this.samples = -this.samples
      this.varint()
    }
    const ts = this.varint()
    this.firstTime = ts
    if (this.bytes[this.at] === 0) this.firstSample = ts
  }

  /** Returns the string's length. */
  private skipString(): number {
    const length = this.varint()
    if (length < 0) throw new MalformedError(`a string of ${length} bytes`)
    this.at += length
    return length
  }

  private isJsonFirmware(start: number): boolean {
    for (let index = 0; index < JSON_FIRMWARE.length; index++) if (this.bytes[start + index] !== JSON_FIRMWARE[index]) return false
    return true
  }
}

/** The head that all firmwares' frames share (docs/firmware-schema.md). */
export class FrameHead extends Head {
  /** @param start of the datum, past its header. @throws MalformedError */
  read(frame: Uint8Array, start: number): void {
    this.bytes = frame
    this.at = start
    this.boot = this.varint()
    this.seq = this.varint()
    // clock, base
    this.varint()
    this.varint()
    this.dropped = this.varint()
    this.refuseImpossible()
  }
}
