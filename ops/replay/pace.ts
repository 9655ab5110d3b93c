import { setTimeout as delay } from 'node:timers/promises'

/** No wait is shorter: a timer takes a millisecond at least, which a record is rarely worth. */
const SHORTEST_WAIT_MS = 20

/** Holds reading back, so that no more bytes a second are read than allowed, on the average. */
export class ByteCap {
  private readonly bytesPerSecond: number
  private readonly nowMs: () => number
  /** When the bytes so far are paid for. */
  private paidMs = Number.NEGATIVE_INFINITY

  constructor(bytesPerSecond: number, nowMs: () => number = () => performance.now()) {
    this.bytesPerSecond = bytesPerSecond
    this.nowMs = nowMs
  }

  /**
   * Milliseconds to wait after so many bytes; short waits are put together. What was not used
   * before is not saved up.
   */
  take(bytes: number): number {
    const now = this.nowMs()
    this.paidMs = Math.max(this.paidMs, now) + (bytes / this.bytesPerSecond) * 1000
    return this.paidMs - now < SHORTEST_WAIT_MS ? 0 : this.paidMs - now
  }
}

/** Says when a row is due, so that rows have the gaps that they had, divided by a speed. */
export class Tempo {
  private readonly speed: number
  private readonly nowMs: () => number
  private began: { readonly micros: number; readonly atMs: number } | undefined

  constructor(speed: number, nowMs: () => number = () => performance.now()) {
    this.speed = speed
    this.nowMs = nowMs
  }

  /** Milliseconds to wait before a row of that time; 0 if it is late, or has no time. */
  before(micros: number | null): number {
    if (micros === null) return 0
    this.began ??= { micros, atMs: this.nowMs() }
    return Math.max(0, this.began.atMs + (micros - this.began.micros) / 1000 / this.speed - this.nowMs())
  }
}

/** Waits, unless the signal comes first. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms <= 0 || signal.aborted) return
  await delay(ms, undefined, { signal }).catch((cause: unknown) => {
    if (!signal.aborted) throw cause
  })
}
