import { type ColumnConflict, type ConflictPolicy, mergeColumns, type RowValues } from '../../processors/store/merge-columns.ts'
import { copyStream, keyBytes, readValues, rowOffsets, writeRow } from './copy-rows.ts'

/** Codes in `RowOutcomes.of`: what became of a row. */
export const INSERTED = 0
export const MERGED = 1
export const REPEATED = 2
export const CONFLICTING = 3
const CODES = { merged: MERGED, repeated: REPEATED, conflict: CONFLICTING } as const

/** What became of each row of a batch. */
export interface RowOutcomes {
  readonly of: Uint8Array
  readonly conflicts: Map<number, ColumnConflict>
}

/** A batch with each key once. */
export interface FoldedRows {
  /** A COPY stream. Its rows are those of the batch, in the order of their first one. */
  readonly copy: Buffer
  readonly rows: number
  /** For each row of `copy`: its first row in the batch. */
  readonly first: Int32Array
  /** Rows of `copy` that stand for several rows of the batch, and these rows in order. */
  readonly groups: ReadonlyMap<number, readonly number[]>
  /** What became of the rows if none of their keys is in the table. */
  readonly outcomes: RowOutcomes
  /** Where each row of the batch starts. */
  readonly offsets: Int32Array
}

/**
 * Merges the rows of a batch that have the same key, so that the table sees each key once. It takes
 * about half a microsecond a row, so it is for batches that have repeats, not for every batch.
 * @param stream a binary COPY of `readings`
 */
export function foldRows(stream: Buffer, rows: number, policy: ConflictPolicy): FoldedRows {
  const offsets = rowOffsets(stream, rows)
  const outcomes: RowOutcomes = { of: new Uint8Array(rows), conflicts: new Map() }
  /** Row of the result for each key. */
  const places = new Map<string, number>()
  const groups = new Map<number, number[]>()
  const first = new Int32Array(rows)
  let count = 0
  for (let row = 0; row < rows; row++) {
    const key = keyBytes(stream, offsets[row] as number).toString('latin1')
    const place = places.get(key)
    if (place === undefined) {
      places.set(key, count)
      first[count++] = row
    } else {
      const group = groups.get(place)
      if (group === undefined) groups.set(place, [first[place] as number, row])
      else group.push(row)
    }
  }
  if (groups.size === 0) return { copy: stream, rows, first, groups, outcomes, offsets }
  const parts: Buffer[] = []
  for (let place = 0; place < count; place++) {
    const row = first[place] as number
    const group = groups.get(place)
    if (group === undefined) parts.push(stream.subarray(offsets[row], offsets[row + 1]))
    else {
      const values = readValues(stream, offsets[row] as number)
      mergeRows(values, stream, offsets, group.slice(1), policy, outcomes)
      parts.push(writeRow(keyBytes(stream, offsets[row] as number), values))
    }
  }
  return { copy: copyStream(parts), rows: count, first: first.subarray(0, count), groups, outcomes, offsets }
}

/**
 * Merges rows of the batch into the row of their key, one after the other, and notes what became of
 * each. Returns whether that row has changed.
 */
export function mergeRows(
  into: RowValues,
  stream: Buffer,
  offsets: Int32Array,
  rows: readonly number[],
  policy: ConflictPolicy,
  outcomes: RowOutcomes,
): boolean {
  let changed = false
  for (const row of rows) {
    const merged = mergeColumns(into, readValues(stream, offsets[row] as number), policy)
    changed ||= merged.changed
    outcomes.of[row] = CODES[merged.outcome]
    if (merged.conflict === undefined) outcomes.conflicts.delete(row)
    else outcomes.conflicts.set(row, merged.conflict)
  }
  return changed
}
