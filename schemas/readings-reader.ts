import { notABranch } from './avro-cursor.ts'
import { avroType } from './avro-type.ts'
import { MalformedError, MOST_SAMPLES } from './frame-reader.ts'
import { quantities, type Reading, type Readings, readingOf, readingsSchema } from './generated/readings.ts'
import { type SampleLayout, sampleLayout } from './readings-layout.ts'
import { ReadingsWalk } from './readings-walk.ts'

const INITIAL_CAPACITY = 256
const LIMIT = 2 ** 52

/**
 * Decodes the records of one writer's schema of `Readings` (schemas/readings.avsc) into columns.
 * The columns are reused, so they hold until the next `read`. A record or a sample allocates only
 * what is asked for: `deviceId` and `firmware` become text when they are read, and `reading` makes
 * an object that holds for ever.
 *
 * Records of older and newer writers are read by Avro's schema resolution: a quantity that the
 * writer did not have has no value, and one that this build does not have is left out.
 */
export class ReadingsReader extends ReadingsWalk {
  /** Microseconds since 1970. */
  ts = new Float64Array(INITIAL_CAPACITY)
  /** 1 if the device had no time of day. */
  timeEstimated = new Uint8Array(INITIAL_CAPACITY)
  /** Account and site of each sample; -1 for none. */
  account = new Float64Array(INITIAL_CAPACITY)
  site = new Float64Array(INITIAL_CAPACITY)
  /**
   * Per quantity, in the order of `quantities`: values, NaN for none; undefined if no sample has
   * any.
   */
  readonly values: (Float64Array | undefined)[] = quantities.map(() => undefined)
  /** Columns to use again. */
  private readonly spare: (Float64Array | undefined)[] = quantities.map(() => undefined)
  private readonly layout: SampleLayout | undefined
  private readonly resolve: ((datum: Buffer) => Readings) | undefined
  private view: DataView = new DataView(new ArrayBuffer(0))
  private device: string | undefined
  private writtenBy: string | undefined

  /**
   * @param writer the parsed schema of the records. One that differs from readings.avsc by more
   *   than its quantities is read by avsc, which is slower.
   * @throws Error of avsc, if Avro cannot resolve it to readings.avsc
   */
  constructor(writer: unknown) {
    super()
    this.layout = knownLayout(writer)
    this.resolve = this.layout === undefined ? resolverOf(writer) : undefined
  }

  get deviceId(): string {
    this.device ??= this.bytes.toString('utf8', this.deviceFrom, this.deviceTo)
    return this.device
  }

  /** Model and version, as in hive-1. */
  get firmware(): string {
    this.writtenBy ??= this.bytes.toString('utf8', this.firmwareFrom, this.firmwareTo)
    return this.writtenBy
  }

  /** One sample with its record's head, as an object of its own. */
  reading(sample: number): Reading {
    if (!(sample >= 0 && sample < this.count)) throw new RangeError(`expected a sample below ${this.count}, got ${sample}`)
    return readingOf(this, sample)
  }

  /**
   * Reads the datum that fills bytes from `start` to the end. The bytes must not change while
   * `deviceId` and `firmware` are of use.
   * @throws MalformedError
   */
  read(bytes: Buffer, start: number): void {
    // The records of a fetch share their memory, so this view is kept.
    if (this.view.buffer !== bytes.buffer) this.view = new DataView(bytes.buffer)
    this.bytes = bytes
    this.at = start
    this.device = undefined
    this.writtenBy = undefined
    this.count = 0
    this.values.fill(undefined)
    if (this.resolve !== undefined) this.take(this.resolve, bytes.subarray(start))
    else if (this.layout !== undefined) {
      this.walkHead()
      this.walkSamples(this.layout)
    }
  }

