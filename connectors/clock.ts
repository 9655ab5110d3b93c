import { setTimeout as sleep } from 'node:timers/promises'

/** Time and chance. What waits or draws lots is given one, so that a test can say both. */
export interface Clock {
  /** Milliseconds since 1970. */
  nowMs(): number
  /** Milliseconds since some moment: it never goes back. */
  monotonicMs(): number
  /** Evenly in [0, 1). */
  random(): number
  /** Resolves after so long. Rejects if the signal is aborted before. */
  delay(ms: number, signal: AbortSignal): Promise<void>
  /** Calls once after so long, unless disposed of before. The process may end meanwhile. */
  after(ms: number, call: () => void): Disposable
}

/** The machine's own. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  random: () => Math.random(),
  delay: (ms, signal) => sleep(ms, undefined, { signal }),
  after(ms, call) {
    const timer = setTimeout(call, ms)
    timer.unref()
    return { [Symbol.dispose]: () => clearTimeout(timer) }
  },
}
