import { type ConflictPolicy, mergeColumns, type RowValues } from '../../processors/store/merge-columns.ts'
import type { Cell, Row, RowColumn } from '../rows/row.ts'

/**
 * Makes one row of an archived one and one of the table that have the same device and time: as the
 * store does it, and as the archive will (docs/adr/0012-merge-by-column.md).
 */
export function createMerge(columns: readonly RowColumn[], policy: ConflictPolicy): (archived: Row, late: Row) => Row {
  const index = (name: string): number => columns.findIndex((column) => column.name === name)
  const [account, site, estimated] = [index('account_id'), index('site_id'), index('time_estimated')]
  const key = new Set([index('device_id'), index('ts'), estimated])
  const quantities = [...columns.keys()].filter((each) => !key.has(each) && each !== account && each !== site)
  const places = [account, site, ...quantities]
  const valuesOf = (row: Row): RowValues => ({
    estimated: row[estimated] === true,
    // A column of somebody's own may be a text: it is compared like a number.
    values: places.map((place) => (row[place] ?? null) as number | null),
  })
  return (archived, late) => {
    const values = valuesOf(archived)
    mergeColumns(values, valuesOf(late), policy)
    const merged: Cell[] = [...archived]
    for (const [at, place] of places.entries()) if (place >= 0) merged[place] = values.values[at] ?? null
    if (estimated >= 0) merged[estimated] = values.estimated
    return merged
  }
}

/**
 * Takes rows of two tiers in the order of their times, and gives them in that order, those of one
 * time merged. The table's come in pages: `upTo` says until which time it has given all.
 */
export class TierMerge {
  private readonly time: number
  private readonly merge: (archived: Row, late: Row) => Row
  private readonly archived: AsyncIterator<readonly Row[]>
  private waiting: readonly Row[] = []
  private at = 0
  private over = false

  constructor(columns: readonly RowColumn[], policy: ConflictPolicy, archived: AsyncIterable<readonly Row[]>) {
    this.time = columns.findIndex(({ name }) => name === 'ts')
    this.merge = createMerge(columns, policy)
    this.archived = archived[Symbol.asyncIterator]()
  }

  /**
   * @param upTo microseconds since 1970, not included; rows from there on are left for the next
   *   page
   */
  async *page(table: readonly Row[], upTo: number): AsyncGenerator<readonly Row[]> {
    let next = 0
    for (let archived = await this.peek(); archived !== undefined; archived = await this.peek()) {
      const rows: Row[] = []
      // One batch of the archive at a time, so that any number of rows takes the same memory.
      for (; this.at < this.waiting.length; this.at++) {
        const row = this.waiting[this.at] as Row
        const micros = row[this.time] as number
        if (micros >= upTo) break
        for (; next < table.length && (table[next]?.[this.time] as number) < micros; next++) rows.push(table[next] as Row)
        const late = table[next]
        if (late !== undefined && late[this.time] === micros) {
          rows.push(this.merge(row, late))
          next++
        } else rows.push(row)
      }
      if (rows.length > 0) yield rows
      if (this.at < this.waiting.length) break
    }
    if (next < table.length) yield table.slice(next)
  }

  async close(): Promise<void> {
    await this.archived.return?.()
  }

  private async peek(): Promise<Row | undefined> {
    while (this.at >= this.waiting.length && !this.over) {
      const { done, value } = await this.archived.next()
      if (done === true) this.over = true
      else {
        this.waiting = value
        this.at = 0
      }
    }
    return this.waiting[this.at]
  }
}
