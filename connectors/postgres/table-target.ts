import type { BackendChoice, StorageBackend } from './backend.ts'
import { BackendError, findBackend } from './backend-choice.ts'
import type { Session } from './session.ts'

/**
 * The backend of readings; undefined if there is no such table, or it is the one that is asked
 * about.
 */
export async function readingsBackend(session: Session, choice: BackendChoice, table: string): Promise<StorageBackend | undefined> {
  const [found] = await session.query<{ other: boolean }>(
    'looking for table readings',
    "SELECT to_regclass('readings') IS DISTINCT FROM to_regclass($1) AND to_regclass('readings') IS NOT NULL AS other",
    [table],
  )
  return found?.other === true ? findBackend(session, choice) : undefined
}

/**
 * Whether a table that keeps its columns becomes a hypertable: if this database has TimescaleDB.
 * @throws BackendError if it is asked for and is not there
 */
export async function makesHypertables(session: Session, choice: BackendChoice): Promise<boolean> {
  if (choice === 'postgres') return false
  const rows = await session.query('looking for TimescaleDB', "SELECT FROM pg_extension WHERE extname = 'timescaledb'")
  if (rows.length === 0 && choice === 'timescaledb')
    throw new BackendError('TimescaleDB is asked for (store.backend), and this database does not have it: CREATE EXTENSION timescaledb')
  return rows.length > 0
}
