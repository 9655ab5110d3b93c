import { AvroCursor } from './avro-cursor.ts'
import { MalformedError, MOST_SAMPLES } from './frame-reader.ts'
import type { SampleLayout } from './readings-layout.ts'

/** Goes over a record of `Readings` (schemas/readings.avsc): its head, then its samples. */
export abstract class ReadingsWalk extends AvroCursor {
  boot = 0
  seq = 0
  /** Samples that the device says it has discarded since its last frame. */
  dropped = 0
  /** Number of samples. */
  count = 0
  protected deviceFrom = 0
  protected deviceTo = 0
  protected firmwareFrom = 0
  protected firmwareTo = 0

  /** Makes room for more samples. */
  protected abstract reserve(samples: number): void

  /** Reads the sample at `at`: its leading fields, then the quantities as `layout` says. */
  protected abstract sample(layout: SampleLayout, index: number): void

  /** @throws MalformedError */
  protected walkHead(): void {
    const device = this.string('device_id')
    this.deviceTo = this.at
    this.deviceFrom = this.at - device
    const firmware = this.string('firmware')
    this.firmwareTo = this.at
    this.firmwareFrom = this.at - firmware
    this.boot = this.int('boot')
    this.seq = this.int('seq')
    this.dropped = this.int('dropped')
  }

  /** @throws MalformedError */
  protected walkSamples(layout: SampleLayout): void {
    this.count = 0
    for (;;) {
      let block = this.long('samples')
      if (block === 0) break
      if (block < 0) {
        block = -block
        this.long('samples')
      }
      const end = this.count + block
      if (end > MOST_SAMPLES) throw new MalformedError(`samples: expected at most ${MOST_SAMPLES}, got ${end}`)
      // A sample takes more than a byte, so a wrong length cannot make us allocate much.
      if (block > this.bytes.length - this.at)
        throw new MalformedError(`samples: ${block} announced and ${this.bytes.length - this.at} bytes are left`)
      this.reserve(block)
      for (; this.count < end; this.count++) this.sample(layout, this.count)
    }
    if (this.at !== this.bytes.length) throw new MalformedError(`${this.bytes.length - this.at} bytes are left after the last field`)
  }
}
