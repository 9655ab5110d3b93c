/** How many dead letters keep their record whole. */
export interface DeadLetterLimits {
  /** Of one device and reason, in one window. */
  readonly deadLetters: number
  readonly bytes: number
  /** Of all devices together, in one window. */
  readonly totalBytes: number
  readonly windowMs: number
}

/**
 * Most devices and reasons that are told apart in one window. Those that come after them share what
 * is left of the total.
 */
const MOST_COUNTED = 10_000

interface Spent {
  deadLetters: number
  bytes: number
}

/**
 * Says which dead letters keep their record whole. If a device sends nothing but junk, or has a
 * broken sensor, a few dead letters show what is wrong; thousands more would say the same. Memory
 * is bounded, whatever names the devices have.
 */
export class DeadLetterBudget {
  private readonly limits: DeadLetterLimits
  private readonly spent = new Map<string, Spent>()
  private window = Number.NaN
  private totalBytes = 0

  constructor(limits: DeadLetterLimits) {
    this.limits = limits
  }

  /**
   * Whether a dead letter of `bytes` bytes may be whole. If it may, it is counted.
   * @param nowMs milliseconds since 1970
   */
  admit(key: Buffer | null, reason: string, bytes: number, nowMs: number): boolean {
    const { deadLetters, bytes: mostBytes, totalBytes, windowMs } = this.limits
    const window = Math.floor(nowMs / windowMs)
    if (window !== this.window) {
      this.window = window
      this.spent.clear()
      this.totalBytes = 0
    }
    if (this.totalBytes + bytes > totalBytes) return false
    const name = `${reason} ${key?.toString('latin1') ?? ''}`
    let spent = this.spent.get(name)
    if (spent === undefined) {
      spent = { deadLetters: 0, bytes: 0 }
      if (this.spent.size < MOST_COUNTED) this.spent.set(name, spent)
    }
    if (spent.deadLetters >= deadLetters || spent.bytes + bytes > mostBytes) return false
    spent.deadLetters++
    spent.bytes += bytes
    this.totalBytes += bytes
    return true
  }
}
