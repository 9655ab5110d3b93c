import type { LiveReading, LiveReadings } from './messages.ts'

export interface LiveWindowLimits {
  /** Readings are repeated for so long: a browser may have missed the state before. */
  readonly keepMs: number
  readonly most: number
}

/** The readings of the last seconds, numbered, so that a browser knows whether it missed any. */
export class LiveWindow {
  private readonly limits: LiveWindowLimits
  private kept: { readonly reading: LiveReading; readonly cameMs: number }[] = []
  private next = 0
  private generation: number

  /** @param generation other than that of any window before, of this server or of one before it */
  constructor(limits: LiveWindowLimits, generation: number) {
    this.limits = limits
    this.generation = generation
  }

  /** @param nowMs of a monotonic clock */
  add(readings: readonly LiveReading[], nowMs: number): void {
    const recent = this.kept.filter(({ cameMs }) => nowMs - cameMs < this.limits.keepMs)
    for (const reading of readings) recent.push({ reading, cameMs: nowMs })
    this.kept = recent.slice(-this.limits.most)
    this.next += readings.length
  }

  /** Some readings were passed over: whoever looks asks history for them. */
  skip(): void {
    this.generation++
  }

  state(): LiveReadings {
    return {
      first: this.next - this.kept.length,
      next: this.next,
      generation: this.generation,
      readings: this.kept.map(({ reading }) => reading),
    }
  }
}
