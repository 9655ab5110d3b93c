import { setTimeout as delay } from 'node:timers/promises'
import { ConnectorError, type Log } from '../connectors/contract.ts'
import { backoffMs } from '../processors/backoff.ts'

export interface ThroughOutagesOptions {
  readonly log: Log
  readonly signal: AbortSignal
  /** Health: what is waited for; null once it is there. */
  readonly waiting?: (what: string | null) => void
}

const BACKOFF = { baseMs: 100, maxMs: 10_000 }

/**
 * Does work again until it succeeds or fails for good: a ConnectorError that is transient is waited
 * out, with full-jitter backoff.
 */
export async function throughOutages<Result>(
  doing: string,
  work: () => Promise<Result>,
  { log, signal, waiting }: ThroughOutagesOptions,
): Promise<Result> {
  for (let attempt = 0; ; attempt++) {
    signal.throwIfAborted()
    try {
      const result = await work()
      if (attempt > 0) {
        log.info(`${doing}: it works again`, { attempts: attempt + 1 })
        waiting?.(null)
      }
      return result
    } catch (cause) {
      if (!(cause instanceof ConnectorError && cause.transient)) throw cause
      const pauseMs = backoffMs(attempt, BACKOFF, Math.random)
      log.warn(`${doing}: not possible now; trying again`, { attempt: attempt + 1, pauseMs: Math.round(pauseMs), cause: cause.message })
      waiting?.(`${doing}: ${cause.message}`)
      await delay(pauseMs, undefined, { signal })
    }
  }
}
