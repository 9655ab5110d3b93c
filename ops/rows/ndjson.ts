import { iso8601 } from '../../processors/iso8601.ts'
import { visible } from '../../processors/visible.ts'
import type { Cell, Row, RowColumn } from './row.ts'

/**
 * Rows as JSON objects, one a line. Numbers that JSON does not have are texts: NaN, Infinity, and
 * whole ones beyond 2⁵³. What a terminal would obey is escaped.
 */
export function ndjsonLines(columns: readonly RowColumn[], rows: readonly Row[]): string {
  const names = columns.map(({ name }) => `${JSON.stringify(name)}:`)
  let lines = ''
  for (const row of rows) {
    let line = '{'
    for (let index = 0; index < columns.length; index++) {
      if (index > 0) line += ','
      line += (names[index] as string) + value(columns[index] as RowColumn, row[index] ?? null)
    }
    lines += `${line}}\n`
  }
  return lines
}

function value({ kind }: RowColumn, cell: Cell): string {
  if (cell === null) return 'null'
  if (kind === 'timestamp') return `"${iso8601(cell as number)}"`
  switch (typeof cell) {
    case 'string':
      return visible(JSON.stringify(cell))
    case 'bigint':
      return Number.isSafeInteger(Number(cell)) ? String(cell) : `"${cell}"`
    case 'number':
      return Number.isFinite(cell) ? String(cell) : `"${cell}"`
    case 'boolean':
      return String(cell)
  }
}
