import { setTimeout as sleep } from 'node:timers/promises'
import { ConnectorError } from '../contract.ts'

const LOCK_NOT_AVAILABLE = '55P03'
const DEADLOCK_DETECTED = '40P01'
const ATTEMPTS = 50

/**
 * Runs DDL that needs a strong lock. It should wait with a short lock_timeout, since everything that comes later queues up behind a waiting
 * lock; it is tried again, for about ten seconds, before the error goes on.
 */
export async function retryOnLock<Result>(attempt: () => Promise<Result>): Promise<Result> {
  for (let failures = 1; ; failures++) {
    try {
      return await attempt()
    } catch (error) {
      const busy = error instanceof ConnectorError && (error.code === LOCK_NOT_AVAILABLE || error.code === DEADLOCK_DETECTED)
      if (!busy || failures === ATTEMPTS) throw error
    }
    await sleep(Math.random() * Math.min(20 * failures, 200))
  }
}
