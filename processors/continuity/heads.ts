import { AvroCursor } from '../../schemas/avro-cursor.ts'
import { MalformedError } from '../../schemas/frame-reader.ts'
import { requireWireHeader, WIRE_BYTES } from '../../schemas/wire-format.ts'

const INT = 0x7fffffff
const JSON_FIRMWARE = Buffer.from('generic-json', 'latin1')
/** In what translate writes as firmware, as in tasmota@3. No firmware's ID has it. */
const AT = 0x40

/**
 * What tells frames apart. It is read from the start of a record; the samples are not looked at.
 * The fields hold until the next `read`.
 */
abstract class Head extends AvroCursor {
  boot = 0
  seq = 0
  /** Samples that the device had to discard before this frame. */
  dropped = 0

  /** @throws MalformedError if the numbers are none of the wire format's */
  protected refuseImpossible(): void {
    if (Math.abs(this.boot) > INT || this.seq < 0 || this.seq > INT)
      throw new MalformedError(`boot ${this.boot}, seq ${this.seq}: not what a device numbers`)
  }
}

/**
 * The head of `Readings` (schemas/readings.avsc) in the registry's wire format: two strings, three
 * numbers, the first sample's time.
 */
export class ReadingsHead extends Head {
  /**
   * False for JSON devices, whose frames the bridge makes, and for messages that a dialect
   * translated: nobody numbered them.
   */
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
    this.string('device_id')
    const length = this.string('firmware')
    this.numbered = !this.isDialect(this.at - length) && !(length === JSON_FIRMWARE.length && this.isJsonFirmware(this.at - length))
    this.boot = this.long('boot')
    this.seq = this.long('seq')
    this.dropped = this.long('dropped')
    this.samples = this.long('samples')
    this.firstSample = Number.NaN
    this.firstTime = Number.NaN
    if (this.numbered) this.refuseImpossible()
    if (this.samples === 0) return
    if (this.samples < 0) {
      this.samples = -this.samples
      this.long('samples')
    }
    const ts = this.long('ts')
    this.firstTime = ts
    if (this.bytes[this.at] === 0) this.firstSample = ts
  }

  /** @param start of the firmware, which ends where reading goes on */
  private isDialect(start: number): boolean {
    for (let at = start; at < this.at; at++) if (this.bytes[at] === AT) return true
    return false
  }

  private isJsonFirmware(start: number): boolean {
    for (let index = 0; index < JSON_FIRMWARE.length; index++) if (this.bytes[start + index] !== JSON_FIRMWARE[index]) return false
    return true
  }
}

/** The head that all firmwares' frames share (docs/firmware-schema.md). */
export class FrameHead extends Head {
  /** @param start of the datum, past its header. @throws MalformedError */
  read(frame: Buffer, start: number): void {
    this.bytes = frame
    this.at = start
    this.boot = this.long('boot')
    this.seq = this.long('seq')
    this.long('clock')
    this.long('base')
    this.dropped = this.long('dropped')
    this.refuseImpossible()
  }
}
