import { iso8601 } from '../../processors/iso8601.ts'
import type { Cell, Row, RowColumn } from './row.ts'

/** What a spreadsheet takes for the beginning of a formula (OWASP, "CSV Injection"). */
const FORMULA = /^[=+\-@\t\r]/
/** A field with one of these is quoted (RFC 4180); some readers strip blanks around others. */
const TO_QUOTE = /[",\r\n]|^\s|\s$|^$/

export function csvHeader(columns: readonly RowColumn[]): string {
  return `${columns.map(({ name }) => field(name)).join(',')}\n`
}

/**
 * Rows as CSV. Null is an empty field, and an empty text is `""`. Texts are what they are; with
 * `spreadsheet`, one that a spreadsheet would take for a formula gets an apostrophe before it.
 */
export function csvLines(columns: readonly RowColumn[], rows: readonly Row[], spreadsheet: boolean): string {
  let lines = ''
  for (const row of rows) {
    for (let index = 0; index < columns.length; index++) {
      if (index > 0) lines += ','
      lines += shown(columns[index] as RowColumn, row[index] ?? null, spreadsheet)
    }
    lines += '\n'
  }
  return lines
}

function shown({ kind }: RowColumn, cell: Cell, spreadsheet: boolean): string {
  if (cell === null) return ''
  if (kind === 'timestamp') return iso8601(cell as number)
  if (typeof cell !== 'string') return String(cell)
  return field(spreadsheet && FORMULA.test(cell) ? `'${cell}` : cell)
}

function field(text: string): string {
  return TO_QUOTE.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
