/**
 * How long something that is known may be relied on: for a short time after it was last confirmed.
 * A confirmation counts from when it was asked for, since its answer may have been under way for
 * long.
 */
export class Lease {
  private readonly lengthMs: number
  private readonly now: () => number
  private confirmedAt = Number.NEGATIVE_INFINITY

  /** @param now milliseconds of a monotonic clock */
  constructor(lengthMs: number, now: () => number) {
    this.lengthMs = lengthMs
    this.now = now
  }

  confirmed(askedAtMs: number): void {
    this.confirmedAt = Math.max(this.confirmedAt, askedAtMs)
  }

  get holds(): boolean {
    return this.now() - this.confirmedAt <= this.lengthMs
  }

  /** Milliseconds since it was last confirmed; Infinity before the first time. */
  get ageMs(): number {
    return this.now() - this.confirmedAt
  }
}
