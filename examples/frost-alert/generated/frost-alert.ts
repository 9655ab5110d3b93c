// Generated from examples/frost-alert/frost-alert.avsc by `make generate`. Do not edit.
import type { AvroSchema } from '../../../schemas/avro-schema.ts'

/** A sample of a device was below zero. There is one for each such sample: device_id and ts name it. */
export interface FrostAlert {
  /** The device. */
  readonly device_id: string
  /** Time of the sample. Microseconds since 1970. */
  readonly ts: number
  /** True if the device had no time of day, and ts was derived from the moment of receipt. */
  readonly time_estimated: boolean
  /** In degrees Celsius, below zero. */
  readonly temperature: number
  /** Account that the device was assigned to at ts: who is alerted. */
  readonly account_id: number
  /** Site that the device was at. */
  readonly site_id: number | null
}

/** examples/frost-alert/frost-alert.avsc */
export const frostAlertSchema: AvroSchema<FrostAlert> = {
  path: "examples/frost-alert/frost-alert.avsc",
  json: {"type":"record","name":"FrostAlert","namespace":"millrace.examples","doc":"A sample of a device was below zero. There is one for each such sample: device_id and ts name it.","fields":[{"name":"device_id","type":"string","doc":"The device."},{"name":"ts","type":{"type":"long","logicalType":"timestamp-micros"},"doc":"Time of the sample."},{"name":"time_estimated","type":"boolean","doc":"True if the device had no time of day, and ts was derived from the moment of receipt."},{"name":"temperature","type":"double","doc":"In degrees Celsius, below zero."},{"name":"account_id","type":"long","doc":"Account that the device was assigned to at ts: who is alerted."},{"name":"site_id","type":["null","long"],"default":null,"doc":"Site that the device was at."}]},
}
