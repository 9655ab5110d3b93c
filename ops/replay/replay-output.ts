import type { Row } from '../rows/row.ts'
import type { OutputMark, RowOutput } from '../rows/row-output.ts'
import type { PlacedRecord } from './topic-rows.ts'

/** A record of which rows match. */
export interface Matched extends PlacedRecord {
  readonly rows: readonly Row[]
}

/** Where a replay goes: rows, or records to another topic. */
export interface ReplayOutput extends AsyncDisposable {
  write(matched: readonly Matched[]): Promise<void>
  /** Makes durable what was written, and says how to go on after it. */
  mark(): Promise<OutputMark>
  finish(): Promise<void>
}

export function rowsOnly(output: RowOutput): ReplayOutput {
  return {
    write: (matched) => output.write(matched.flatMap(({ rows }) => rows)),
    mark: () => output.mark(),
    finish: () => output.finish(),
    [Symbol.asyncDispose]: () => output[Symbol.asyncDispose](),
  }
}
