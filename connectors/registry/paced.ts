import { setTimeout as delay } from 'node:timers/promises'

export interface PacedOptions {
  /** Resolves with how long it took, waits through outages not included. */
  readonly work: () => Promise<number>
  /** How long to rest after a run, given how long it took. */
  readonly pauseMs: (tookMs: number) => number
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number
  readonly signal: AbortSignal
}

/**
 * Runs work one run at a time, with a rest after each. All that ask meanwhile share the next run.
 */
export class Paced {
  private readonly options: PacedOptions
  private running: Promise<void> | undefined
  /** The run that begins after the current one and the rest after that. */
  private next: Promise<void> | undefined
  private mayBeginAt = Number.NEGATIVE_INFINITY

  constructor(options: PacedOptions) {
    this.options = options
  }

  /** Resolves when a run that began after the call is over. */
  request(): Promise<void> {
    this.next ??= this.runNext()
    return this.next
  }

  private async runNext(): Promise<void> {
    const { now, signal } = this.options
    await this.running?.catch(() => undefined)
    const pauseMs = this.mayBeginAt - now()
    if (pauseMs > 0) await delay(pauseMs, undefined, { signal })
    this.next = undefined
    this.running = this.run()
    await this.running
  }

  private async run(): Promise<void> {
    const { work, pauseMs, now } = this.options
    const tookMs = await work()
    this.mayBeginAt = now() + pauseMs(tookMs)
  }
}
