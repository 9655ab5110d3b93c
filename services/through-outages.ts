import { type Clock, systemClock } from '../connectors/clock.ts'
import { isTransient, type Log } from '../connectors/contract.ts'
import { retry } from '../connectors/retry.ts'

export interface ThroughOutagesOptions {
  readonly log: Log
  readonly signal: AbortSignal
  readonly clock?: Clock
  /** Health: what is waited for; null once it is there. */
  readonly waiting?: (what: string | null) => void
}

/**
 * Does work again until it succeeds or fails for good: a ConnectorError that is transient is waited
 * out.
 */
export function throughOutages<Result>(
  doing: string,
  work: () => Promise<Result>,
  { log, signal, clock = systemClock, waiting }: ThroughOutagesOptions,
): Promise<Result> {
  return retry(work, {
    clock,
    signal,
    again: isTransient,
    failed({ cause, ...failure }) {
      const { message } = cause as Error
      log.warn(`${doing}: not possible now; trying again`, { ...failure, cause: message })
      waiting?.(`${doing}: ${message}`)
    },
    recovered(attempts) {
      log.info(`${doing}: it works again`, { attempts })
      waiting?.(null)
    },
  })
}
