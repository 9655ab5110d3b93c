import { LONGEST_CHANNEL } from '../../schemas/channel.ts'
import { leadingColumns, quantities } from '../../schemas/generated/readings.ts'

/**
 * Signature of binary COPY, no flags, no extension (PostgreSQL documentation, COPY, "Binary
 * Format").
 */
const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1')
const TRAILER_BYTES = 2
const NULL_BYTES = 4
/** Not Buffer's, which looks at its arguments for as long as the filling takes. */
const { fill } = Uint8Array.prototype
/** Microseconds from 1970-01-01, the schema's epoch, to 2000-01-01, PostgreSQL's. */
const POSTGRES_EPOCH_MICROS = 946_684_800_000_000
const TWO_32 = 4_294_967_296
/**
 * The order in which the code below writes a row. If readings.avsc has another order, this does not
 * compile.
 */
const leading: readonly ['device_id', 'ts', 'time_estimated', 'account_id', 'site_id'] = leadingColumns
/** A device ID, a slash and a channel. */
export const LONGEST_DEVICE_ID = 64 + 1 + LONGEST_CHANNEL
/** Column count 2, device, ts 12, estimated 5, account and site 12 each, quantities 12 each. */
const LONGEST_ROW = 2 + 4 + LONGEST_DEVICE_ID + 12 + 5 + 24 + 12 * quantities.length
/** Number of columns, before each row. */
const COUNT_BYTES = 2

/** Rows that lie one after the other: `rows` of them from row `first` on, counted from 0. */
export interface RowPart {
  readonly first: number
  readonly rows: number
}

/**
 * Rows of a binary COPY in one buffer, which is used again. Their columns are `leadingColumns`,
 * then those quantities that any row ever had a value of: a fleet has a few of them, and copying
 * the others as NULL costs the database a tenth of a row (docs/adr/0037-cost-of-a-row.md).
 */
export class CopyRows {
  /** Rows since `reset`. */
  count = 0
  /** Values of quantities in these rows. */
  readings = 0
  private target: Buffer
  private view: DataView
  /** The memory that `rearrange` puts the rows into. */
  private spare: Buffer = Buffer.allocUnsafeSlow(0)
  private at = 0
  /** Where each row begins. */
  private starts = new Int32Array(1024)
  private marked = { count: 0, readings: 0 }
  private names: readonly string[] = leading

  constructor(initialBytes: number) {
    this.target = Buffer.allocUnsafeSlow(initialBytes)
    this.view = viewOf(this.target)
    this.reset()
  }

  /** Starts a new COPY in the same memory: what `finish` returned must not be in use any more. */
  reset(): void {
    this.at = SIGNATURE.copy(this.target, 0)
    this.count = 0
    this.readings = 0
  }

  /** Bytes since `reset`. */
  get bytes(): number {
    return this.at
  }

  /** Names of the columns of the rows. The same array until there is one more. */
  get columns(): readonly string[] {
    return this.names
  }

  /**
   * Gives all rows, those that are here and those to come, one more column. Columns stay for as
   * long as this object lives: a process rewrites a batch at most once for each quantity.
   */
  addColumn(name: string): void {
    // What was reserved for rows to come stays.
    const wider = Buffer.allocUnsafeSlow(this.target.length + NULL_BYTES * this.count)
    let at = this.target.copy(wider, 0, 0, SIGNATURE.length)
    for (let row = 0; row < this.count; row++) {
      const [start, end] = [this.starts[row] as number, this.endOf(row)]
      this.starts[row] = at
      wider.writeInt16BE(this.names.length + 1, at)
      at += COUNT_BYTES + this.target.copy(wider, at + COUNT_BYTES, start + COUNT_BYTES, end)
      at = wider.writeInt32BE(-1, at)
    }
    this.at = at
    this.target = wider
    this.view = viewOf(wider)
    this.names = [...this.names, name]
  }

  /** Marks where a record's rows begin. */
  mark(): void {
    this.marked.count = this.count
    this.marked.readings = this.readings
  }

  /** Takes back the rows since `mark`. */
  undo(): void {
    if (this.marked.count < this.count) this.at = this.starts[this.marked.count] as number
    this.count = this.marked.count
    this.readings = this.marked.readings
  }

