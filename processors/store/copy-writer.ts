import { notABranch } from '../../schemas/avro-cursor.ts'
import { MalformedError } from '../../schemas/frame-reader.ts'
import { leadingColumns, quantities } from '../../schemas/generated/readings.ts'
import type { SampleLayout } from '../../schemas/readings-layout.ts'
import { ReadingsWalk } from '../../schemas/readings-walk.ts'
import { WIRE_BYTES } from '../../schemas/wire-format.ts'
import { CopyRows, LONGEST_DEVICE_ID } from './copy-rows.ts'
import { RowDays } from './row-days.ts'

/** Whether a sample may become a row. Gets its time in microseconds. */
export type Admit = (tsMicros: number, sample: number) => boolean

/**
 * Turns `Readings` into rows of a binary COPY, byte by byte from one buffer into the other: no
 * object for a row.
 */
export class CopyWriter extends ReadingsWalk {
  readonly rows: CopyRows
  readonly days = new RowDays()
  /** For each quantity: its place among the columns that were added; -1 if no row had it. */
  private readonly places = new Int16Array(quantities.length).fill(-1)
  /** By place. NaN from `used` on. */
  private readonly values = new Float64Array(quantities.length).fill(Number.NaN)
  private used = 0
  private admit: Admit = () => true

  constructor(initialBytes = 1 << 20) {
    super()
    this.rows = new CopyRows(initialBytes)
  }

  /** Starts a new COPY, as `CopyRows.reset` does. */
  reset(): void {
    this.rows.reset()
    this.days.clear()
  }

  /**
   * Appends the rows of one record in the registry's wire format, all of them or none.
   * @returns number of rows appended
   * @throws MalformedError, TooManyDaysError
   */
  append(record: Buffer, layout: SampleLayout, admit: Admit): number {
    const { rows, days } = this
    const before = rows.count
    rows.mark()
    days.begin()
    this.bytes = record
    this.at = WIRE_BYTES
    this.admit = admit
    try {
      this.walkHead()
      const deviceBytes = this.deviceTo - this.deviceFrom
      if (deviceBytes < 1 || deviceBytes > LONGEST_DEVICE_ID)
        throw new MalformedError(`device_id: expected 1 to ${LONGEST_DEVICE_ID} bytes, got ${deviceBytes}`)
      this.walkSamples(layout)
      days.check()
    } catch (cause) {
      rows.undo()
      days.undo()
      throw cause
    }
    return rows.count - before
  }

  protected override reserve(samples: number): void {
    this.rows.reserve(samples)
  }

  protected override sample(layout: SampleLayout, index: number): void {
    const { bytes } = this
    const values = this.values
    const places = this.places
    const ts = this.long('ts')
    const estimated = this.byte('time_estimated')
    const account = this.optionalLong('account_id')
    const site = this.optionalLong('site_id')
    if (this.used > 0) values.fill(Number.NaN, 0, this.used)
    // So that all are filled anew if this record turns out to be malformed.
    this.used = values.length
    let used = 0
    // A local variable, because reading and writing a member for each quantity costs as much as the
    // quantity.
    let at = this.at
    for (let place = 0; place < layout.length; place++) {
      const branch = bytes[at++]
      if (branch === 0) continue
      if (branch !== 2 || at + 8 > bytes.length) throw notABranch('a quantity', branch)
      const quantity = layout[place] as number
      if (quantity >= 0) {
        let column = places[quantity] as number
        if (column < 0) column = this.addColumn(quantity)
        values[column] = bytes.readDoubleLE(at)
        if (column >= used) used = column + 1
      }
      at += 8
    }
    this.at = at
    this.used = used
    if (!this.admit(ts, index)) return
    this.days.note(ts)
    this.rows.append(bytes, this.deviceFrom, this.deviceTo - this.deviceFrom, ts, estimated, account, site, values, used)
  }

  private addColumn(quantity: number): number {
    const place = this.rows.columns.length - leadingColumns.length
    this.rows.addColumn((quantities[quantity] as { readonly name: string }).name)
    this.places[quantity] = place
    return place
  }
}
