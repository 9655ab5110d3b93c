import type { Publish, PublishHandler } from '../../connectors/contract.ts'
import type { BridgeCounters } from '../../processors/bridge/counters.ts'
import type { Received } from '../../processors/bridge/forward.ts'
import { HeldMessages } from '../../processors/bridge/held-messages.ts'
import { identityOf, type Router } from '../../processors/bridge/routes.ts'
import { createTokenBuckets, type RateLimit } from '../../processors/bridge/token-buckets.ts'

export interface RateLimitOptions extends RateLimit {
  /**
   * Longest wait of a message for its token. One that would wait longer becomes a dead letter. 0
   * never delays.
   */
  readonly longestDelayMs: number
}

export interface RateLimiterOptions {
  readonly limit: RateLimitOptions
  readonly route: Router
  /** Forwards messages in the order given, over calls too. Resolves once Kafka has them. */
  readonly forward: (messages: readonly Received[]) => Promise<void>
  readonly counters: BridgeCounters
  /** Milliseconds of a clock that does not go back. */
  readonly now: () => number
}

interface Held {
  readonly message: Received
  readonly forwarded: (outcome: Promise<void>) => void
}

/**
 * Puts a token bucket for each device before the bridge. A delayed message is forwarded when its
 * token is there, after what its device sent before. Messages of other devices go on meanwhile. Its
 * PUBACK waits with it. So do, by MQTT's order, the PUBACKs of all messages after it: for at most
 * the longest delay, in which at most a receive maximum of messages can follow.
 */
export function createRateLimiter({ limit, route, forward, counters, now }: RateLimiterOptions): PublishHandler {
  const buckets = createTokenBuckets(limit)
  const held = new HeldMessages<Held>()
  let timer: NodeJS.Timeout | undefined

  function schedule(): void {
    clearTimeout(timer)
    const dueMs = held.nextDueMs
    timer = dueMs === undefined ? undefined : setTimeout(() => release(now()), Math.max(0, Math.ceil(dueMs - now())))
  }

  function release(nowMs: number): void {
    const due = held.takeDue(nowMs)
    if (due.length > 0) {
      const outcome = forward(due.map(({ message }) => message))
      for (const { forwarded } of due) forwarded(outcome)
    }
    schedule()
  }

  function hold(message: Received, dueMs: number): Promise<void> {
    counters.delayed++
    return new Promise<void>((resolve) => {
      held.add({ message, forwarded: resolve }, dueMs)
    })
  }

  return async (publishes) => {
    const nowMs = now()
    // The timer may be late. What is due goes before what comes now.
    if (held.size > 0) release(nowMs)
    for (let index = 0; index < publishes.length; index++) {
      const waitMs = waitOf(publishes[index] as Publish, nowMs)
      if (waitMs !== 0) return forwardSome(publishes, index, waitMs, nowMs)
    }
    // Nearly always no device is over its rate.
    return forward(publishes)
  }

  /**
   * @param first index of the first message that has no token now
   * @param firstWaitMs how long it has to wait; its token has been taken
   */
  async function forwardSome(publishes: readonly Publish[], first: number, firstWaitMs: number, nowMs: number): Promise<void> {
    const admitted: Received[] = publishes.slice(0, first)
    const outcomes: Promise<void>[] = []
    for (let index = first; index < publishes.length; index++) {
      const publish = publishes[index] as Publish
      const waitMs = index === first ? firstWaitMs : waitOf(publish, nowMs)
      if (waitMs === 0) admitted.push(publish)
      else if (Number.isFinite(waitMs)) outcomes.push(hold(publish, nowMs + waitMs))
      else admitted.push({ ...publish, overRate: true })
    }
    if (outcomes.length > 0) schedule()
    if (admitted.length > 0) outcomes.push(forward(admitted))
    await Promise.all(outcomes)
  }

  function waitOf({ topic, payload, retain }: Publish, nowMs: number): number {
    const to = route(topic)
    // The broker sends retained messages all at once when the bridge subscribes, which is not the
    // device's fault.
    const identity = retain ? undefined : identityOf(to)
    return identity !== undefined ? buckets.take(identity, payload.length, nowMs, limit.longestDelayMs) : 0
  }
}
