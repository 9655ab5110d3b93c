import type { IClientOptions } from 'mqtt'
import type { Backoff } from '../backoff.ts'

export interface SubscriberLimits {
  /** QoS 1 messages that the broker may send ahead of their PUBACKs: 1–65,535. */
  readonly receiveMaximum: number
  /** Bytes received and not yet acknowledged at which reading stops. */
  readonly outstandingBytes: number
  /**
   * The broker is told this limit, and silently drops what is larger: so keep the broker's own
   * limit below it.
   */
  readonly largestPacketBytes: number
  /** How long the broker keeps session and messages while we are away. */
  readonly sessionExpirySeconds: number
  readonly keepaliveSeconds: number
  readonly connectTimeoutMs: number
  /** Rest between reads, so that one system call brings many messages. It adds to their latency. */
  readonly readIntervalMs: number
  readonly reconnect: Backoff
  /** At disposal: how long to wait for outstanding messages. */
  readonly drainMs: number
}

export const DEFAULT_LIMITS: SubscriberLimits = {
  receiveMaximum: 10_000,
  outstandingBytes: 32 * 1024 * 1024,
  largestPacketBytes: 4 * 1024 * 1024,
  sessionExpirySeconds: 7 * 24 * 3600,
  keepaliveSeconds: 15,
  connectTimeoutMs: 10_000,
  readIntervalMs: 5,
  reconnect: { baseMs: 500, maxMs: 15_000 },
  drainMs: 5_000,
}

/**
 * MQTT.js's options for a persistent session, which it neither reconnects nor subscribes by itself.
 * @param clientId names the session at the broker
 */
export function sessionOptions(
  clientId: string,
  { username, password }: { readonly username: string | undefined; readonly password: string | undefined },
  limits: SubscriberLimits,
): IClientOptions {
  return {
    protocolVersion: 5,
    clientId,
    clean: false,
    keepalive: limits.keepaliveSeconds,
    connectTimeout: limits.connectTimeoutMs,
    manualConnect: true,
    // MQTT.js waits a fixed time and remembers subscriptions; both are done here instead.
    reconnectPeriod: 0,
    resubscribe: false,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    properties: {
      receiveMaximum: limits.receiveMaximum,
      sessionExpiryInterval: limits.sessionExpirySeconds,
      maximumPacketSize: limits.largestPacketBytes,
    },
  }
}
