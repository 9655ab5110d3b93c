// Generated from processors/alerts/alert.avsc by `make generate`. Do not edit.
import type { AvroSchema } from '../../../schemas/avro-schema.ts'

export type AlertEvent = 'opened' | 'closed'

export type AlertKind = 'threshold' | 'rate' | 'silence' | 'night_drop'

export type AlertClosing = 'cleared' | 'night_over' | 'heard' | 'rule_off' | 'not_watched'

/** An alert was opened or closed. Each is in the topic once for each event, or more often with the same event_id: a consumer leaves repeats out by it. */
export interface Alert {
  /** Names the event, whatever is repeated: the alert's ID, a hyphen, and opened or closed. */
  readonly event_id: string
  /** UUID of the alert. */
  readonly alert_id: string
  /** What became of the alert. */
  readonly event: AlertEvent
  /** The rule. */
  readonly rule_id: number
  /** Name of the rule. */
  readonly rule: string
  /** Kind of the rule. */
  readonly kind: AlertKind
  /** What the rule is about; null for silence. */
  readonly quantity: string | null
  /** Account of the rule. */
  readonly account_id: number
  /** Site of the device when it was opened. */
  readonly site_id: number | null
  /** The device. */
  readonly device_id: string
  /** Channel of the device; null for the device itself. */
  readonly channel: string | null
  /** First sample of the breach; of silence, when the device was last heard. Microseconds since 1970. */
  readonly began: number
  /** Sample that opened it; of silence, when it had lasted long enough. Microseconds since 1970. */
  readonly opened: number
  /** What was measured when it was opened: a value, a rate an hour, or a drop. */
  readonly value: number | null
  /** When it was closed; null in the event opened. Microseconds since 1970. */
  readonly closed: number | null
  /** What was measured then. */
  readonly closed_value: number | null
  /** cleared: the measure is back at the clear level. night_over: the night is. heard: a silent device is heard again. rule_off: the rule was disabled or removed. not_watched: the device is no longer of the rule's account, or site. */
  readonly closed_because: AlertClosing | null
}

/** processors/alerts/alert.avsc */
export const alertSchema: AvroSchema<Alert> = {
  path: "processors/alerts/alert.avsc",
  json: {"type":"record","name":"Alert","namespace":"millrace","doc":"An alert was opened or closed. Each is in the topic once for each event, or more often with the same event_id: a consumer leaves repeats out by it.","fields":[{"name":"event_id","type":"string","doc":"Names the event, whatever is repeated: the alert's ID, a hyphen, and opened or closed."},{"name":"alert_id","type":"string","doc":"UUID of the alert."},{"name":"event","type":{"type":"enum","name":"AlertEvent","symbols":["opened","closed"]},"doc":"What became of the alert."},{"name":"rule_id","type":"long","doc":"The rule."},{"name":"rule","type":"string","doc":"Name of the rule."},{"name":"kind","type":{"type":"enum","name":"AlertKind","symbols":["threshold","rate","silence","night_drop"]},"doc":"Kind of the rule."},{"name":"quantity","type":["null","string"],"default":null,"doc":"What the rule is about; null for silence."},{"name":"account_id","type":"long","doc":"Account of the rule."},{"name":"site_id","type":["null","long"],"default":null,"doc":"Site of the device when it was opened."},{"name":"device_id","type":"string","doc":"The device."},{"name":"channel","type":["null","string"],"default":null,"doc":"Channel of the device; null for the device itself."},{"name":"began","type":{"type":"long","logicalType":"timestamp-micros"},"doc":"First sample of the breach; of silence, when the device was last heard."},{"name":"opened","type":{"type":"long","logicalType":"timestamp-micros"},"doc":"Sample that opened it; of silence, when it had lasted long enough."},{"name":"value","type":["null","double"],"default":null,"doc":"What was measured when it was opened: a value, a rate an hour, or a drop."},{"name":"closed","type":["null",{"type":"long","logicalType":"timestamp-micros"}],"default":null,"doc":"When it was closed; null in the event opened."},{"name":"closed_value","type":["null","double"],"default":null,"doc":"What was measured then."},{"name":"closed_because","type":["null",{"type":"enum","name":"AlertClosing","symbols":["cleared","night_over","heard","rule_off","not_watched"]}],"default":null,"doc":"cleared: the measure is back at the clear level. night_over: the night is. heard: a silent device is heard again. rule_off: the rule was disabled or removed. not_watched: the device is no longer of the rule's account, or site."}]},
}
