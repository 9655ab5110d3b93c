import type { Subscription } from './subscriptions.ts'

/**
 * What a bridge remembers of its session at the broker, for the next bridge with the same client
 * ID.
 */
export interface RememberedSession {
  /** The broker's address, without credentials. */
  readonly broker: string
  /** When the session was last known to be there, in milliseconds since 1970. */
  readonly seenMs: number
  /** How long the broker was to keep it from then on. */
  readonly expirySeconds: number
  /** How many messages the broker said it had dropped by then; null if it did not say. */
  readonly dropped: number | null
  /**
   * What it may be subscribed to, the oldest first. Absent if a bridge wrote it that did not
   * remember it.
   */
  readonly subscriptions?: readonly Subscription[]
}

/**
 * Whether a session is missing that should be there: it was seen at this broker, and it has not
 * expired. Either it was lost with the broker's data, or another client with the bridge's client ID
 * discarded it. What the broker had queued in it is gone either way.
 */
export function isLost(
  remembered: RememberedSession | undefined,
  now: { readonly broker: string; readonly present: boolean; readonly nowMs: number },
): boolean {
  if (remembered === undefined || now.present || remembered.broker !== now.broker) return false
  return now.nowMs - remembered.seenMs < remembered.expirySeconds * 1_000
}

/**
 * Messages that the broker has dropped since it was last asked. If the broker starts anew, its
 * count begins at 0 again.
 */
export function droppedSince(before: number | null | undefined, now: number): number {
  if (before === undefined || before === null) return 0
  return now < before ? now : now - before
}

/** How long the broker has been running, as it said itself. */
export interface BrokerUptime {
  readonly seconds: number
  /**
   * Milliseconds since 1970. If the message was retained, the broker may have said it a while
   * before.
   */
  readonly heardMs: number
}

/** As Mosquitto says it: `3000 seconds`. */
export function readUptime(text: string): number | undefined {
  const seconds = /^(\d{1,15})(?: seconds)?$/.exec(text)?.[1]
  return seconds === undefined ? undefined : Number(seconds)
}

/** Uptimes are whole seconds. */
const ROUNDED_MS = 1_000

/**
 * Whether the broker was restarted between the two. Undefined if it cannot be told: it was young at
 * the first, or silent for long.
 */
export function wasRestarted(before: BrokerUptime, after: BrokerUptime): boolean | undefined {
  if (after.seconds < before.seconds) return true
  // A broker that was started after the first cannot have been up for longer than the time since.
  if (after.seconds * 1_000 > after.heardMs - before.heardMs + ROUNDED_MS) return false
  return undefined
}

export function encodeSession(session: RememberedSession): Buffer {
  return Buffer.from(JSON.stringify(session))
}

/** Undefined if it is not what `encodeSession` wrote. */
export function decodeSession(bytes: Buffer): RememberedSession | undefined {
  let parsed: unknown
  try {
    parsed = JSON.parse(bytes.toString('utf8'))
  } catch (cause) {
    if (cause instanceof SyntaxError) return undefined
    throw cause
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined
  const { broker, seenMs, expirySeconds, dropped, subscriptions } = parsed as Partial<Record<keyof RememberedSession, unknown>>
  if (typeof broker !== 'string' || typeof seenMs !== 'number' || typeof expirySeconds !== 'number') return undefined
  const known = Array.isArray(subscriptions) && subscriptions.every(isSubscription) ? { subscriptions } : {}
  return { broker, seenMs, expirySeconds, dropped: typeof dropped === 'number' ? dropped : null, ...known }
}

function isSubscription(value: unknown): value is Subscription {
  if (typeof value !== 'object' || value === null) return false
  const { filter, identifier } = value as Partial<Record<keyof Subscription, unknown>>
  return typeof filter === 'string' && typeof identifier === 'number'
}
