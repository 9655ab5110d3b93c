import { setTimeout as sleep } from 'node:timers/promises'
import { ConnectorError } from '../contract.ts'
import type { Session } from './session.ts'

const ATTEMPTS = 60

/**
 * One run at a time. The server notices within 2 s if this process is gone: then it gives up what
 * it was doing for it, and the next run need not wait for long.
 */
export async function takeMoveTurn(session: Session): Promise<void> {
  await session.script('setting up the session', "SET client_connection_check_interval = '2s'; SET work_mem = '128MB'")
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const [lock] = await session.query<{ taken: boolean }>(
      'waiting for another run',
      "SELECT pg_try_advisory_lock(hashtextextended('millrace migrate-table', 0)) AS taken",
    )
    if (lock?.taken === true) return
    await sleep(250)
  }
  throw new ConnectorError('busy', true, 'another migrate-table is at work in this database: one at a time')
}
