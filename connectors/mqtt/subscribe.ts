import { ErrorWithSubackPacket, type MqttClient } from 'mqtt'

/**
 * Subscribes to one filter with QoS 1.
 * @param identifier comes with every message for it; none if undefined
 * @returns what the broker did if it does not grant it; undefined if it does
 * @throws Error if there is no answer
 */
export async function subscribe(client: MqttClient, filter: string, identifier?: number): Promise<string | undefined> {
  const properties = identifier === undefined ? {} : { properties: { subscriptionIdentifier: identifier } }
  try {
    // rh 1: retained messages only for a subscription that is new. rap false: a live message does
    // not carry its retain flag, so the flag means that a message is old and out of the broker's
    // store. Every connection subscribes: the filters may have changed.
    const [granted] = await client.subscribeAsync(filter, { qos: 1, rh: 1, rap: false, ...properties })
    return granted?.qos === 1 ? undefined : `granted QoS ${granted?.qos} in place of 1`
  } catch (cause) {
    if (!(cause instanceof ErrorWithSubackPacket)) throw cause
    return `refused (${cause.message})`
  }
}

/**
 * Subscribes to what a broker tells about itself. QoS 0, so that none of these messages wait in the
 * session while we are away. A broker need not have them.
 */
export async function observe(client: MqttClient, topics: readonly string[]): Promise<void> {
  if (topics.length > 0) await client.subscribeAsync([...topics], { qos: 0 })
}
