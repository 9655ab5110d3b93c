import type { Clock } from '../../connectors/clock.ts'

interface Due {
  readonly atMs: number
  readonly call: () => void
}

/** A clock that a test sets: nothing that waits goes on before `advance`. */
export class ManualClock implements Clock {
  /** Pauses that were asked for, in order. */
  readonly pauses: number[] = []
  private ms = 0
  private readonly startMs: number
  private readonly due = new Set<Due>()

  /** @param startMs milliseconds since 1970 */
  constructor(startMs = Date.UTC(2026, 10, 23, 6)) {
    this.startMs = startMs
  }

  nowMs(): number {
    return this.startMs + this.ms
  }

  monotonicMs(): number {
    return this.ms
  }

  /** The longest pause of a backoff, or nearly: tests count on none. */
  random(): number {
    return 0.999
  }

  delay(ms: number, signal: AbortSignal): Promise<void> {
    this.pauses.push(ms)
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const aborted = (): void => {
        waiting[Symbol.dispose]()
        reject(signal.reason)
      }
      const waiting = this.after(ms, () => {
        signal.removeEventListener('abort', aborted)
        resolve()
      })
      signal.addEventListener('abort', aborted)
    })
  }

  after(ms: number, call: () => void): Disposable {
    const due = { atMs: this.ms + ms, call }
    this.due.add(due)
    return { [Symbol.dispose]: () => void this.due.delete(due) }
  }

  /** Lets time pass, and whatever is due in it happen, in its order. */
  async advance(ms: number): Promise<void> {
    await settled()
    const until = this.ms + ms
    for (;;) {
      const [next] = [...this.due].filter(({ atMs }) => atMs <= until).sort((a, b) => a.atMs - b.atMs)
      if (next === undefined) break
      this.due.delete(next)
      this.ms = Math.max(this.ms, next.atMs)
      next.call()
      await settled()
    }
    this.ms = until
  }
}

/** Until all promises that need no time have gone as far as they can. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve))
}
