import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Time and randomness. Code that waits or draws random numbers gets one, so that a test can decide
 * both.
 */
export interface Clock {
  /** Milliseconds since 1970. */
  nowMs(): number
  /** Milliseconds since some moment. It never goes back. */
  monotonicMs(): number
  /** Uniform in [0, 1). */
  random(): number
  /** Resolves after this time. Rejects if the signal is aborted before. */
  delay(ms: number, signal: AbortSignal): Promise<void>
  /**
   * Calls once after this time, unless it is disposed of before. It does not keep the process
   * alive.
   */
  after(ms: number, call: () => void): Disposable
}

/** The clock of the machine. */
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
