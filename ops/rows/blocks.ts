import { iso8601 } from '../../processors/iso8601.ts'
import { table } from '../text-table.ts'
import type { Cell, Row, RowColumn } from './row.ts'

/** Rows that get their widths together. */
const BLOCK_ROWS = 500

/**
 * Rows as a table for people, in blocks, so that any number of rows takes the same memory. A block
 * has the columns in which it has values; a head follows where these change.
 */
export function createBlocks(columns: readonly RowColumn[]): { add(rows: readonly Row[]): string; rest(): string } {
  let waiting: Row[] = []
  let shownColumns = ''

  function block(): string {
    if (waiting.length === 0) return ''
    const present = [...columns.keys()].filter((index) => waiting.some((row) => (row[index] ?? null) !== null))
    const lines = table(
      [
        present.map((index) => heading(columns[index] as RowColumn)),
        ...waiting.map((row) => present.map((index) => shown(columns[index] as RowColumn, row[index] ?? null))),
      ],
      present.map((index) => (columns[index]?.kind === 'double' || columns[index]?.kind === 'whole' ? 'right' : 'left')),
    )
    const now = present.join(',')
    const text = `${(now === shownColumns ? lines.slice(1) : lines).join('\n')}\n`
    shownColumns = now
    waiting = []
    return text
  }

  return {
    add(rows) {
      let text = ''
      for (const row of rows) {
        waiting.push(row)
        if (waiting.length === BLOCK_ROWS) text += block()
      }
      return text
    },
    rest: block,
  }
}

function heading({ name, unit }: RowColumn): string {
  return unit === null || unit === '1' ? name : `${name} [${unit}]`
}

function shown({ kind }: RowColumn, cell: Cell): string {
  if (cell === null) return ''
  return kind === 'timestamp' ? iso8601(cell as number) : String(cell)
}
