import { avroOutput } from '../avro.ts'
import type { DeviceId, Topic } from '../contract.ts'
import type { OutputTransaction } from '../process.ts'
import { type Alert, type AlertClosing, type AlertKind, alertSchema } from './generated/alert.ts'

/** Where alerts go, beside the database. */
export const outputs = { alerts: avroOutput('alerts' as Topic, alertSchema) } as const
export type AlertTransaction = OutputTransaction<typeof outputs>

/** An alert as the database has it, with its rule. */
export interface AlertRow extends Record<string, unknown> {
  readonly id: string
  readonly rule_id: bigint
  readonly rule: string
  readonly kind: AlertKind
  readonly quantity: string | null
  readonly account_id: bigint
  readonly site_id: bigint | null
  readonly device_id: string
  readonly channel: string
  /** Microseconds since 1970. */
  readonly began: bigint
  readonly opened: bigint
  readonly value: number | null
  readonly closed: bigint | null
  readonly closed_value: number | null
  readonly closed_because: AlertClosing | null
}

const MICROS = (column: string): string => `(extract(epoch FROM ${column}) * 1000000)::bigint`

/** A parameter of microseconds as a time. */
export const AT = (parameter: string): string => `(to_timestamp(0) + ${parameter}::bigint * interval '1 microsecond')`

/** Columns of an AlertRow, of `alerts a` and `alert_rules r`. */
const COLUMNS = `a.id, a.rule_id, r.name AS rule, r.kind, r.quantity, a.account_id, a.site_id, a.device_id, a.channel, ${MICROS('a.began_at')} AS began,
  ${MICROS('a.opened_at')} AS opened, a.value, ${MICROS('a.closed_at')} AS closed, a.closed_value, a.closed_because`

export interface Opening {
  readonly ruleId: bigint
  readonly siteId: bigint | number | null
  readonly device: DeviceId
  readonly channel: string
  readonly began: number | bigint
  readonly at: number | bigint
  readonly value: number | null
}

/**
 * The ID follows from what the alert is about. If a promoted standby, or a restored backup, lacks
 * an alert, it is opened again from Kafka under the same ID, and so told with the same event IDs. A
 * second alert of one sample gets a random ID.
 */
const ID = `md5(concat_ws(' ', alert_rules.id, $3::text, $4::text, $6::bigint))::uuid`

/** Opens an alert, unless there is an open one. Returns its ID, or undefined if there was one. */
export async function openAlert(tx: AlertTransaction, opening: Opening): Promise<string | undefined> {
  const { ruleId, siteId, device, channel, began, at, value } = opening
  const [row] = await tx.query<AlertRow>(
    `WITH a AS (
       INSERT INTO alerts (id, rule_id, account_id, site_id, device_id, channel, began_at, opened_at, value)
       SELECT CASE WHEN EXISTS (SELECT FROM alerts WHERE id = ${ID}) THEN gen_random_uuid() ELSE ${ID} END,
         id, account_id, $2, $3, $4, ${AT('$5')}, ${AT('$6')}, $7 FROM alert_rules WHERE id = $1
       ON CONFLICT DO NOTHING
       RETURNING *
     )
     SELECT ${COLUMNS} FROM a JOIN alert_rules r ON r.id = a.rule_id`,
    [ruleId, siteId, device, channel, began, at, value],
  )
  if (row === undefined) return undefined
  await tell(tx, row)
  return row.id
}

/** Closes an alert, unless it is closed. Not before it was opened, whatever the clocks say. */
export async function closeAlert(
  tx: AlertTransaction,
  id: string,
  { at, value, because }: { readonly at: number | bigint; readonly value: number | null; readonly because: AlertClosing },
): Promise<void> {
  const rows = await tx.query<AlertRow>(
    `UPDATE alerts a SET closed_at = greatest(${AT('$2')}, a.opened_at), closed_value = $3, closed_because = $4
     FROM alert_rules r WHERE a.id = $1 AND a.closed_at IS NULL AND r.id = a.rule_id RETURNING ${COLUMNS}`,
    [id, at, value, because],
  )
  for (const row of rows) await tell(tx, row)
}

/**
 * Closes the open alerts that a condition chooses, as of now.
 * @param condition SQL about `a`, an alert, and `r`, its rule
 */
export async function closeAlerts(tx: AlertTransaction, because: AlertClosing, condition: string): Promise<void> {
  const rows = await tx.query<AlertRow>(
    `UPDATE alerts a SET closed_at = greatest(now(), a.opened_at), closed_because = $1
     FROM alert_rules r WHERE a.closed_at IS NULL AND r.id = a.rule_id AND ${condition} RETURNING ${COLUMNS}`,
    [because],
  )
  for (const row of rows) await tell(tx, row)
}

/** What became of an alert, to the topic and to the webhooks of the account. */
async function tell(tx: AlertTransaction, row: AlertRow): Promise<void> {
  const alert = alertOf(row)
  await tx.emit('alerts', alert, row.device_id as DeviceId)
  await tx.query(
    `INSERT INTO webhook_delivery (webhook_id, event_id, body) SELECT id, $2, $3 FROM webhooks WHERE account_id = $1 AND removed_at IS NULL`,
    [row.account_id, alert.event_id, JSON.stringify(webhookPayload(alert))],
  )
}

/** What a webhook gets: the record of the topic, with times in RFC 3339. */
export function webhookPayload({ began, opened, closed, ...alert }: Alert): Readonly<Record<string, unknown>> {
  return { version: 1, ...alert, began: time(began), opened: time(opened), closed: closed === null ? null : time(closed) }
}

function time(micros: number): string {
  return new Date(Math.floor(micros / 1000)).toISOString()
}

/** The event of an alert: closed if it is, else opened. */
export function alertOf(row: AlertRow): Alert {
  const event = row.closed === null ? 'opened' : 'closed'
  return {
    event_id: `${row.id}-${event}`,
    alert_id: row.id,
    event,
    rule_id: Number(row.rule_id),
    rule: row.rule,
    kind: row.kind,
    quantity: row.quantity,
    account_id: Number(row.account_id),
    site_id: row.site_id === null ? null : Number(row.site_id),
    device_id: row.device_id,
    channel: row.channel === '' ? null : row.channel,
    began: Number(row.began),
    opened: Number(row.opened),
    value: row.value,
    closed: row.closed === null ? null : Number(row.closed),
    closed_value: row.closed_value,
    closed_because: row.closed_because,
  }
}
