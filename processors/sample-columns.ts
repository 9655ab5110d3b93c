import { quantities } from '../schemas/generated/readings.ts'
import type { ReadingsColumns } from '../schemas/readings-writer.ts'
import type { Assignment, RecordPart, Rejection } from './contract.ts'
import { TIME_OUT_OF_RANGE } from './receipt.ts'
import { narrowed } from './rejections.ts'
import { NEWEST_DAYS, OLDEST_DAYS, tooManyDays } from './time-bounds.ts'

const MICROS_PER_DAY = 86_400_000_000
const MICROS_PER_MILLI = 1000
/** Room for the samples of nearly every frame, so that columns seldom grow. */
const INITIAL_CAPACITY = 256

/** Reason of every processor that makes readings: a value is outside the range of its quantity. */
export const OUT_OF_RANGE = 'out-of-range'

/** The same: a position of which a part is missing. */
export const INCOMPLETE_POSITION = 'incomplete-position'

const LATITUDE = quantities.findIndex(({ name }) => name === 'latitude')
const LONGITUDE = quantities.findIndex(({ name }) => name === 'longitude')
/** It says something of a position, and nothing without one. */
const ACCURACY = quantities.findIndex(({ name }) => name === 'position_accuracy')

/** Reasons that `SampleColumns` itself rejects for. */
type OwnReason = typeof TIME_OUT_OF_RANGE | typeof OUT_OF_RANGE | typeof INCOMPLETE_POSITION

/**
 * Samples that are rejected for one reason, as a whole or in one quantity; the detail is of the
 * first.
 */
export interface SamplesRejected<Reason extends string> extends Rejection {
  readonly reason: Reason
  readonly samples: number[]
  readonly quantities: readonly string[]
}

/** What a record of readings has beside its samples. */
export type ReadingsHead = Pick<ReadingsColumns, 'deviceId' | 'firmware' | 'boot' | 'seq' | 'dropped' | 'timeEstimated'>

/**
 * Samples of one device in standard units, as columns, and what of them is rejected. It knows which
 * times and values are taken, whose the samples are, and which part of them a redrive is about. The
 * columns are reused from record to record: nothing is allocated for a sample.
 *
 * Fill it in this order: `begin`; times into `ts`, then `judgeTimes`; each quantity, with `absent`
 * or `column`; `judgePositions`; `excludeEmpty`; `assign`; `restrict` for a redrive. A channel of
 * the device has columns of its own, which `follow` those of the device in place of the first two
 * steps.
 */
export class SampleColumns<Reason extends string = never> {
  /** Number of samples. */
  count = 0
  /** Microseconds since 1970. */
  ts = new Float64Array(INITIAL_CAPACITY)
  /** Account and site of each sample; -1 for none. */
  account = new Float64Array(INITIAL_CAPACITY)
  site = new Float64Array(INITIAL_CAPACITY)
  /** 1 for each sample that is left out. */
  excluded = new Uint8Array(INITIAL_CAPACITY)
  /** Per quantity: values, NaN for none; undefined if no sample has any. */
  readonly values: (Float64Array | undefined)[] = quantities.map(() => undefined)
  /** Columns to use again. */
  private readonly spare: (Float64Array | undefined)[] = quantities.map(() => undefined)
  /** One for each reason and quantity. The other quantities of a sample go on. */
  rejections: SamplesRejected<Reason | OwnReason>[] = []
  /** 1 for each sample that lost a value. */
  private lost = new Uint8Array(INITIAL_CAPACITY)
  private hasLost = false
  /** How the record numbers its samples; undefined if as the columns do. */
  private numbers: readonly number[] | undefined
  /** What rejections put before the names of quantities: `brood/` for channel brood. */
  private readonly prefix: string

  /** @param channel of the device; the device itself if absent */
  constructor(channel?: string) {
    this.prefix = channel === undefined ? '' : `${channel}/`
  }

  /**
   * Forgets the record before.
   * @param numbers of the samples within their record, as dead letters name them; from 0 if absent
   */
  begin(count: number, numbers?: readonly number[]): void {
    if (count > this.ts.length) this.grow(2 ** Math.ceil(Math.log2(count)))
    this.count = count
    this.numbers = numbers
    this.excluded.fill(0, 0, count)
    if (this.hasLost) this.lost.fill(0)
    this.hasLost = false
    this.rejections = []
  }

