import type { Clock } from '../../connectors/clock.ts'
import type { Log } from '../../connectors/contract.ts'
import { repeated } from '../process/repeated.ts'

export interface PulseOptions {
  /** Appends a record to topic `millrace.pulse`. */
  readonly write: () => Promise<unknown>
  /**
   * Whether what devices publish is forwarded: the session is connected, its subscriptions are
   * granted, and the clock is right.
   */
  readonly isForwarding: () => boolean
  readonly clock: Clock
  readonly log: Log
  /** Health: null if it can be written. */
  readonly problem: (what: string | null) => void
}

const EVERY_MS = 10_000
/** How often it is asked whether a pulse is due. */
const LOOK_MS = 1_000

/**
 * Says every 10 s that the bridge listens, and nothing while it does not: a device is silent only
 * if somebody would have heard it (services/process/listening.ts).
 */
export function startPulse({ write, isForwarding, ...others }: PulseOptions): AsyncDisposable {
  let writtenMs = Number.NEGATIVE_INFINITY
  return repeated({
    ...others,
    doing: 'saying that the bridge listens',
    everyMs: LOOK_MS,
    async work() {
      if (others.clock.monotonicMs() - writtenMs < EVERY_MS || !isForwarding()) return false
      await write()
      writtenMs = others.clock.monotonicMs()
      return false
    },
  })
}
