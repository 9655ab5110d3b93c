import type { Row, RowColumn } from '../rows/row.ts'

/** Monday: so that weeks begin on it, as those of `readings_of` do. */
const ORIGIN_MICROS = Date.UTC(2001, 0, 1) * 1000

/** The columns of a bucket: a row for each bucket and quantity that has a value. */
export const BUCKET_COLUMNS: readonly RowColumn[] = [
  { name: 'device_id', kind: 'text', unit: null },
  { name: 'bucket', kind: 'timestamp', unit: null },
  { name: 'quantity', kind: 'text', unit: null },
  { name: 'count', kind: 'whole', unit: null },
  ...['avg', 'min', 'max', 'sum', 'first', 'last'].map((name) => ({ name, kind: 'double' as const, unit: null })),
]

/** The whole multiple of a length that a time is in. */
export function bucketOf(micros: number, everyMicros: number): number {
  return ORIGIN_MICROS + Math.floor((micros - ORIGIN_MICROS) / everyMicros) * everyMicros
}

interface Figures {
  count: number
  sum: number
  min: number
  max: number
  readonly first: number
  last: number
}

/** Gathers a device's rows, in the order of their times, into buckets of one length. */
export class Buckets {
  private readonly everyMicros: number
  private readonly device: number
  private readonly time: number
  private readonly quantities: readonly { readonly name: string; readonly index: number }[]
  private readonly figures = new Map<string, Figures>()
  private current: { readonly device: string; readonly bucket: number } | undefined

  constructor(columns: readonly RowColumn[], quantities: readonly string[], everyMicros: number) {
    this.everyMicros = everyMicros
    const index = (name: string): number => columns.findIndex((column) => column.name === name)
    this.device = index('device_id')
    this.time = index('ts')
    this.quantities = [...quantities].sort().map((name) => ({ name, index: index(name) }))
  }

  /** @returns rows of the buckets that are over */
  add(rows: readonly Row[]): readonly Row[] {
    const over: Row[] = []
    for (const row of rows) {
      const bucket = bucketOf(row[this.time] as number, this.everyMicros)
      if (bucket !== this.current?.bucket) {
        over.push(...this.rest())
        this.current = { device: String(row[this.device]), bucket }
      }
      for (const { name, index } of this.quantities) {
        const value = row[index]
        if (typeof value === 'number') this.take(name, value)
      }
    }
    return over
  }

  /** Rows of the last bucket. */
  rest(): readonly Row[] {
    const { current, figures } = this
    if (current === undefined) return []
    const rows = this.quantities.flatMap(({ name }) => {
      const found = figures.get(name)
      if (found === undefined) return []
      const { count, sum, min, max, first, last } = found
      return [[current.device, current.bucket, name, count, sum / count, min, max, sum, first, last]]
    })
    figures.clear()
    this.current = undefined
    return rows
  }

  private take(name: string, value: number): void {
    const found = this.figures.get(name)
    if (found === undefined) {
      this.figures.set(name, { count: 1, sum: value, min: value, max: value, first: value, last: value })
      return
    }
    found.count++
    found.sum += value
    found.min = Math.min(found.min, value)
    found.max = Math.max(found.max, value)
    found.last = value
  }
}
