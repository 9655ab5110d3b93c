const DAY_MS = 86_400_000

/**
 * Runs a function with a clock that is a day ahead: what reads the time gives something else than
 * before. `work` must be synchronous: nobody else meets that clock.
 */
export function aDayLater<Result>(work: () => Result): Result {
  const Now = globalThis.Date
  const later = (): number => Now.now() + DAY_MS
  class Later extends Now {
    constructor(...given: readonly unknown[]) {
      if (given.length === 0) super(later())
      else super(...(given as [number]))
    }

    static override now(): number {
      return later()
    }
  }
  globalThis.Date = Later as DateConstructor
  try {
    return work()
  } finally {
    globalThis.Date = Now
  }
}
