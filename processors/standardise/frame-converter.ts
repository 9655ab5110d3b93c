import { clocks, type Firmware, type Metric } from '../../schemas/firmware.ts'
import { FrameReader } from '../../schemas/frame-reader.ts'
import { quantities } from '../../schemas/generated/readings.ts'
import type { ReadingsColumns } from '../../schemas/readings-writer.ts'
import type { Assignment, DeviceId, Lookups, Rejection } from '../contract.ts'
import { NEWEST_DAYS, OLDEST_DAYS } from '../time-bounds.ts'
import type { Reason } from './reasons.ts'
import { countsBoots, LONGEST_UPTIME_MICROS } from './uptimes.ts'

const MICROS_PER_DAY = 86_400_000_000
const MICROS_PER_MILLI = 1000

interface Conversion {
  readonly metric: Metric
  readonly column: number
  readonly quantity: number
  readonly minimum: number
  readonly maximum: number
  readonly unit: string
}

/**
 * Samples that are rejected for one reason, as a whole or in one quantity; the detail is of the
 * first.
 */
interface SamplesRejected extends Rejection {
  readonly reason: Reason
  readonly samples: number[]
  readonly quantities: readonly string[]
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
  private readonly reader: FrameReader
  private readonly conversions: readonly Conversion[]
  private readonly name: Uint8Array
  private ts = new Float64Array(0)
  private account = new Float64Array(0)
  private site = new Float64Array(0)
  private excluded = new Uint8Array(0)
  private readonly values: (Float64Array | undefined)[] = quantities.map(() => undefined)
  private rejections: SamplesRejected[] = []
  private readonly countsBoots: boolean

  constructor(firmware: Firmware) {
    this.countsBoots = countsBoots(firmware)
    this.reader = new FrameReader(firmware)
    this.name = Buffer.from(firmware.id, 'utf8')
    this.conversions = firmware.metrics.map((metric, column) => {
      const quantity = quantities.findIndex(({ name }) => name === metric.standard)
      const range = quantities[quantity]
      if (range === undefined) throw new RangeError(`${firmware.id}: no quantity ${metric.standard}`)
      return { metric, column, quantity, minimum: range.minimum, maximum: range.maximum, unit: range.unit }
    })
  }

  /**
   * @returns the columns without what is rejected, and a rejection for each reason and quantity:
   *   the other quantities of a sample go on. A sample is excluded if nothing of it is left.
   * @throws MalformedError
   */
  standardise(
    frame: ReceivedFrame,
    assignments: readonly Assignment[],
    lookups: Pick<Lookups, 'anchor'>,
  ): { readonly columns: ReadingsColumns; readonly rejections: readonly SamplesRejected[] } {
    const { reader } = this
    reader.read(frame.bytes, frame.start)
    this.resize(reader.count)
    this.excluded.fill(0, 0, reader.count)
    this.rejections = []
    this.stamp(frame, lookups)
    for (const conversion of this.conversions) this.convert(conversion)
    this.excludeEmpty()
    this.assign(assignments)
    return {
      columns: {
        deviceId: frame.deviceId,
        firmware: this.name,
        boot: reader.boot,
        seq: reader.seq,
        dropped: reader.dropped,
        count: reader.count,
        ts: this.ts,
        timeEstimated: reader.clock !== clocks.synced,
        account: this.account,
        site: this.site,
        values: this.values,
        excluded: this.excluded,
      },
      rejections: this.rejections,
    }
  }