  /** Begins with the samples of another, with its times. What it left out is left out here. */
  follow(other: SampleColumns<Reason>): void {
    this.begin(other.count, other.numbers)
    this.ts.set(other.ts.subarray(0, other.count))
    this.excluded.set(other.excluded.subarray(0, other.count))
  }

  /** Rejects samples whose time is too far from that of their receipt. */
  judgeTimes(receivedMs: number, oldestDays = OLDEST_DAYS): void {
    const { ts, count } = this
    const receivedMicros = receivedMs * MICROS_PER_MILLI
    const oldest = receivedMicros - oldestDays * MICROS_PER_DAY
    const newest = receivedMicros + NEWEST_DAYS * MICROS_PER_DAY
    for (let sample = 0; sample < count; sample++) {
      const micros = ts[sample] as number
      if (!(micros >= oldest && micros <= newest))
        this.refuse(
          sample,
          TIME_OUT_OF_RANGE,
          () => `${describeTime(micros / MICROS_PER_MILLI)} was received at ${describeTime(receivedMs)}`,
        )
    }
  }

  /** No sample has this quantity. */
  absent(quantity: number): void {
    this.values[quantity] = undefined
  }

  /** The column of a quantity, to be filled for every sample. It still has older values. */
  column(quantity: number): Float64Array {
    let column = this.spare[quantity]
    if (column === undefined || column.length < this.ts.length) {
      column = new Float64Array(this.ts.length)
      this.spare[quantity] = column
    }
    this.values[quantity] = column
    return column
  }

  /** Rejects a value that is outside the range of its quantity. */
  rejectOutOfRange(sample: number, quantity: number, value: number): void {
    const range = quantities[quantity]
    if (range === undefined) throw new RangeError(`there is no quantity ${quantity}`)
    const { name, unit, minimum, maximum } = range
    this.reject(sample, OUT_OF_RANGE, name, () => `${name} is ${value} ${unit}; expected ${minimum} to ${maximum}`)
  }

  /**
   * Rejects a value of a sample, unless the sample is rejected as a whole: if its time is wrong, it
   * has no usable value.
   */
  reject(sample: number, reason: Reason | OwnReason, quantity: string, detail: () => string): void {
    if (this.excluded[sample] === 1) return
    this.lost[sample] = 1
    this.hasLost = true
    this.note(sample, reason, quantity, detail)
  }

  /** Rejects a sample as a whole: once, for the first thing that is wrong with it. */
  refuse(sample: number, reason: Reason | OwnReason, detail: () => string): void {
    if (this.excluded[sample] === 1) return
    this.excluded[sample] = 1
    this.note(sample, reason, undefined, detail)
  }

  refuseAll(reason: Reason | OwnReason, detail: () => string): void {
    for (let sample = 0; sample < this.count; sample++) this.refuse(sample, reason, detail)
  }

  /**
   * Rejects what is left of a position if its latitude or its longitude is not there: half a
   * position is none, and an accuracy is the accuracy of a position.
   */
  judgePositions(): void {
    const [latitude, longitude, accuracy] = [this.values[LATITUDE], this.values[LONGITUDE], this.values[ACCURACY]]
    if (latitude === undefined && longitude === undefined && accuracy === undefined) return
    for (let sample = 0; sample < this.count; sample++) {
      const [hasLatitude, hasLongitude] = [hasValue(latitude, sample), hasValue(longitude, sample)]
      if (hasLatitude && hasLongitude) continue
      if (hasLatitude) this.dropPart(sample, latitude, LATITUDE, LONGITUDE)
      if (hasLongitude) this.dropPart(sample, longitude, LONGITUDE, LATITUDE)
      if (hasValue(accuracy, sample)) this.dropPart(sample, accuracy, ACCURACY, hasLatitude ? LONGITUDE : LATITUDE)
    }
  }

  /** Leaves out a sample, without a rejection. */
  leaveOut(sample: number): void {
    this.excluded[sample] = 1
  }

  /** Whether a sample has a value, or had one that was rejected. */
  measured(sample: number): boolean {
    return this.lost[sample] === 1 || this.hasValue(sample)
  }

