import { setTimeout as delay } from 'node:timers/promises'
import mqtt from 'mqtt'

/** Publishes at QoS 1 through whatever happens to its connection. */
export interface Sender extends AsyncDisposable {
  publish(topic: string, payload: Buffer): void
  /** Resolves once all is acknowledged. */
  drain(): Promise<void>
}

const DRAIN_MS = 120_000

/** @param url of the broker */
export async function openSender(url: string, clientId: string): Promise<Sender> {
  const client = await mqtt.connectAsync(url, { protocolVersion: 5, clientId, keepalive: 10, reconnectPeriod: 500 })
  client.on('error', () => undefined)
  const underWay = new Set<Promise<unknown>>()
  return {
    publish(topic, payload) {
      const sent = client.publishAsync(topic, payload, { qos: 1 }).finally(() => underWay.delete(sent))
      // A publish that never succeeds shows in the comparison.
      sent.catch(() => undefined)
      underWay.add(sent)
    },
    async drain() {
      const late = delay(DRAIN_MS, 'late', { ref: false })
      while (underWay.size > 0) {
        if ((await Promise.race([Promise.allSettled(underWay), late])) === 'late')
          throw new Error(`${underWay.size} messages of ${clientId} were not acknowledged within ${DRAIN_MS / 1000} s`)
      }
    },
    async [Symbol.asyncDispose]() {
      await client.endAsync(true)
    },
  }
}
