import type { LiveReading, SiteLive } from './messages.ts'

export interface NewestWindowLimits {
  /** Values are repeated for so long: a browser may have missed the state before. */
  readonly keepMs: number
  /** Most values: of too many, those that came last. */
  readonly most: number
}

interface Came {
  readonly deviceId: string
  readonly quantity: string
  readonly value: number
  readonly ts: number
  readonly cameMs: number
}

/** The newest value of each quantity of devices and channels, of what came in the last seconds. */
export class NewestWindow {
  private readonly limits: NewestWindowLimits
  /** In the order in which they came. */
  private readonly kept = new Map<string, Came>()

  constructor(limits: NewestWindowLimits) {
    this.limits = limits
  }

  get size(): number {
    return this.kept.size
  }

  /** @param cameMs of a monotonic clock */
  add(readings: readonly LiveReading[], cameMs: number): void {
    for (const { deviceId, ts, values } of readings)
      for (const [quantity, value] of Object.entries(values)) {
        // No quantity has a blank in its name.
        const key = `${quantity} ${deviceId}`
        const known = this.kept.get(key)
        if (known !== undefined && known.ts > ts) continue
        this.kept.delete(key)
        this.kept.set(key, { deviceId, quantity, value, ts, cameMs })
      }
    for (const [key, came] of this.kept) {
      if (this.kept.size <= this.limits.most && cameMs - came.cameMs < this.limits.keepMs) break
      this.kept.delete(key)
    }
  }

  /** Values of one time and device are one reading. */
  state(): SiteLive {
    const readings = new Map<string, { deviceId: string; ts: number; values: Record<string, number> }>()
    for (const { deviceId, quantity, value, ts } of this.kept.values()) {
      const key = `${ts} ${deviceId}`
      const reading = readings.get(key) ?? { deviceId, ts, values: {} }
      reading.values[quantity] = value
      readings.set(key, reading)
    }
    return { readings: [...readings.values()] }
  }
}
