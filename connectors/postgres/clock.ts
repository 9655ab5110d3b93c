import type { RemoteClock } from '../contract.ts'
import { createDatabase } from './database.ts'
import type { Session } from './session.ts'

const ANSWER_TIMEOUT_MS = 5_000

/** What time it is for a database. */
export function createDatabaseClock(url: string): RemoteClock {
  const database = createDatabase({
    url,
    applicationName: 'millrace clock',
    answerTimeoutMs: ANSWER_TIMEOUT_MS,
    statementTimeoutMs: ANSWER_TIMEOUT_MS,
  })
  return {
    async read() {
      return await database.use(databaseTime)
    },
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  }
}

/** The same by a session that is there. */
export async function databaseTime(session: Session): Promise<number> {
  const [row] = await session.query<{ now: number }>(
    'asking the database for its time',
    'SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS now',
  )
  return row?.now ?? Number.NaN
}
