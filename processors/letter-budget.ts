/** How much of what is refused is kept whole. */
export interface LetterLimits {
  /** Of one device and reason, in one window. */
  readonly letters: number
  readonly bytes: number
  /** Of all devices together, in one window. */
  readonly totalBytes: number
  readonly windowMs: number
}

/** Devices and reasons that are told apart in one window: what comes after them has what is left of the total. */
const MOST_COUNTED = 10_000

interface Spent {
  letters: number
  bytes: number
}

/**
 * Says which letters keep their record whole. One device that sends nothing but junk, or a sensor that is broken for good, has a few letters that
 * show what is wrong; thousands more would say the same. Memory is bounded, whatever names the devices have.
 */
export class LetterBudget {
  private readonly limits: LetterLimits
  private readonly spent = new Map<string, Spent>()
  private window = Number.NaN
  private totalBytes = 0

  constructor(limits: LetterLimits) {
    this.limits = limits
  }

  /**
   * Whether a letter of so many bytes may be whole; it is counted then.
   * @param nowMs milliseconds since 1970
   */
  admit(key: Buffer | null, reason: string, bytes: number, nowMs: number): boolean {
    const { letters, bytes: mostBytes, totalBytes, windowMs } = this.limits
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
      spent = { letters: 0, bytes: 0 }
      if (this.spent.size < MOST_COUNTED) this.spent.set(name, spent)
    }
    if (spent.letters >= letters || spent.bytes + bytes > mostBytes) return false
    spent.letters++
    spent.bytes += bytes
    this.totalBytes += bytes
    return true
  }
}
