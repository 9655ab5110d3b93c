// Generated from schemas/raw.avsc by `make generate`. Do not edit.
import type { AvroSchema } from '../avro-schema.ts'

/** A message as its sender published it. A dialect says what is in it. Kafka's key is the identity in the topic: device, gateway or edge node. */
export interface Raw {
  /** MQTT topic. */
  readonly topic: string
  /** The payload, untouched. */
  readonly payload: Buffer
  /** When the bridge received it. Rises with each message of a key, so that two without a time of their own get two times. Microseconds since 1970. */
  readonly received: number
  /** True if the broker had kept it, and sent it when the bridge subscribed. */
  readonly retained: boolean
}

/** schemas/raw.avsc */
export const rawSchema: AvroSchema<Raw> = {
  path: "schemas/raw.avsc",
  json: {"type":"record","name":"Raw","namespace":"millrace","doc":"A message as its sender published it. A dialect says what is in it. Kafka's key is the identity in the topic: device, gateway or edge node.","fields":[{"name":"topic","type":"string","doc":"MQTT topic."},{"name":"payload","type":"bytes","doc":"The payload, untouched."},{"name":"received","type":{"type":"long","logicalType":"timestamp-micros"},"doc":"When the bridge received it. Rises with each message of a key, so that two without a time of their own get two times."},{"name":"retained","type":"boolean","default":false,"doc":"True if the broker had kept it, and sent it when the bridge subscribed."}]},
}
