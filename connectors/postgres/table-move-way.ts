import type { MoveSettings, TableFacts } from '../../processors/store/table-move.ts'
import type { MoveProgress, StepName } from '../../processors/store/table-steps.ts'
import type { TimeRange } from '../../processors/store/time-ranges.ts'
import type { StorageBackend } from './backend.ts'
import type { Column } from './readings-table.ts'
import type { Session } from './session.ts'
import type { MoveNote } from './table-move-note.ts'

/** The table cannot be migrated as asked. The message says what is in the way. */
export class MoveRefused extends Error {
  override readonly name = 'MoveRefused'
}

/** What a step works on. */
export interface Move {
  readonly facts: TableFacts
  readonly settings: MoveSettings
  /** Columns of readings; none for a table that keeps its own. */
  readonly ours: readonly Column[]
  /** The backend of readings; undefined if there is no such table. */
  readonly readings: StorageBackend | undefined
  /** Whether a table that keeps its columns becomes a hypertable. */
  readonly hypertable: boolean
  readonly daysAhead: number
  readonly nowMs: () => number
  readonly say: (line: string) => void
}

/**
 * One of the two ways to migrate a table. What a step did stays done. A step that was cut off at
 * any moment is done again, and so is an undo.
 */
export interface MoveWay {
  /** What there is already. */
  progress(session: Session, move: Move, note: MoveNote | undefined): Promise<MoveProgress>
  step(session: Session, move: Move, step: StepName): Promise<void>
  /** The way back, which ends with the last trace of the migration. */
  undo(session: Session, move: Move, note: MoveNote): Promise<void>
  /** Gives up what the way back needs. */
  finish(session: Session, move: Move): Promise<void>
  /** What a step would run, for people. */
  statements(move: Move, step: StepName, range: TimeRange): readonly string[]
}
