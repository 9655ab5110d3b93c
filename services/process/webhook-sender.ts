import { type Backoff, backoffMs } from '../../connectors/backoff.ts'
import type { Clock } from '../../connectors/clock.ts'
import type { Log } from '../../connectors/contract.ts'
import type { Database } from '../../connectors/postgres/database.ts'
import { endMessages, recentlyFailed } from '../../connectors/postgres/webhook-ends.ts'
import { type DueWebhook, delivered, giveBack, nextDelivery, notDelivered, takeDueWebhooks } from '../../connectors/postgres/webhooks.ts'
import { postWebhook } from '../../connectors/webhook/post.ts'
import type { Config } from '../config.ts'
import { repeated } from './repeated.ts'

export interface WebhookCounters {
  delivered: number
  retried: number
  failed: number
  expired: number
  removed: number
}

export interface WebhookSenderOptions {
  readonly database: Pick<Database, 'use'>
  readonly settings: Config['webhooks']
  readonly counters: WebhookCounters
  readonly clock: Clock
  readonly log: Log
  readonly problem: (what: string | null) => void
  /** Health: messages that failed for good within the hour; null if there are none. */
  readonly undelivered: (what: string | null) => void
}

const EVERY_MS = 500
/** How often old messages are deleted, and failed ones looked for. */
const TIDY_MS = 10_000
/** Webhooks that are sent to at once. Each gets one message at a time, in order. */
const MOST_AT_ONCE = 16
/** A webhook is given back before its minute is over. */
const TURN_MS = 30_000
const PAUSES: Backoff = { leastMs: 500, baseMs: 1_000, maxMs: 900_000 }

/**
 * Sends what waits for webhooks. One that is slow or away delays its own messages only: the others
 * have turns of their own, and the process does not wait for any.
 */
export function startWebhookSender(options: WebhookSenderOptions): AsyncDisposable {
  const { database, settings, counters, undelivered, ...others } = options
  const { clock, log } = options
  const underWay = new Set<Promise<void>>()

  async function turn(webhook: DueWebhook, signal: AbortSignal): Promise<void> {
    const { id, url, secret } = webhook
    const endMs = clock.monotonicMs() + TURN_MS
    while (!signal.aborted && clock.monotonicMs() < endMs) {
      const delivery = await database.use((session) => nextDelivery(session, id))
      if (delivery === undefined) break
      const error = await postWebhook(
        { url, secret, eventId: delivery.event_id, body: delivery.body },
        { privateAddresses: settings.private_addresses === 'allow', timeoutMs: settings.timeout_ms, nowMs: clock.nowMs(), signal },
      )
      if (signal.aborted) break
      if (error === undefined) {
        await database.use((session) => delivered(session, id, delivery.id))
        counters.delivered++
        continue
      }
      const failed = await database.use((session) =>
        notDelivered(session, id, delivery.id, {
          error,
          retryHours: settings.retry_hours,
          pauseMs: (failures) => backoffMs(failures - 1, PAUSES, () => clock.random()),
        }),
      )
      counters.retried++
      counters.failed += failed
      if (failed > 0) log.error('messages of a webhook failed for good', { webhook: String(id), failed, cause: error })
      break
    }
    await database.use((session) => giveBack(session, id))
  }

  let tidiedMs = Number.NEGATIVE_INFINITY
  async function tidy(): Promise<void> {
    if (clock.monotonicMs() - tidiedMs < TIDY_MS) return
    const { expired, removed } = await database.use(endMessages)
    counters.expired += expired
    counters.removed += removed
    if (expired > 0) log.warn('messages of webhooks that failed for good were deleted: they were kept long enough', { expired })
    if (removed > 0) log.warn('messages of removed webhooks were deleted', { removed })
    const { messages, webhooks } = await database.use(recentlyFailed)
    undelivered(
      messages === 0
        ? null
        : `${messages} messages to ${webhooks} webhooks failed for good within the hour: millrace alerts webhooks list says why, and webhooks retry sends them again`,
    )
    tidiedMs = clock.monotonicMs()
  }

  const loop = repeated({
    ...others,
    doing: 'sending to webhooks',
    everyMs: EVERY_MS,
    async work(signal) {
      await tidy()
      const free = MOST_AT_ONCE - underWay.size
      if (free <= 0) return false
      for (const webhook of await database.use((session) => takeDueWebhooks(session, free))) {
        const mine: Promise<void> = turn(webhook, signal)
          // Its minute passes, and then it is taken again.
          .catch((cause: unknown) => log.warn('a webhook was given up for now', { webhook: String(webhook.id), cause: String(cause) }))
          .finally(() => underWay.delete(mine))
        underWay.add(mine)
      }
      return false
    },
  })
  return {
    async [Symbol.asyncDispose]() {
      await loop[Symbol.asyncDispose]()
      await Promise.all(underWay)
    },
  }
}
