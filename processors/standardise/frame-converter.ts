import { clocks, type Firmware, type Metric } from '../../schemas/firmware.ts'
import { FrameReader } from '../../schemas/frame-reader.ts'
import { quantities } from '../../schemas/generated/readings.ts'
import type { Assignment, DeviceId, Lookups } from '../contract.ts'
import { type ReadingsHead, SampleColumns } from '../sample-columns.ts'
import type { Reason } from './reasons.ts'
import { countsBoots, LONGEST_UPTIME_MICROS } from './uptimes.ts'

const MICROS_PER_MILLI = 1000

interface Conversion {
  readonly metric: Metric
  readonly column: number
  readonly quantity: number
  readonly minimum: number
  readonly maximum: number
}

/** The frame as it came. */
export interface ReceivedFrame {
  readonly device: DeviceId
  /** The same, as bytes. */
  readonly deviceId: Uint8Array
  readonly bytes: Uint8Array
  /** Where the datum starts. */
  readonly start: number
  /** Milliseconds since 1970. */
  readonly receivedMs: number
}

/**
 * Turns the frames of one firmware into readings in standard units. The columns are reused from
 * frame to frame: nothing is allocated for a sample.
 */
export class FrameConverter {
  readonly samples = new SampleColumns<Reason>()
  private readonly reader: FrameReader
  private readonly conversions: readonly Conversion[]
  private readonly name: Uint8Array
  private readonly countsBoots: boolean

  constructor(firmware: Firmware) {
    this.countsBoots = countsBoots(firmware)
    this.reader = new FrameReader(firmware)
    this.name = Buffer.from(firmware.id, 'utf8')
    this.conversions = firmware.metrics.map((metric, column) => {
      const quantity = quantities.findIndex(({ name }) => name === metric.standard)
      const range = quantities[quantity]
      if (range === undefined) throw new RangeError(`${firmware.id}: no quantity ${metric.standard}`)
      return { metric, column, quantity, minimum: range.minimum, maximum: range.maximum }
    })
  }

  /**
   * Fills `samples`, with a rejection for each reason and quantity: the other quantities of a
   * sample go on. A sample is excluded if nothing of it is left.
   * @returns the head of its readings
   * @throws MalformedError
   */
  standardise(frame: ReceivedFrame, assignments: readonly Assignment[], lookups: Pick<Lookups, 'anchor'>): ReadingsHead {
    const { reader, samples } = this
    reader.read(frame.bytes, frame.start)
    const { boot, seq, dropped, clock, count } = reader
    samples.begin(count)
    this.stamp(frame, lookups)
    samples.judgeTimes(frame.receivedMs)
    for (const conversion of this.conversions) this.convert(conversion)
    samples.excludeEmpty()
    samples.assign(assignments)
    return { deviceId: frame.deviceId, firmware: this.name, boot, seq, dropped, timeEstimated: clock !== clocks.synced }
  }

  private stamp(frame: ReceivedFrame, lookups: Pick<Lookups, 'anchor'>): void {
    const { count, elapsed, clock, base } = this.reader
    const { tickMicros } = this.reader.firmware
    const originMicros = clock === clocks.uptime ? this.bootOrigin(frame, lookups) : base * tickMicros
    const { ts } = this.samples
    for (let sample = 0; sample < count; sample++) ts[sample] = originMicros + (elapsed[sample] as number) * tickMicros
  }

  /** The time of day of `base`, which is an uptime. */
  private bootOrigin({ device, receivedMs }: ReceivedFrame, lookups: Pick<Lookups, 'anchor'>): number {
    const { count, elapsed, base, boot } = this.reader
    const { tickMicros } = this.reader.firmware
    if (count === 0) return 0
    const last = elapsed[count - 1] as number
    if (!this.countsBoots) return receivedMs * MICROS_PER_MILLI - last * tickMicros
    const newestMicros = (base + last) * tickMicros
    if (!(newestMicros >= 0 && newestMicros <= LONGEST_UPTIME_MICROS)) {
      this.samples.refuseAll('time-out-of-range', () => `the device gives an uptime of ${newestMicros / 1e6} s`)
      return 0
    }
    const anchor = lookups.anchor(device, boot)
    if (Number.isNaN(anchor)) this.samples.refuseAll('too-many-boots', () => `boot ${boot} is one too many to be remembered`)
    return anchor + base * tickMicros
  }

  private convert({ metric, column, quantity, minimum, maximum }: Conversion): void {
    const { samples } = this
    const { count } = this.reader
    if (!this.reader.present[column]) {
      samples.absent(quantity)
      return
    }
    const raw = this.reader.raw[column] as Float64Array
    const values = samples.column(quantity)
    const { numerator, addend, denominator, missing, map } = metric
    for (let sample = 0; sample < count; sample++) {
      const code = raw[sample] as number
      if (code === missing || Number.isNaN(code)) {
        values[sample] = Number.NaN
        continue
      }
      const value = map === undefined ? (code * numerator + addend) / denominator : (map.get(code) ?? Number.NaN)
      if (value >= minimum && value <= maximum) {
        values[sample] = value
        continue
      }
      values[sample] = Number.NaN
      if (Number.isNaN(value))
        samples.reject(
          sample,
          'unknown-code',
          metric.standard,
          () => `${metric.name} has code ${code}; its map has ${[...(map?.keys() ?? [])].join(', ')}`,
        )
      else samples.rejectOutOfRange(sample, quantity, value)
    }
  }
}
