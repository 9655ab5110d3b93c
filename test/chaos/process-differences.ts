import type { Alert } from '../../processors/alerts/generated/alert.ts'
import type { ToldAlerts } from './alerts-topic.ts'
import type { HiveRecords } from './recomputation.ts'

/**
 * Rows of each table as text, each with the device that it is about. Sites are called by their
 * places.
 */
export type Tables = ReadonlyMap<string, readonly string[]>

/** What is not as a recomputation has it. */
export function differences(expected: Tables, there: Tables): readonly string[] {
  return [...expected].flatMap(([table, rows]) => {
    const found = there.get(table) ?? []
    return [
      ...surplus(rows, found).map((row) => `${table} lacks ${row}`),
      ...surplus(found, rows).map((row) => `${table} has, and a recomputation has not: ${row}`),
      // A place that has two sites has them in both only if the logic itself is wrong.
      ...(table === 'sites' ? surplus(found, [...new Set(found)]).map((row) => `${table} has two for one place: ${row}`) : []),
    ]
  })
}

/** What is more often in the first list than in the second. */
function surplus(list: readonly string[], other: readonly string[]): readonly string[] {
  const left = new Map<string, number>()
  for (const each of other) left.set(each, (left.get(each) ?? 0) + 1)
  return list.filter((each) => {
    const count = left.get(each) ?? 0
    left.set(each, count - 1)
    return count <= 0
  })
}

/** What topic `alerts` should have and has not, and the other way round. */
export function untold(events: readonly Alert[], { events: told }: ToldAlerts): readonly string[] {
  const known = new Map(events.map((event) => [event.event_id, event]))
  return [
    ...events.flatMap((event) => {
      const found = told.get(event.event_id)
      if (found === undefined) return [`${event.device_id}: topic alerts lacks event ${event.event_id}`]
      const [is, was] = [textOf(found), textOf(event)]
      return is === was ? [] : [`${event.device_id}: topic alerts says ${is}, and the table ${was}`]
    }),
    ...[...told.values()]
      .filter(({ event_id: id }) => !known.has(id))
      .map(({ event_id: id, device_id: device }) => `${device}: topic alerts has event ${id}, and the table has no such alert`),
  ]
}

/** The same text for the same fields in any order. */
function textOf(alert: Alert): string {
  return JSON.stringify(Object.fromEntries(Object.entries(alert).sort(([a], [b]) => (a < b ? -1 : 1))))
}

/** A device is said to have been silent. Times: microseconds since 1970. */
export interface Silence {
  readonly device: string
  readonly began: number
  readonly until: number
}

/** What alerts of silence say. */
export function silencesOf(events: readonly Alert[]): readonly Silence[] {
  return events
    .filter(({ kind, event }) => kind === 'silence' && event === 'opened')
    .map(({ device_id: device, began, opened }) => ({ device, began, until: opened }))
}

/** Those of devices that the bridge heard meanwhile. */
export function untrueSilences(silences: readonly Silence[], records: HiveRecords): readonly string[] {
  const heard = new Map<string, number[]>()
  for (const { key, timestampMs } of [...records.values()].flat()) {
    const device = key?.toString('latin1') ?? ''
    heard.set(device, [...(heard.get(device) ?? []), timestampMs * 1000])
  }
  return silences.flatMap(({ device, began, until }) => {
    const meanwhile = (heard.get(device) ?? []).find((at) => at > began && at <= until)
    return meanwhile === undefined
      ? []
      : [`${device}: said to be silent from ${at(began)} to ${at(until)}, and the bridge heard it at ${at(meanwhile)}`]
  })
}

function at(micros: number): string {
  return new Date(micros / 1000).toISOString()
}
