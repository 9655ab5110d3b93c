import { setTimeout as delay } from 'node:timers/promises'
import type { Log, PublishHandler } from '../../connectors/contract.ts'
import { aheadMs, type ClockReading, describeDuration, MOST_OFF_MS } from '../../processors/bridge/clock-window.ts'

/** Another clock to compare with. */
export interface ReferenceClock {
  /** Its name in messages, as `Kafka` in "behind that of Kafka". */
  readonly name: string
  /** Milliseconds since 1970. */
  readonly read: () => Promise<number>
}

export interface ClockGuardOptions {
  readonly references: readonly ReferenceClock[]
  readonly log: Log
  readonly signal: AbortSignal
  /** Health: null if the clock is right. */
  readonly problem: (what: string | null) => void
  /** This machine's clock, in milliseconds since 1970. */
  readonly now?: () => number
  /** Milliseconds of a clock that is never set. */
  readonly monotonic?: () => number
}

/** Holds back messages while their time of receipt would be wrong. */
export interface ClockGuard {
  /**
   * The handler, called only while the clock is right. Messages that come at other times wait, in
   * order. They count as received when the clock is right again.
   */
  guard(handler: PublishHandler): PublishHandler
  /** Whether messages pass now. */
  isOpen(): boolean
  /** Milliseconds by which this machine's clock is ahead of a reference; NaN while nobody knows. */
  aheadOf(name: string): number
}

const READ_INTERVAL_MS = 10_000
/** The same while nothing is forwarded. */
const READ_AGAIN_MS = 1_000
/** An answer of a reference counts for this long. */
const STALE_MS = 60_000
/** One that does not answer must not hold back the answers of the others. */
const READ_TIMEOUT_MS = 5_000

/**
 * Compares this machine's clock with others. The time of receipt goes into Kafka's records:
 * retention deletes by it, samples are judged by it, and readings without a time get it. So nothing
 * is forwarded while the clock is off by more than a minute, or while no reference has told the
 * time yet. Between the comparisons a monotonic clock shows whether somebody has set the wall
 * clock.
 */
export function createClockGuard(options: ClockGuardOptions): ClockGuard {
  const { references, log, signal, problem, now = Date.now, monotonic = () => performance.now() } = options
  const readings = new Map<string, ClockReading>()
  /** Defined while messages wait. */
  let closed: { readonly opened: Promise<void>; readonly open: () => void } | undefined
  let wake: () => void = () => undefined
  /** References that do not answer; the log has said so. */
  const silent = new Set<string>()
  let toldWrong = false

  const aheadOf = (name: string): number => {
    const reading = readings.get(name)
    return reading === undefined ? Number.NaN : aheadMs(reading, now(), monotonic())
  }

  function isRight(): boolean {
    if (readings.size === 0) return false
    const nowMs = now()
    const monotonicMs = monotonic()
    for (const reading of readings.values()) if (Math.abs(aheadMs(reading, nowMs, monotonicMs)) > MOST_OFF_MS) return false
    return true
  }

  function close(): Promise<void> {
    if (closed === undefined) {
      let open: () => void = () => undefined
      const opened = new Promise<void>((resolve, reject) => {
        open = resolve
        signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
      })
      // Those who wait get the error. If nobody waits, it must not end the process.
      opened.catch(() => undefined)
      closed = { opened, open }
      wake()
    }
    return closed.opened
  }

  async function read({ name, read: ask }: ReferenceClock): Promise<void> {
    const askedAtMs = monotonic()
    try {
      const theirsMs = await withinTime(ask())
      readings.set(name, { theirsMs, askedAtMs, answeredAtMs: monotonic() })
      if (silent.delete(name)) log.info('the clock is compared again', { with: name })
    } catch (cause) {
      const known = readings.get(name)
      if (known !== undefined && monotonic() - known.answeredAtMs < STALE_MS) return
      readings.delete(name)
      if (!silent.has(name)) log.warn('the clock cannot be compared', { with: name, cause: String(cause) })
      silent.add(name)
    }
  }

  function report(): void {
    if (isRight()) {
      if (toldWrong) log.info('the clock is right again: messages are forwarded')
      toldWrong = false
      problem(null)
      const open = closed?.open
      closed = undefined
      open?.()
      return
    }
    void close()
    const what = describe(references.map(({ name }) => ({ name, ahead: aheadOf(name) })))
    problem(what)
    if (!toldWrong && readings.size > 0) {
      toldWrong = true
      log.error('the clock is wrong', { why: what })
    }
  }

  async function watch(): Promise<void> {
    while (!signal.aborted) {
      await Promise.all(references.map(read))
      if (signal.aborted) return
      report()
      const woken = new AbortController()
      wake = () => woken.abort()
      // `wake` ends this pause as soon as the clock is seen to be wrong.
      await delay(closed === undefined ? READ_INTERVAL_MS : READ_AGAIN_MS, undefined, {
        signal: AbortSignal.any([signal, woken.signal]),
        ref: false,
      }).catch(() => undefined)
    }
  }

  void close()
  void watch()

  return {
    aheadOf,
    isOpen: () => closed === undefined && isRight(),
    guard: (handler) => (publishes) => {
      if (closed === undefined && isRight()) return handler(publishes)
      return close().then(() => handler(publishes.map((publish) => ({ ...publish, receivedMs: now() }))))
    },
  }
}

async function withinTime(answer: Promise<number>): Promise<number> {
  const timeout = new AbortController()
  try {
    return await Promise.race([
      answer,
      delay(READ_TIMEOUT_MS, undefined, { signal: timeout.signal, ref: false }).then(() => {
        throw new Error(`no answer within ${READ_TIMEOUT_MS} ms`)
      }),
    ])
  } finally {
    timeout.abort()
  }
}

/** Words for health. Pure. */
export function describe(references: readonly { readonly name: string; readonly ahead: number }[]): string {
  const off = references.filter(({ ahead }) => Math.abs(ahead) > MOST_OFF_MS)
  if (off.length === 0) return `nothing is forwarded: ${references.map(({ name }) => name).join(' and ')} did not say yet what time it is`
  const differences = off.map(
    ({ name, ahead }) => `${describeDuration(Math.abs(ahead))} ${ahead > 0 ? 'ahead of' : 'behind'} that of ${name}`,
  )
  return `nothing is forwarded: this machine's clock is ${differences.join(' and ')}. Set it, by NTP for one; it goes on by itself within a minute of them`
}
