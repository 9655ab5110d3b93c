import type { MoveSettings, TableFacts } from '../../processors/store/table-move.ts'
import type { Session } from './session.ts'

/**
 * What is kept of a migration while it goes on, in table `table_move`. The command makes it, since
 * the table is there only while one is under way.
 */
export interface MoveNote {
  readonly settings: MoveSettings
  /** The table as it was before: what `--undo` goes by. */
  readonly facts: TableFacts
  readonly swapped: boolean
  /** What of the steps after the swap is done. */
  readonly done: readonly string[]
  /** Copy: rows before this time are in the new table; null if none is. */
  readonly copiedTo: string | null
  readonly copied: boolean
  readonly comparedTo: string | null
  readonly compared: boolean
}

export const NOTES = 'table_move'

export async function readNote(session: Session, table: string): Promise<MoveNote | undefined> {
  const [there] = await session.query<{ there: boolean }>('looking for notes', `SELECT to_regclass('${NOTES}') IS NOT NULL AS there`)
  if (there?.there !== true) return undefined
  const [note] = await session.query<MoveNote & Record<string, unknown>>(
    'reading the note of the migration',
    `SELECT settings, facts, swapped_at IS NOT NULL AS swapped, done, copied_to::text AS "copiedTo", copied,
       compared_to::text AS "comparedTo", compared FROM ${NOTES} WHERE name = $1`,
    [table],
  )
  return note
}

/** Makes the note, or gives it other settings. */
export async function writeNote(session: Session, table: string, settings: MoveSettings, facts: TableFacts): Promise<void> {
  await session.script(
    'making the table of notes',
    `CREATE TABLE IF NOT EXISTS ${NOTES} (
       name text PRIMARY KEY, settings jsonb NOT NULL, facts jsonb NOT NULL, swapped_at timestamptz, done text[] NOT NULL DEFAULT '{}',
       copied_to timestamptz, copied boolean NOT NULL DEFAULT false, compared_to timestamptz, compared boolean NOT NULL DEFAULT false
     );
     COMMENT ON TABLE ${NOTES} IS 'Migrations of tables that are under way (millrace migrate-table), until they are finished or undone.'`,
  )
  await session.query(
    'noting the migration',
    `INSERT INTO ${NOTES} (name, settings, facts) VALUES ($1, $2, $3)
     ON CONFLICT (name) DO UPDATE SET settings = excluded.settings, facts = excluded.facts`,
    [table, JSON.stringify(settings), JSON.stringify(facts)],
  )
}

export async function noteDone(session: Session, table: string, step: string): Promise<void> {
  await session.query('noting a step', `UPDATE ${NOTES} SET done = array_append(done, $2) WHERE name = $1 AND NOT $2 = ANY (done)`, [
    table,
    step,
  ])
}

/** Without notes the table of notes goes too. */
export async function forgetNote(session: Session, table: string): Promise<void> {
  await session.query('forgetting the migration', `DELETE FROM ${NOTES} WHERE name = $1`, [table])
}