  private stamp(frame: ReceivedFrame, lookups: Pick<Lookups, 'anchor'>): void {
    const { receivedMs } = frame
    const { count, elapsed, clock, base } = this.reader
    const { tickMicros } = this.reader.firmware
    const receivedMicros = receivedMs * MICROS_PER_MILLI
    const originMicros = clock === clocks.uptime ? this.bootOrigin(frame, lookups) : base * tickMicros
    const oldest = receivedMicros - OLDEST_DAYS * MICROS_PER_DAY
    const newest = receivedMicros + NEWEST_DAYS * MICROS_PER_DAY
    for (let sample = 0; sample < count; sample++) {
      const micros = originMicros + (elapsed[sample] as number) * tickMicros
      this.ts[sample] = micros
      if (!(micros >= oldest && micros <= newest))
        this.refuse(
          sample,
          'time-out-of-range',
          () => `${describeTime(micros / MICROS_PER_MILLI)} was received at ${describeTime(receivedMs)}`,
        )
    }
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
      this.refuseAll('time-out-of-range', () => `the device gives an uptime of ${newestMicros / 1e6} s`)
      return 0
    }
    const anchor = lookups.anchor(device, boot)
    if (Number.isNaN(anchor)) this.refuseAll('too-many-boots', () => `boot ${boot} is one too many to be remembered`)
    return anchor + base * tickMicros
  }

  private convert({ metric, column, quantity, minimum, maximum, unit }: Conversion): void {
    const { count } = this.reader
    if (!this.reader.present[column]) {
      this.values[quantity] = undefined
      return
    }
    const raw = this.reader.raw[column] as Float64Array
    const values = this.column(quantity)
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
      // Its time is wrong: it has no usable value.
      if (this.excluded[sample] === 1) continue
      const { standard } = metric
      if (Number.isNaN(value))
        this.reject(
          sample,
          'unknown-code',
          standard,
          () => `${metric.name} has code ${code}; its map has ${[...(map?.keys() ?? [])].join(', ')}`,
        )
      else this.reject(sample, 'out-of-range', standard, () => `${standard} is ${value} ${unit}; expected ${minimum} to ${maximum}`)
    }
  }

  /**
   * Excludes the samples that lost all their values. A sample that never had a value is a row all
   * the same.
   */
  private excludeEmpty(): void {
    for (const { samples, quantities: lost } of this.rejections) {
      if (lost.length === 0) continue
      for (const sample of samples) if (!hasValue(this.values, sample)) this.excluded[sample] = 1
    }
  }

  private assign(assignments: readonly Assignment[]): void {
    const { count } = this.reader
    let current: Assignment | undefined
    for (let sample = 0; sample < count; sample++) {
      const ts = this.ts[sample] as number
      if (current === undefined || ts < current.fromMicros || ts >= current.toMicros) {
        current = assignments.find(({ fromMicros, toMicros }) => ts >= fromMicros && ts < toMicros)
      }
      this.account[sample] = current?.accountId ?? -1
      this.site[sample] = current?.siteId ?? -1
    }
  }

  private refuseAll(reason: Reason, detail: () => string): void {
    for (let sample = 0; sample < this.reader.count; sample++) this.refuse(sample, reason, detail)
  }

  /** A sample is rejected as a whole once, for the first thing that is wrong with it. */
  private refuse(sample: number, reason: Reason, detail: () => string): void {
    if (this.excluded[sample] === 1) return
    this.excluded[sample] = 1
    this.reject(sample, reason, undefined, detail)
  }

  /** @param quantity undefined for the whole sample */
  private reject(sample: number, reason: Reason, quantity: string | undefined, detail: () => string): void {
    const before = this.rejections.find((rejection) => rejection.reason === reason && rejection.quantities[0] === quantity)
    if (before !== undefined) before.samples.push(sample)
    else this.rejections.push({ reason, detail: detail(), samples: [sample], quantities: quantity === undefined ? [] : [quantity] })
  }

  private column(quantity: number): Float64Array {
    let column = this.values[quantity]
    if (column === undefined || column.length < this.ts.length) {
      column = new Float64Array(this.ts.length)
      this.values[quantity] = column
    }
    return column
  }

  private resize(count: number): void {
    if (count <= this.ts.length) return
    const length = Math.max(256, 2 ** Math.ceil(Math.log2(count)))
    this.ts = new Float64Array(length)
    this.account = new Float64Array(length)
    this.site = new Float64Array(length)
    this.excluded = new Uint8Array(length)
  }
}

function describeTime(ms: number): string {
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? `${ms} ms since 1970` : date.toISOString()
}

/** Whether a sample has a value of any quantity. */
export function hasValue(values: ReadingsColumns['values'], sample: number): boolean {
  for (const column of values) if (column !== undefined && !Number.isNaN(column[sample] as number)) return true
  return false
}
