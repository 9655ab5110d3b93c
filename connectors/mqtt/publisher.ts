import { MqttClient } from 'mqtt'
import { type BrokerAccess, parseBroker } from './dial.ts'

/** Publishes with QoS 1, and goes on where it was when the broker comes back. */
export interface MqttPublisher extends AsyncDisposable {
  readonly connected: boolean
  /** Acknowledgements that said that nobody subscribes: these messages are published again. */
  readonly refused: number
  /**
   * Resolves when a broker has acknowledged it and somebody subscribes to its topic. Waits through
   * outages.
   * @throws what made the broker refuse it, such as its ACL
   */
  publish(topic: string, payload: Buffer): Promise<void>
}

/** MQTT 5's reason code of a PUBACK for a message that nobody will get. */
const NO_MATCHING_SUBSCRIBERS = 0x10
const AGAIN_MS = 500
const RECONNECT_MS = 500

/**
 * Starts to connect, and keeps trying.
 * @throws TypeError if the URL is not valid
 */
export function openPublisher({ url, tls, ...given }: BrokerAccess, clientId: string): MqttPublisher {
  const broker = parseBroker(url, tls)
  const { username = broker.username, password = broker.password } = given
  const client = new MqttClient(() => broker.dial(), {
    protocolVersion: 5,
    clientId,
    keepalive: 30,
    reconnectPeriod: RECONNECT_MS,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
  })
  // It tries again, and `connected` says so.
  client.on('error', () => undefined)
  const unheard = new Set<number>()
  let refused = 0
  client.on('packetreceive', (packet) => {
    if (packet.cmd === 'puback' && packet.reasonCode === NO_MATCHING_SUBSCRIBERS && packet.messageId !== undefined)
      unheard.add(packet.messageId)
  })
  const closing = new AbortController()

  /** @returns whether somebody gets it */
  function once(topic: string, payload: Buffer): Promise<boolean> {
    return new Promise((resolve, reject) => {
      // What it was given comes back with the identifier that it was sent with.
      client.publish(topic, payload, { qos: 1 }, (cause, sent) => {
        if (cause) reject(cause instanceof Error ? cause : new Error(`publishing to ${topic}`, { cause }))
        else resolve(!unheard.delete(sent?.messageId ?? -1))
      })
    })
  }

  return {
    get connected() {
      return client.connected
    },
    get refused() {
      return refused
    },
    async publish(topic, payload) {
      while (!(await once(topic, payload))) {
        refused++
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS))
        closing.signal.throwIfAborted()
      }
    },
    async [Symbol.asyncDispose]() {
      closing.abort()
      await client.endAsync(true)
    },
  }
}
