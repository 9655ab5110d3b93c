/** The end of messages to webhooks: none is kept for ever. */
import { AlertRuleError } from './alert-rules.ts'
import type { Database } from './database.ts'
import type { Session } from './session.ts'

/** Days for which `millrace alerts webhooks list` counts what has failed for good. */
export const KEPT_FAILED_DAYS = 30

/** How many messages came to their end, and why. */
export interface EndedMessages {
  /** Failed for good so long ago that nobody will ask for them. */
  readonly expired: number
  /** Waited for a webhook that was removed, or had failed there. */
  readonly removed: number
}

/**
 * Deletes what is over. A webhook that was removed keeps its row for as long, because a transaction
 * that began before may still write to it.
 */
export async function endMessages(session: Session): Promise<EndedMessages> {
  const doing = 'deleting old messages of webhooks'
  const removed = await session.query(
    doing,
    `DELETE FROM webhook_delivery d USING webhooks w
     WHERE w.id = d.webhook_id AND w.removed_at IS NOT NULL AND w.leased_until <= now() AND d.state <> 'delivered' RETURNING d.id`,
  )
  const expired = await session.query(
    doing,
    `DELETE FROM webhook_delivery WHERE state = 'failed' AND settled_at < now() - $1 * interval '1 day' RETURNING id`,
    [KEPT_FAILED_DAYS],
  )
  await session.query(doing, "DELETE FROM webhook_delivery WHERE state = 'delivered' AND settled_at < now() - interval '7 days'")
  await session.query(
    doing,
    `DELETE FROM webhooks w WHERE removed_at < now() - $1 * interval '1 day'
     AND NOT EXISTS (SELECT FROM webhook_delivery d WHERE d.webhook_id = w.id)`,
    [KEPT_FAILED_DAYS],
  )
  return { expired: expired.length, removed: removed.length }
}

/** Messages that failed for good within the last hour, and for how many webhooks. */
export async function recentlyFailed(session: Session): Promise<{ readonly messages: number; readonly webhooks: number }> {
  const [row] = await session.query<{ messages: bigint; webhooks: bigint }>(
    'counting failed messages of webhooks',
    `SELECT count(*) AS messages, count(DISTINCT d.webhook_id) AS webhooks FROM webhook_delivery d JOIN webhooks w ON w.id = d.webhook_id
     WHERE d.state = 'failed' AND d.settled_at > now() - interval '1 hour' AND w.removed_at IS NULL`,
  )
  return { messages: Number(row?.messages ?? 0n), webhooks: Number(row?.webhooks ?? 0n) }
}

/**
 * Sends what has failed for good at a webhook again, at once and in its old order.
 * @returns how many messages
 * @throws AlertRuleError if there is no such webhook
 */
export function retryFailed(database: Database, webhook: bigint): Promise<number> {
  return database.use(async (session) => {
    const doing = 'trying again what failed at a webhook'
    await session.script(doing, 'BEGIN')
    const known = await session.query(
      doing,
      'UPDATE webhooks SET failures = 0, next_at = now() WHERE id = $1 AND removed_at IS NULL RETURNING id',
      [webhook],
    )
    if (known.length === 0) throw new AlertRuleError(`there is no webhook ${webhook}: millrace alerts webhooks list has their numbers`)
    const rows = await session.query(
      doing,
      `UPDATE webhook_delivery SET state = 'waiting', settled_at = NULL, waiting_since = now() WHERE webhook_id = $1 AND state = 'failed' RETURNING id`,
      [webhook],
    )
    await session.commit(doing)
    return rows.length
  })
}
