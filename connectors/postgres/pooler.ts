import pg from 'pg'
import { ConnectorError } from '../contract.ts'

export interface PoolerCheck {
  /**
   * The server process that answers a query of the session; undefined if there is no answer in
   * time.
   */
  readonly backend: () => Promise<number | undefined>
  /** The one that the server named when the session began: a pooler names none, or makes one up. */
  readonly announced: number | undefined
  readonly url: string
  readonly timeoutMs: number
}

/** A pool may take turns over its processes: that ours was the same once is no proof. */
const ROUNDS = 3
const TRANSACTIONS =
  'a connection pooler that pools transactions is in between (PgBouncer: pool_mode). Millrace listens, locks and keeps temporary tables: give the address of PostgreSQL itself, or of a pool that gives each client a session of its own (pool_mode = session)'

/**
 * Whether a connection pooler is in between. One that pools transactions lends a server process to
 * whoever is in a transaction: a LISTEN, a temporary table, a lock or a setting of ours would be
 * somebody else's. It shows in a second session that gets our process, or in ours that then gets
 * another.
 * @throws ConnectorError `pooler`, not transient, for a pooler of transactions; a transient one
 *   where there is no answer
 */
export async function detectPooler({ backend, announced, url, timeoutMs }: PoolerCheck): Promise<'none' | 'sessions'> {
  const mine = await backend()
  if (mine !== undefined && mine === announced) return 'none'
  const other = new pg.Client({ connectionString: url, application_name: 'millrace pooler check', connectionTimeoutMillis: timeoutMs })
  // What there is to know of it, the calls below say.
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

/** In a transaction, so that it keeps the process that it gets. */
async function begin(client: pg.Client): Promise<number | undefined> {
  await client.connect()
  await client.query('BEGIN')
  return (await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]?.pid
}

/**
 * Undefined if it fails or takes longer: a pool without a second process makes the other one
 * wait, which proves nothing.
 */
async function within<Result>(ms: number, work: Promise<Result>): Promise<Result | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms)
  })
  try {
    return await Promise.race([work.catch(() => undefined), late])
  } finally {
    clearTimeout(timer)
  }
}
