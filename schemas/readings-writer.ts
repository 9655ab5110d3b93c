import { quantities } from './generated/readings.ts'

/** The samples of one frame in standard units, as columns. */
export interface ReadingsColumns {
  readonly deviceId: Uint8Array
  readonly firmware: Uint8Array
  readonly boot: number
  readonly seq: number
  readonly dropped: number
  /** Number of samples in the columns. */
  readonly count: number
  /** Microseconds since 1970. */
  readonly ts: Float64Array
  readonly timeEstimated: boolean
  /** Account and site of each sample; -1 for none. */
  readonly account: Float64Array
  readonly site: Float64Array
  /**
   * Per quantity, in the order of the schema: values, NaN for none; undefined if no sample has
   * any.
   */
  readonly values: readonly (Float64Array | undefined)[]
  /** 1 for each sample that is left out. */
  readonly excluded: Uint8Array
  /** More records of the same frame: those of its channels. Absent if there are none. */
  readonly channels?: readonly ReadingsColumns[]
}

const SLAB_BYTES = 1 << 18
/** Not Buffer's, which looks at its arguments for as long as the filling takes. */
const { fill } = Uint8Array.prototype
/**
 * Kafka's header of 5, boot, seq and dropped 5 each, sample count 10, end of array 1, lengths of
 * two strings 10.
 */
const HEAD_BYTES = 41
/** Time 10, estimated 1, account and site 11 each, and 9 for each quantity. */
const SAMPLE_BYTES = 33 + 9 * quantities.length

/**
 * Encodes `Readings` (schemas/readings.avsc) in the registry's wire format. Outputs are cut from
 * slabs, so that a frame costs one small object and no copy. A slab lives as long as one of its
 * outputs. A frame that is larger than a record may be becomes several records, with its samples in
 * order. A sample is never divided.
 */
export class ReadingsWriter {
  private readonly schemaId: number
  private slab = Buffer.alloc(0)
  private view: DataView = new DataView(new ArrayBuffer(0))
  private at = 0
  private readonly mostBytes: number
  /** No sample of the record has a quantity from here on. */
  private used = 0

  /** @param mostBytes of a record; one with a single sample may have more */
  constructor(schemaId: number, mostBytes = Number.POSITIVE_INFINITY) {
    this.schemaId = schemaId
    this.mostBytes = mostBytes
  }

  /** One record, however large. */
  write(columns: ReadingsColumns): Buffer {
    return this.part(columns, 0, columns.count)
  }

  /** One record, or several if one would be too large, or if the frame has channels. */
  writeParts(columns: ReadingsColumns): Buffer | readonly Buffer[] {
    const { channels } = columns
    return channels === undefined ? this.within(columns) : [columns, ...channels].flatMap((each) => this.within(each))
  }

  private within(columns: ReadingsColumns): Buffer | readonly Buffer[] {
    const { deviceId, firmware, count } = columns
    const head = HEAD_BYTES + deviceId.length + firmware.length
    if (head + count * SAMPLE_BYTES <= this.mostBytes) return this.part(columns, 0, count)
    const parts: Buffer[] = []
    let [from, bytes] = [0, head]
    for (let sample = 0; sample < count; sample++) {
      const needed = columns.excluded[sample] === 0 ? sampleBytes(columns, sample) : 0
      if (bytes + needed > this.mostBytes && bytes > head) {
        parts.push(this.part(columns, from, sample))
        from = sample
        bytes = head
      }
      bytes += needed
    }
    if (parts.length === 0) return this.part(columns, 0, count)
    parts.push(this.part(columns, from, count))
    return parts
  }

  /** A record of the samples from `from` up to, not including, `to`. */
  private part(columns: ReadingsColumns, from: number, to: number): Buffer {
    const { deviceId, firmware, boot, seq, dropped, excluded, values } = columns
    this.reserve(HEAD_BYTES + deviceId.length + firmware.length + (to - from) * SAMPLE_BYTES)
    const start = this.at
    this.slab[this.at++] = 0
    this.view.setUint32(this.at, this.schemaId)
    this.at += 4
    this.bytes(deviceId)
    this.bytes(firmware)
    this.varint(boot)
    this.varint(seq)
    this.varint(dropped)
    let included = 0
    for (let sample = from; sample < to; sample++) included += 1 - (excluded[sample] as number)
    if (included > 0) {
      this.varint(included)
      this.used = values.findLastIndex((column) => column !== undefined) + 1
      for (let sample = from; sample < to; sample++) if (excluded[sample] === 0) this.sample(columns, sample)
    }
    this.slab[this.at++] = 0
    return this.slab.subarray(start, this.at)
  }

  private sample({ ts, timeEstimated, account, site, values }: ReadingsColumns, sample: number): void {
    this.varint(ts[sample] as number)
    this.slab[this.at++] = timeEstimated ? 1 : 0
    this.optionalId(account[sample] as number)
    this.optionalId(site[sample] as number)
    const { slab, view } = this
    let at = this.at
    for (let quantity = 0; quantity < this.used; quantity++) {
      const column = values[quantity]
      const value = column === undefined ? Number.NaN : (column[sample] as number)
      if (Number.isNaN(value)) slab[at++] = 0
      else {
        slab[at++] = 2
        view.setFloat64(at, value, true)
        at += 8
      }
    }
    // Branch 0 is null. Those at the end are one call: quantities that few devices have are last,
    // and cost others next to nothing.
    const end = at + values.length - this.used
    if (end > at) fill.call(slab, 0, at, end)
    this.at = end
  }

  private optionalId(id: number): void {
    if (id < 0) this.slab[this.at++] = 0
    else {
      this.slab[this.at++] = 2
      this.varint(id)
    }
  }

  private bytes(bytes: Uint8Array): void {
    this.varint(bytes.length)
    this.slab.set(bytes, this.at)
    this.at += bytes.length
  }

  private varint(value: number): void {
    let rest = value >= 0 ? value * 2 : -value * 2 - 1
    while (rest > 0x7fffffff) {
      this.slab[this.at++] = (rest % 128) | 0x80
      rest = Math.floor(rest / 128)
    }
    while (rest > 0x7f) {
      this.slab[this.at++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.slab[this.at++] = rest
  }

  private reserve(needed: number): void {
    if (this.at + needed <= this.slab.length) return
    this.slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, needed))
    this.view = new DataView(this.slab.buffer, this.slab.byteOffset, this.slab.byteLength)
    this.at = 0
  }
}

function sampleBytes({ ts, account, site, values }: ReadingsColumns, sample: number): number {
  let bytes = varintBytes(ts[sample] as number) + 1 + idBytes(account[sample] as number) + idBytes(site[sample] as number) + values.length
  for (const column of values) if (column !== undefined && !Number.isNaN(column[sample] as number)) bytes += 8
  return bytes
}

function idBytes(id: number): number {
  return id < 0 ? 1 : 1 + varintBytes(id)
}

function varintBytes(value: number): number {
  let bytes = 1
  for (let rest = value >= 0 ? value * 2 : -value * 2 - 1; rest > 0x7f; rest = Math.floor(rest / 128)) bytes++
  return bytes
}
