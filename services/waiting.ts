import type { Log } from '../connectors/contract.ts'
import type { GroupConsumer } from '../connectors/kafka/consumer.ts'
import { shownAddress } from '../processors/address.ts'
import type { Config } from './config.ts'
import type { Health } from './service.ts'
import { throughOutages } from './through-outages.ts'

/** What a service may wait for: the variable that has its address. */
export type Asked = 'KAFKA_BROKERS' | 'REGISTRY_URL' | 'APP_DATABASE_URL' | 'TELEMETRY_DATABASE_URL'

/**
 * Shows in health what a service waits for. An outage stops a service, but does not end it. After
 * two seconds without an answer health says who was asked.
 */
export interface Waiting {
  /** Repeats work until it succeeds, or fails for good. */
  until<Result>(doing: string, asked: readonly Asked[], work: () => Promise<Result>): Promise<Result>
  /** Awaits work that waits through outages by itself. */
  during<Result>(doing: string, asked: readonly Asked[], work: Promise<Result>): Promise<Result>
  /** Watches that Kafka answers a consumer. */
  watch(consumer: GroupConsumer, sessionTimeoutMs: number): Disposable
}

export interface WaitingOptions {
  readonly config: Pick<Config, 'env'>
  readonly log: Log
  readonly signal: AbortSignal
  readonly health: Health
}

const SLOW_MS = 2_000
const LOOK_MS = 1_000

export function createWaiting({ config: { env }, log, signal, health }: WaitingOptions): Waiting {
  /** How many waits take long, by what is being done. */
  const slow = new Map<string, number>()

  function count(doing: string, asked: readonly Asked[], by: 1 | -1): void {
    const now = (slow.get(doing) ?? 0) + by
    slow.set(doing, now)
    // A network that swallows what is sent looks like a server that stands still, so health names
    // the address.
    health.set(doing, now === 0 ? null : `no answer yet from ${asked.map((name) => shownAddress(env[name])).join(' or ')}`)
  }

  async function watched<Result>(doing: string, asked: readonly Asked[], work: Promise<Result>): Promise<Result> {
    let counted = false
    const timer = setTimeout(() => {
      counted = true
      count(doing, asked, 1)
    }, SLOW_MS)
    try {
      return await work
    } finally {
      clearTimeout(timer)
      if (counted) count(doing, asked, -1)
    }
  }

  return {
    until: (doing, asked, work) =>
      throughOutages(doing, () => watched(doing, asked, work()), { log, signal, waiting: (what) => health.set(doing, what) }),
    during: watched,
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
