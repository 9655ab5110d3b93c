import type { KafkaClient } from '../../connectors/kafka/client.ts'
import type { Alert } from '../../processors/alerts/generated/alert.ts'
import { alertSchema } from '../../processors/alerts/generated/alert.ts'
import { outputs } from '../../processors/alerts/writing.ts'
import { avroType } from '../../schemas/avro-type.ts'
import { WIRE_BYTES } from '../../schemas/wire-format.ts'
import { readTopic } from './topic-reader.ts'

/** What came to topic `alerts`. */
export interface ToldAlerts {
  /** By event ID, in the order in which each device's came for the first time. */
  readonly events: ReadonlyMap<string, Alert>
  /** Events that came again: they are sent at least once. */
  readonly repeats: number
  /** Events that came again with something else in them, and those that came in a wrong order. */
  readonly wrong: readonly string[]
}

export async function readAlerts(kafka: KafkaClient): Promise<ToldAlerts> {
  const type = avroType(alertSchema.json)
  const events = new Map<string, Alert>()
  const last = new Map<string, Alert>()
  const wrong: string[] = []
  let repeats = 0
  await readTopic(kafka, outputs.alerts.topic, ({ key, value }) => {
    if (value === null) return
    const alert: Alert = { ...(type.fromBuffer(value.subarray(WIRE_BYTES)) as Alert) }
    const { event_id: id, device_id: device } = alert
    if (key?.toString('latin1') !== device) wrong.push(`${device}: event ${id} has the key ${key?.toString('latin1')}`)
    const before = events.get(id)
    if (before !== undefined) {
      repeats++
      if (JSON.stringify(before) !== JSON.stringify(alert)) wrong.push(`${device}: event ${id} came again with something else in it`)
      return
    }
    events.set(id, alert)
    const series = `${device} ${alert.channel} ${alert.rule_id}`
    if (!follows(last.get(series), alert)) wrong.push(`${device}: event ${id} of rule ${alert.rule} came in a wrong order`)
    last.set(series, alert)
  })
  return { events, repeats, wrong }
}

/** A rule opens an alert of a device, closes it, opens the next. */
function follows(before: Alert | undefined, alert: Alert): boolean {
  if (before === undefined || before.event === 'closed') return alert.event === 'opened' && (before?.opened ?? 0) <= alert.opened
  return alert.event === 'closed' && alert.alert_id === before.alert_id
}
