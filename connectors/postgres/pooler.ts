import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { ConnectorError } from '../contract.ts'
import { clientSettings } from './client-settings.ts'

export interface PoolerCheck {
  /**
   * The server process that answers a query of the session; undefined if there is no answer in
   * time.
   */
  readonly backend: () => Promise<number | undefined>
  /**
   * The process that the server named when the session began. A pooler names none, or makes one up.
   */
  readonly announced: number | undefined
  readonly url: string
  readonly timeoutMs: number
}

/** How often to ask: a pool may take turns over its processes, so one equal answer is no proof. */
const ROUNDS = 3
const TRANSACTIONS =
  'a connection pooler that pools transactions is in between (PgBouncer: pool_mode). Millrace listens, locks and keeps temporary tables: give the address of PostgreSQL itself, or of a pool that gives each client a session of its own (pool_mode = session)'

/**
 * Whether a connection pooler is in between. A pooler of transactions lends a server process to
 * each client for one transaction. So a LISTEN, a temporary table, a lock or a setting of ours
 * would end up with another client. Such a pooler shows if a second session gets our process, or if
 * ours then gets another.
 * @throws ConnectorError `pooler`, not transient, for a pooler of transactions; a transient one if
 *   there is no answer
 */
export async function detectPooler({ backend, announced, url, timeoutMs }: PoolerCheck): Promise<'none' | 'sessions'> {
  const mine = await backend()
  if (mine !== undefined && mine === announced) return 'none'
  const other = new pg.Client({ ...clientSettings(url), application_name: 'millrace pooler check', connectionTimeoutMillis: timeoutMs })
  // The calls below report its errors.
  other.on('error', () => undefined)
  try {
    const theirs = await within(timeoutMs, begin(other))
    for (let round = 0; round < ROUNDS; round++) {
      const now = await backend()
      if (now === undefined) throw new ConnectorError('ETIMEDOUT', true, 'asking which process of the database answers')
      if (now === theirs || now !== mine) throw new ConnectorError('pooler', false, `connecting to the database: ${TRANSACTIONS}`)
    }
    return 'sessions'
  } finally {
    await within(timeoutMs, other.end())
  }
}

/** Begins a transaction, so that the client keeps its process. */
async function begin(client: pg.Client): Promise<number | undefined> {
  await client.connect()
  await client.query('BEGIN')
  return (await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]?.pid
}

/**
 * Undefined if it fails or takes longer. A pool without a free process makes the second session
 * wait, which proves nothing.
 */
function within<Result>(ms: number, work: Promise<Result>): Promise<Result | undefined> {
  return Promise.race([work.catch(() => undefined), delay(ms, undefined, { ref: false })])
}
