import { ConnectorError } from '../contract.ts'
import type { BackendChoice, StorageBackend } from './backend.ts'
import { createPostgresBackend } from './postgres-backend.ts'
import type { Session } from './session.ts'
import { createTimescaleBackend } from './timescale-backend.ts'

const INSUFFICIENT_PRIVILEGE = '42501'

/** The readings table, or the server, is not what the configuration asks for. */
export class BackendError extends Error {
  override readonly name = 'BackendError'
}

/**
 * The backend of an existing table.
 * @throws BackendError if there is no table, or it is neither hypertable nor partitioned, or not
 *   the configured kind
 */
export async function findBackend(session: Session, choice: BackendChoice): Promise<StorageBackend> {
  const backend = await existingBackend(session)
  if (backend === undefined) throw new BackendError('table readings does not exist: run `millrace migrate`')
  return agreed(backend, choice)
}

/**
 * The backend of the existing table, or the one that a new table is to have. To be called inside a
 * transaction.
 * @throws BackendError as `findBackend`, and if TimescaleDB is asked for and cannot be had
 */
export async function chooseBackend(session: Session, choice: BackendChoice): Promise<{ backend: StorageBackend; exists: boolean }> {
  const existing = await existingBackend(session)
  if (existing !== undefined) return { backend: agreed(existing, choice), exists: true }
  if (choice === 'postgres') return { backend: createPostgresBackend(), exists: false }
  const missing = await offerTimescale(session)
  if (missing === undefined) return { backend: createTimescaleBackend(), exists: false }
  if (choice === 'timescaledb') throw new BackendError(`TimescaleDB was asked for, but ${missing}`)
  return { backend: createPostgresBackend(), exists: false }
}

function agreed(backend: StorageBackend, choice: BackendChoice): StorageBackend {
  if (choice !== 'auto' && choice !== backend.name) {
    throw new BackendError(`the configuration asks for ${choice}, but table readings is kept by ${backend.name}`)
  }
  return backend
}

async function existingBackend(session: Session): Promise<StorageBackend | undefined> {
  const [table] = await session.query<{ kind: string; extension: boolean }>(
    'looking for table readings',
    `SELECT relkind AS kind, EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') AS extension
     FROM pg_class WHERE oid = to_regclass('readings')`,
  )
  if (table === undefined) return undefined
  if (table.kind === 'p') return createPostgresBackend()
  if (table.extension && (await isHypertable(session))) return createTimescaleBackend()
  throw new BackendError('table readings exists, but is neither a hypertable nor partitioned: rename it and migrate again')
}

async function isHypertable(session: Session): Promise<boolean> {
  const rows = await session.query(
    'looking for hypertable readings',
    `SELECT FROM timescaledb_information.hypertables h JOIN pg_class c ON c.oid = to_regclass('readings')
     JOIN pg_namespace n ON n.oid = c.relnamespace WHERE h.hypertable_schema = n.nspname AND h.hypertable_name = c.relname`,
  )
  return rows.length > 0
}

/**
 * Makes the extension available in this database, within the caller's transaction. If it cannot, it
 * says what is missing.
 */
async function offerTimescale(session: Session): Promise<string | undefined> {
  const [extension] = await session.query<{ installed: string | null; preloaded: boolean }>(
    'looking for TimescaleDB',
    // Only a superuser may see shared_preload_libraries; the preloaded library has this setting.
    `SELECT installed_version AS installed, current_setting('timescaledb.disable_load', true) IS NOT NULL AS preloaded
     FROM pg_available_extensions WHERE name = 'timescaledb'`,
  )
  if (extension === undefined) return 'the server does not have it'
  if (!extension.preloaded) return 'it is not in shared_preload_libraries'
  if (extension.installed !== null) return undefined
  try {
    await session.script('creating the extension', 'SAVEPOINT extension; CREATE EXTENSION timescaledb; RELEASE SAVEPOINT extension')
    return undefined
  } catch (error) {
    if (!(error instanceof ConnectorError && error.code === INSUFFICIENT_PRIVILEGE)) throw error
    await session.script('going on without the extension', 'ROLLBACK TO SAVEPOINT extension')
    return 'this role may not create it: run CREATE EXTENSION timescaledb as a superuser'
  }
}