  /** Makes room for more rows. */
  reserve(rows: number): void {
    this.grow(rows * LONGEST_ROW)
    if (this.count + rows <= this.starts.length) return
    const starts = new Int32Array(Math.max(this.starts.length * 2, this.count + rows))
    starts.set(this.starts)
    this.starts = starts
  }

  /**
   * Appends a row, for which there must be room.
   * @param source has the device's ID from `device` on, 1 to LONGEST_DEVICE_ID bytes
   * @param ts microseconds since 1970
   * @param estimated 0 or 1
   * @param account ID, which is positive; -1 for none
   * @param values of the columns that were added, in their order; NaN for none
   * @param used columns from here on have none
   */
  append(
    source: Buffer,
    device: number,
    deviceBytes: number,
    ts: number,
    estimated: number,
    account: number,
    site: number,
    values: Float64Array,
    used: number,
  ): void {
    const { view, target } = this
    const columns = this.names.length
    let at = this.at
    this.starts[this.count] = at
    view.setInt16(at, columns)
    view.setInt32(at + 2, deviceBytes)
    at += 6
    for (let byte = 0; byte < deviceBytes; byte++) target[at + byte] = source[device + byte] as number
    at += deviceBytes
    view.setInt32(at, 8)
    this.int64(at + 4, ts - POSTGRES_EPOCH_MICROS)
    view.setInt32(at + 12, 1)
    target[at + 16] = estimated
    at = this.id(this.id(at + 17, account), site)
    for (let column = 0; column < used; column++) {
      const value = values[column] as number
      if (Number.isNaN(value)) {
        view.setInt32(at, -1)
        at += 4
      } else {
        view.setInt32(at, 8)
        view.setFloat64(at + 4, value)
        at += 12
        this.readings++
      }
    }
    // A length of -1 is NULL. Those at the end are one call: what few devices have comes late, and
    // costs others next to nothing.
    const end = at + NULL_BYTES * (columns - leading.length - used)
    if (end > at) fill.call(target, 0xff, at, end)
    this.at = end
    this.count++
  }

  /**
   * Puts the rows into another order.
   * @param parts all rows, in pieces
   */
  rearrange(parts: readonly RowPart[]): void {
    const rows = parts.reduce((sum, part) => sum + part.rows, 0)
    if (rows !== this.count) throw new RangeError(`${rows} rows of ${this.count} were rearranged`)
    if (this.spare.length < this.at) this.spare = Buffer.allocUnsafeSlow(this.target.length)
    const starts = new Int32Array(this.starts.length)
    let at = SIGNATURE.copy(this.spare, 0)
    let row = 0
    for (const { first, rows } of parts) {
      if (rows === 0) continue
      const start = this.starts[first] as number
      const moved = at - start
      for (let each = first; each < first + rows; each++) starts[row++] = (this.starts[each] as number) + moved
      at += this.target.copy(this.spare, at, start, this.endOf(first + rows - 1))
    }
    ;[this.target, this.spare] = [this.spare, this.target]
    this.view = viewOf(this.target)
    this.starts = starts
  }

  /** The whole COPY stream. The rows must be reset before the next one. */
  finish(): Buffer {
    this.grow(TRAILER_BYTES)
    this.target.writeInt16BE(-1, this.at)
    return this.target.subarray(0, this.at + TRAILER_BYTES)
  }

  private endOf(row: number): number {
    return row + 1 < this.count ? (this.starts[row + 1] as number) : this.at
  }

  private id(at: number, id: number): number {
    if (id < 0) {
      this.view.setInt32(at, -1)
      return at + 4
    }
    this.view.setInt32(at, 8)
    this.int64(at + 4, id)
    return at + 12
  }

  private int64(at: number, value: number): void {
    this.view.setInt32(at, Math.floor(value / TWO_32))
    this.view.setUint32(at + 4, value >>> 0)
  }

  private grow(needed: number): void {
    if (this.at + needed <= this.target.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(this.target.length * 2, this.at + needed))
    this.target.copy(grown, 0, 0, this.at)
    this.target = grown
    this.view = viewOf(grown)
  }
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength)
}