  protected override sample(layout: SampleLayout, sample: number): void {
    this.ts[sample] = this.long('ts')
    const estimated = this.byte('time_estimated')
    if (estimated > 1) throw new MalformedError(`time_estimated: expected 0 or 1, got byte ${estimated}`)
    this.timeEstimated[sample] = estimated
    this.account[sample] = this.optionalLong('account_id')
    this.site[sample] = this.optionalLong('site_id')
    const { bytes, view, values } = this
    const offset = bytes.byteOffset
    // A local variable, because reading and writing a member for each quantity costs as much as the
    // quantity.
    let at = this.at
    for (let place = 0; place < layout.length; place++) {
      const quantity = layout[place] as number
      const branch = bytes[at++]
      if (branch === 0) {
        const column = values[quantity]
        if (column !== undefined) column[sample] = Number.NaN
      } else {
        if (branch !== 2 || at + 8 > bytes.length) throw notABranch('a quantity', branch)
        if (quantity >= 0) this.column(quantity, sample)[sample] = view.getFloat64(offset + at, true)
        at += 8
      }
    }
    this.at = at
  }

  /** Takes the record that avsc decoded. */
  private take(resolve: (datum: Buffer) => Readings, datum: Buffer): void {
    const { device_id, firmware, boot, seq, dropped, samples } = resolved(resolve, datum)
    this.device = device_id
    this.writtenBy = firmware
    this.boot = boot
    this.seq = seq
    this.dropped = dropped
    if (samples.length > MOST_SAMPLES) throw new MalformedError(`samples: expected at most ${MOST_SAMPLES}, got ${samples.length}`)
    this.reserve(samples.length)
    samples.forEach((sample, index) => {
      this.ts[index] = sample.ts
      this.timeEstimated[index] = sample.time_estimated ? 1 : 0
      this.account[index] = sample.account_id ?? -1
      this.site[index] = sample.site_id ?? -1
      quantities.forEach(({ name }, quantity) => {
        // A sample has the deployment's quantities too: they are in the schema that it was read with.
        const value = (sample as unknown as Readonly<Record<string, number | null>>)[name] as number | null
        if (value !== null) this.column(quantity, index)[index] = value
        else if (this.values[quantity] !== undefined) this.column(quantity, index)[index] = Number.NaN
      })
    })
    this.count = samples.length
  }

  /**
   * The column of a quantity. If this sample is the first with a value, the samples before it have
   * none.
   */
  private column(quantity: number, sample: number): Float64Array {
    let column = this.values[quantity]
    if (column !== undefined) return column
    column = this.spare[quantity]
    if (column === undefined || column.length < this.ts.length) {
      column = new Float64Array(this.ts.length)
      this.spare[quantity] = column
    }
    column.fill(Number.NaN, 0, sample)
    this.values[quantity] = column
    return column
  }

  protected override reserve(samples: number): void {
    const needed = this.count + samples
    if (needed <= this.ts.length) return
    const length = Math.max(needed, this.ts.length * 2)
    const longer = (column: Float64Array): Float64Array<ArrayBuffer> => {
      const grown = new Float64Array(length)
      grown.set(column)
      return grown
    }
    this.ts = longer(this.ts)
    this.account = longer(this.account)
    this.site = longer(this.site)
    const estimated = new Uint8Array(length)
    estimated.set(this.timeEstimated)
    this.timeEstimated = estimated
    this.values.forEach((column, quantity) => {
      if (column === undefined) return
      this.values[quantity] = longer(column)
      this.spare[quantity] = this.values[quantity]
    })
  }

  /** Every number is exact. */
  protected override long(field: string): number {
    const value = super.long(field)
    if (value >= LIMIT || value < -LIMIT) throw new MalformedError(`${field}: expected an integer below 2^52`)
    return value
  }
}

/**
 * The layout of a writer whose schema differs from this build's only by its quantities; else
 * undefined.
 */
function knownLayout(writer: unknown): SampleLayout | undefined {
  try {
    return sampleLayout(writer)
  } catch (cause) {
    // It may also be no schema of Readings at all. Then avsc says so.
    if (cause instanceof MalformedError || cause instanceof TypeError) return undefined
    throw cause
  }
}

function resolverOf(writer: unknown): (datum: Buffer) => Readings {
  const reader = avroType(readingsSchema.json)
  const resolver = reader.createResolver(avroType(writer))
  return (datum) => reader.fromBuffer(datum, resolver) as Readings
}

function resolved(resolve: (datum: Buffer) => Readings, datum: Buffer): Readings {
  try {
    return resolve(datum)
  } catch (cause) {
    throw new MalformedError(`not what its schema says: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
}
