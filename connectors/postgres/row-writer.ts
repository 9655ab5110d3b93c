import type { ConflictPolicy } from '../../processors/store/merge-columns.ts'
import { type BadRow, ConnectorError, type RowRange, type SinkBatch } from '../contract.ts'
import { type BadRowFinder, createBadRowFinder, databaseMessage, prepareBadRows } from './bad-rows.ts'
import { foldRows, type RowOutcomes } from './fold-rows.ts'
import { createTableMerge, notTaken, prepareMerge, type TableMerge } from './merge-rows.ts'
import { copyStatement } from './readings-table.ts'
import { MARKS_ITSELF, markChanged } from './rollup-marks.ts'
import type { Session } from './session.ts'
import { blame, UNIQUE_VIOLATION } from './sqlstate.ts'
import { afterBatch, FIRST_PATH, type Met } from './write-path.ts'

type BadRows = { readonly tag: 'bad-rows'; readonly rows: readonly BadRow[] }

export type Written =
  /** undefined: every row was inserted. */
  { readonly tag: 'written'; readonly outcomes: RowOutcomes | undefined } | BadRows

/** Puts the rows of batches into `readings`, inside a transaction with a savepoint `rows`. */
export interface RowWriter {
  /** Once per session: the temporary tables. */
  prepare(session: Session): Promise<void>
  write(session: Session, batch: SinkBatch): Promise<Written>
  /**
   * Finds the rows behind an error that came after `write`, from a constraint that is checked at
   * the end. Throws the error if no row is at fault.
   */
  explain(session: Session, batch: SinkBatch, error: unknown): Promise<BadRows>
  /** Once per session: its marks take the place of those of the trigger of `readings`. */
  announce(session: Session): Promise<void>
  /**
   * SQL that marks what was written, for the roll-ups, in the same transaction. Undefined if
   * nothing changed.
   */
  marks(batch: SinkBatch, outcomes: RowOutcomes | undefined): string | undefined
}

/**
 * Runs the constraints and triggers that wait for COMMIT, while it can still be found out which row
 * they refuse.
 */
export const CHECK_NOW = 'SET CONSTRAINTS ALL IMMEDIATE'
const TO_SAVEPOINT = 'ROLLBACK TO SAVEPOINT rows'

/** What depends on the columns that a batch has. */
interface ColumnParts {
  readonly intoReadings: string
  readonly table: TableMerge
  readonly finder: BadRowFinder
}

export function createRowWriter(policy: ConflictPolicy): RowWriter {
  let state = FIRST_PATH
  /** Batches nearly always have the same array as one before. */
  const known = new WeakMap<readonly string[], ColumnParts>()

  const partsFor = ({ columns }: SinkBatch): ColumnParts => {
    let parts = known.get(columns)
    if (parts === undefined) {
      parts = {
        intoReadings: copyStatement('readings', columns),
        table: createTableMerge(columns, policy),
        finder: createBadRowFinder(columns, policy),
      }
      known.set(columns, parts)
    }
    return parts
  }

  /**
   * False if a key is there already, in the batch or in the table. Then the transaction is back at
   * the savepoint.
   */
  const copied = async (session: Session, into: string, stream: Buffer, rows: number): Promise<boolean> => {
    try {
      const count = await session.copy('copying rows', into, stream)
      if (count < rows) throw notTaken('copying rows')
      return true
    } catch (error) {
      if (!(error instanceof ConnectorError && error.code === UNIQUE_VIOLATION)) throw error
      await session.script('merging rows', TO_SAVEPOINT)
      return false
    }
  }

  const insert = async (session: Session, batch: SinkBatch): Promise<{ outcomes: RowOutcomes | undefined; met: Met }> => {
    const { intoReadings, table } = partsFor(batch)
    if (state.path === 'merge') return table.merge(session, batch)
    if (state.path === 'copy' && (await copied(session, intoReadings, batch.copy, batch.rows)))
      return { outcomes: undefined, met: 'nothing' }
    const folded = foldRows(batch.copy, batch.rows, policy)
    const within = folded.groups.size > 0
    if (state.path === 'fold' || within) {
      if (await copied(session, intoReadings, folded.copy, folded.rows))
        return { outcomes: within ? folded.outcomes : undefined, met: within ? 'within' : 'nothing' }
    }
    return table.merge(session, batch, folded)
  }

  const explain = async (session: Session, batch: SinkBatch, error: unknown): Promise<BadRows> => {
    if (!(error instanceof ConnectorError && blame(error.code) === 'row')) throw error
    const rows = await partsFor(batch).finder.find(session, batch)
    if (rows.length > 0) return { tag: 'bad-rows', rows }
    // It is a single row, so nothing else can be at fault.
    if (batch.rows === 1) return { tag: 'bad-rows', rows: [{ row: 0, sqlState: error.code, detail: databaseMessage(error) }] }
    throw error
  }

  return {
    async prepare(session) {
      await prepareMerge(session)
      await prepareBadRows(session)
    },
    async write(session, batch) {
      if (batch.rows === 0) return { tag: 'written', outcomes: undefined }
      try {
        const { outcomes, met: found } = await insert(session, batch)
        state = afterBatch(state, found)
        return { tag: 'written', outcomes }
      } catch (error) {
        return await explain(session, batch, error)
      }
    },
    explain,
    async announce(session) {
      await session.script('saying that the roll-ups are told', MARKS_ITSELF)
    },
    marks: markChanged,
  }
}

export function rowCount(ranges: readonly RowRange[]): number {
  return ranges.reduce((sum, { first, end }) => sum + end - first, 0)
}
