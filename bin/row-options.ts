import { Option } from '@commander-js/extra-typings'
import type { Format } from '../ops/rows/row.ts'
import { text, UsageError } from './command-line.ts'

const FORMATS = ['table', 'ndjson', 'csv', 'parquet'] as const satisfies readonly Format[]

/** How rows for analysts are written, and where to: docs/history.md. */
export const FORMAT = new Option('--format <format>', 'how rows are written').choices(FORMATS).default('table' as const)
export const OUT = new Option('--out <file>', 'a file that is not there yet; otherwise standard output').argParser(text('--out'))
export const SPREADSHEET = new Option('--spreadsheet', 'in CSV, an apostrophe before texts that a spreadsheet would take for a formula')

/** @throws UsageError if the format needs a file */
export function requireFile(format: Format, out: string | undefined): void {
  if (format === 'parquet' && out === undefined)
    throw new UsageError('--format parquet: expected --out and a file, since its end says what is in it')
}
