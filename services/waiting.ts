import type { Log } from '../connectors/contract.ts'
import type { GroupConsumer } from '../connectors/kafka/consumer.ts'
import type { Health } from './service.ts'
import { throughOutages } from './through-outages.ts'

/** What a service waits for, in its health: an outage stops it, and does not end it. */
export interface Waiting {
  /** Does work again until it succeeds, or fails for good. */
  until<Result>(doing: string, work: () => Promise<Result>): Promise<Result>
  /** Awaits work that waits through outages by itself: after two seconds, health says so. */
  during<Result>(doing: string, work: Promise<Result>): Promise<Result>
  /** Watches that Kafka answers a consumer. */
  watch(consumer: GroupConsumer, sessionTimeoutMs: number): Disposable
}

const SLOW_MS = 2_000
const LOOK_MS = 1_000

export function createWaiting({
  log,
  signal,
  health,
}: {
  readonly log: Log
  readonly signal: AbortSignal
  readonly health: Health
}): Waiting {
  /** Waits that take long, by what is being done: several may be under way at once. */
  const slow = new Map<string, number>()

  function count(doing: string, by: 1 | -1): void {
    const now = (slow.get(doing) ?? 0) + by
    slow.set(doing, now)
    health.set(doing, now === 0 ? null : 'this takes long: is what it asks down?')
  }

  return {
    until: (doing, work) => throughOutages(doing, work, { log, signal, waiting: (what) => health.set(doing, what) }),
    async during(doing, work) {
      let counted = false
      const timer = setTimeout(() => {
        counted = true
        count(doing, 1)
      }, SLOW_MS)
      try {
        return await work
      } finally {
        clearTimeout(timer)
        if (counted) count(doing, -1)
      }
    },
    watch(consumer, sessionTimeoutMs) {
      const timer = setInterval(() => {
        const silentMs = consumer.silentMs()
        health.set('reading from Kafka', silentMs < sessionTimeoutMs ? null : `Kafka has not answered for ${Math.round(silentMs / 1000)} s`)
      }, LOOK_MS)
      timer.unref()
      return { [Symbol.dispose]: () => clearInterval(timer) }
    },
  }
}
