import { setTimeout as sleep } from 'node:timers/promises'
import { ConnectorError } from '../contract.ts'
import type { Session } from './session.ts'

export const LOCK_NOT_AVAILABLE = '55P03'
const DEADLOCK_DETECTED = '40P01'
/** check_violation: a row that ATTACH refuses came after the look for such rows. */
const CHECK_VIOLATION = '23514'
/** query_canceled: several locks together took longer than statement_timeout. */
const QUERY_CANCELED = '57014'
const BUSY: ReadonlySet<string> = new Set([LOCK_NOT_AVAILABLE, DEADLOCK_DETECTED, CHECK_VIOLATION, QUERY_CANCELED])
const ATTEMPTS = 50

/**
 * Runs a transaction of DDL that needs a strong lock. The transaction should have a short
 * lock_timeout, since everything that comes later queues up behind a waiting lock. If it does not
 * get the lock, it is rolled back and tried again, for about ten seconds; then the error is thrown.
 * After any other error the session is left as it is, for the caller to close.
 */
export async function retryOnLock<Result>(session: Session, attempt: () => Promise<Result>, attempts = ATTEMPTS): Promise<Result> {
  for (let failures = 1; ; failures++) {
    try {
      return await attempt()
    } catch (error) {
      const busy = error instanceof ConnectorError && BUSY.has(error.code)
      if (!busy || failures >= attempts) throw error
    }
    await session.script('waiting for a lock', 'ROLLBACK')
    await sleep(Math.random() * Math.min(20 * failures, 200))
  }
}
