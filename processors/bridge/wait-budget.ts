/** How long may be waited: `mostMs` at once, after that a share of the time. */
export interface WaitLimit {
  readonly mostMs: number
  /** Of the time that passes, between 0 and 1. */
  readonly share: number
}

const LEAST_SHARE = 0.1

interface WaitAccount {
  leftMs: number
  atMs: number
}

/**
 * Bounds how long some may make others wait. What is spent comes back as a share of the time that
 * passes. So a device that always sends unknown schemas holds the others up for at most that share.
 * No clock: the time is an argument, and does not go back.
 */
export class WaitBudget {
  private readonly limit: WaitLimit
  /** Those who have spent something lately, in the order in which they last did. */
  private readonly accounts = new Map<string, WaitAccount>()
  private readonly mostAccounts: number

  constructor(limit: WaitLimit, mostAccounts = 10_000) {
    this.limit = limit
    this.mostAccounts = mostAccounts
  }

  /** Whether enough is left to wait at all: a tenth of `mostMs`. */
  allows(name: string, nowMs: number, alreadyWaitedMs = 0): boolean {
    return this.leftMs(name, nowMs) - alreadyWaitedMs >= this.limit.mostMs * LEAST_SHARE
  }

  private leftMs(name: string, nowMs: number): number {
    const account = this.accounts.get(name)
    if (account === undefined) return this.limit.mostMs
    return Math.min(this.limit.mostMs, account.leftMs + (nowMs - account.atMs) * this.limit.share)
  }

  spend(name: string, waitedMs: number, nowMs: number): void {
    // Below zero if a wait took longer than was left: the difference is owed.
    const leftMs = this.leftMs(name, nowMs) - waitedMs
    this.accounts.delete(name)
    this.accounts.set(name, { leftMs, atMs: nowMs })
    for (const oldest of this.accounts.keys()) {
      if (this.accounts.size <= this.mostAccounts) break
      this.accounts.delete(oldest)
    }
  }
}
