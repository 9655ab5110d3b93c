/**
 * Which value stays if two rows of one device and time differ in a column: the one that was there,
 * or the one that came last.
 */
export type ConflictPolicy = 'keep-first' | 'keep-last'

/** Places of account and site in `RowValues.values`; the quantities follow. */
export const ACCOUNT = 0
export const SITE = 1

/** What a row of `readings` has beside its key. */
export interface RowValues {
  estimated: boolean
  /** Account, site, then the quantities in their order. */
  readonly values: (number | null)[]
}

/** What became of a row that met the one of its key. */
export type Merged = {
  /**
   * `merged`: it added something and contradicted nothing. `conflict`: a column of it has another
   * value. `repeated`: it had nothing new.
   */
  readonly outcome: 'merged' | 'repeated' | 'conflict'
  /** Whether this changed the row that was there. */
  readonly changed: boolean
  /** The first column with another value. */
  readonly conflict: ColumnConflict | undefined
}

export interface ColumnConflict {
  /** Its place in `RowValues.values`. */
  readonly column: number
  readonly kept: number
  readonly refused: number
}

/**
 * Merges a row into the one of its key, which is changed. What was null is added. The same value is
 * a repeat; 0 and −0 are the same, and so are two NaN. Another value is a conflict, and the policy
 * decides. A site belongs to its account: it goes or stays with it. The time counts as estimated
 * once any value of the row came with an estimated time; by itself that is neither an addition nor
 * a conflict.
 */
export function mergeColumns(row: RowValues, incoming: RowValues, policy: ConflictPolicy): Merged {
  let added = false
  let conflict: ColumnConflict | undefined
  let replaced = false
  const otherAccount = differ(row.values[ACCOUNT], incoming.values[ACCOUNT])
  for (let column = 0; column < row.values.length; column++) {
    const there = row.values[column] ?? null
    const given = incoming.values[column] ?? null
    if (column === SITE && otherAccount) {
      if (policy === 'keep-last') row.values[SITE] = given
    } else if (given === null || same(there, given)) {
      // Nothing new.
    } else if (there === null) {
      row.values[column] = given
      added = true
    } else {
      conflict ??= policy === 'keep-first' ? { column, kept: there, refused: given } : { column, kept: given, refused: there }
      if (policy === 'keep-last') {
        row.values[column] = given
        replaced = true
      }
    }
  }
  const changed = added || replaced
  if (changed && incoming.estimated) row.estimated = true
  return { outcome: conflict !== undefined ? 'conflict' : added ? 'merged' : 'repeated', changed, conflict }
}

function differ(there: number | null | undefined, given: number | null | undefined): boolean {
  return typeof there === 'number' && typeof given === 'number' && !same(there, given)
}

function same(there: number | null, given: number): boolean {
  return there === given || (Number.isNaN(there) && Number.isNaN(given))
}