  /**
   * Excludes the samples that lost all their values. A sample that never had a value is a row all
   * the same.
   */
  excludeEmpty(): void {
    if (!this.hasLost) return
    for (let sample = 0; sample < this.count; sample++) if (this.lost[sample] === 1 && !this.hasValue(sample)) this.excluded[sample] = 1
  }

  /** Gives each sample the account and site as of its own time. */
  assign(assignments: readonly Assignment[]): void {
    const { ts, account, site, count } = this
    let current: Assignment | undefined
    for (let sample = 0; sample < count; sample++) {
      const micros = ts[sample] as number
      if (current === undefined || micros < current.fromMicros || micros >= current.toMicros) {
        current = assignments.find(({ fromMicros, toMicros }) => micros >= fromMicros && micros < toMicros)
      }
      account[sample] = current?.accountId ?? -1
      site[sample] = current?.siteId ?? -1
    }
  }

  /**
   * Leaves the part that a redrive is about, of samples and of rejections. The others of the record
   * became readings, or dead letters of their own, when it was first processed. The store adds
   * these quantities to the rows that are there.
   */
  restrict(part: RecordPart): void {
    const { values, excluded } = this
    const wanted = new Set(part.quantities)
    if (wanted.size > 0)
      for (const [quantity, { name }] of quantities.entries()) if (!wanted.has(this.prefix + name)) values[quantity] = undefined
    const own = new Set(part.samples)
    for (let sample = 0; sample < this.count; sample++) {
      if (own.size > 0 && !own.has(this.numberOf(sample))) excluded[sample] = 1
      else if (wanted.size > 0 && !this.hasValue(sample)) excluded[sample] = 1
    }
    this.rejections = this.rejections.flatMap((rejection) => narrowed(rejection, part) ?? [])
  }

  /** How many days the samples fall on, if these are more than a record may have; else 0. */
  tooManyDays(): number {
    return tooManyDays(this.ts, this.excluded, this.count)
  }

  /** Whether any sample is left. */
  isEmpty(): boolean {
    return !this.excluded.subarray(0, this.count).includes(0)
  }

  /** The columns of a record. They hold until the next `begin`. */
  under({ deviceId, firmware, boot, seq, dropped, timeEstimated }: ReadingsHead): ReadingsColumns {
    const { count, ts, account, site, values, excluded } = this
    // Named one by one: spreading the head would cost ten times as much as a frame of one sample.
    return { deviceId, firmware, boot, seq, dropped, count, ts, timeEstimated, account, site, values, excluded }
  }

  /** @param quantity undefined for the whole sample */
  private note(sample: number, reason: Reason | OwnReason, quantity: string | undefined, detail: () => string): void {
    const name = quantity === undefined ? undefined : this.prefix + quantity
    const before = this.rejections.find((rejection) => rejection.reason === reason && rejection.quantities[0] === name)
    const number = this.numberOf(sample)
    if (before !== undefined) before.samples.push(number)
    else this.rejections.push({ reason, detail: detail(), samples: [number], quantities: name === undefined ? [] : [name] })
  }

  private numberOf(sample: number): number {
    return this.numbers === undefined ? sample : (this.numbers[sample] as number)
  }

  /** Whether a sample has a value of any quantity. */
  private hasValue(sample: number): boolean {
    for (const column of this.values) if (hasValue(column, sample)) return true
    return false
  }

  private dropPart(sample: number, column: Float64Array | undefined, quantity: number, missing: number): void {
    if (column === undefined) return
    const value = column[sample] as number
    column[sample] = Number.NaN
    const [name, other] = [quantities[quantity]?.name ?? '', quantities[missing]?.name ?? '']
    this.reject(sample, INCOMPLETE_POSITION, name, () => `${name} is ${value} in a sample without a valid ${other}`)
  }

  private grow(length: number): void {
    this.ts = new Float64Array(length)
    this.account = new Float64Array(length)
    this.site = new Float64Array(length)
    this.excluded = new Uint8Array(length)
    this.lost = new Uint8Array(length)
  }
}

function hasValue(column: Float64Array | undefined, sample: number): boolean {
  return column !== undefined && !Number.isNaN(column[sample] as number)
}

function describeTime(ms: number): string {
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? `${ms} ms since 1970` : date.toISOString()
}
