import type { MqttClient } from 'mqtt'

/**
 * Subscribes with QoS 1.
 * @throws Error if the broker does not grant it for every filter
 */
export async function subscribe(client: MqttClient, filters: readonly string[]): Promise<void> {
  // rh 1: retained messages only for a subscription that is new. rap false: a live message does
  // not carry its retain flag, so the flag means that a message is old and out of the broker's
  // store. Every connection subscribes: the filters may have changed.
  const granted = await client.subscribeAsync([...filters], { qos: 1, rh: 1, rap: false })
  const refused = granted.find((grant) => grant.qos !== 1)
  if (refused !== undefined) throw new Error(`the broker granted QoS ${refused.qos} in place of 1 for ${refused.topic}`)
}

/**
 * Subscribes to what a broker tells about itself. QoS 0, so that none of these messages wait in the
 * session while we are away. A broker need not have them.
 */
export async function observe(client: MqttClient, topics: readonly string[]): Promise<void> {
  if (topics.length > 0) await client.subscribeAsync([...topics], { qos: 0 })
}
