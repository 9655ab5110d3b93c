// Generated from schemas/device-status.avsc by `make generate`. Do not edit.
import type { AvroSchema } from '../avro-schema.ts'

export type DeviceState = 'init' | 'ready' | 'sleeping' | 'lost'

/** Birth or last will of a device's MQTT session, from devices/{device}/status. */
export interface DeviceStatus {
  /** Device ID, from the topic. */
  readonly device_id: string
  /** When the bridge received it. Microseconds since 1970. */
  readonly received: number
  /** State of the session, in Homie's terms; lost is the last will. */
  readonly state: DeviceState
  /** Boot counter: a will with an older boot than the last birth is stale. */
  readonly boot: number | null
  /** Model and version of the firmware, as in hive-1. */
  readonly firmware: string | null
  /** True for what the broker had kept and sent when the bridge subscribed: nobody knows how old it is. */
  readonly retained: boolean
  /** What else the device reported, as JSON text. */
  readonly detail: string | null
}

/** schemas/device-status.avsc */
export const deviceStatusSchema: AvroSchema<DeviceStatus> = {
  path: "schemas/device-status.avsc",
  json: {"type":"record","name":"DeviceStatus","namespace":"millrace","doc":"Birth or last will of a device's MQTT session, from devices/{device}/status.","fields":[{"name":"device_id","type":"string","doc":"Device ID, from the topic."},{"name":"received","type":{"type":"long","logicalType":"timestamp-micros"},"doc":"When the bridge received it."},{"name":"state","type":{"type":"enum","name":"DeviceState","symbols":["init","ready","sleeping","lost"]},"doc":"State of the session, in Homie's terms; lost is the last will."},{"name":"boot","type":["null","int"],"default":null,"doc":"Boot counter: a will with an older boot than the last birth is stale."},{"name":"firmware","type":["null","string"],"default":null,"doc":"Model and version of the firmware, as in hive-1."},{"name":"retained","type":"boolean","default":false,"doc":"True for what the broker had kept and sent when the bridge subscribed: nobody knows how old it is."},{"name":"detail","type":["null","string"],"default":null,"doc":"What else the device reported, as JSON text."}]},
}
