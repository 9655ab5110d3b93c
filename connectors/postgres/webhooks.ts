import { AlertRuleError } from './alert-rules.ts'
import type { Database } from './database.ts'
import type { Session } from './session.ts'

/** A webhook that has something to send, and nobody else sends to it. */
export interface DueWebhook extends Record<string, unknown> {
  readonly id: bigint
  readonly url: string
  readonly secret: string
}

/** The next message of a webhook. */
export interface Delivery extends Record<string, unknown> {
  readonly id: bigint
  readonly event_id: string
  readonly body: string
}

export interface ListedWebhook extends Record<string, unknown> {
  readonly id: bigint
  readonly account: string
  readonly url: string
  readonly waiting: bigint
  readonly failed: bigint
  readonly last_error: string | null
}

/** Takes webhooks that are due, for a minute. */
export function takeDueWebhooks(session: Session, most: number): Promise<readonly DueWebhook[]> {
  return session.query<DueWebhook>(
    'looking for webhooks',
    `WITH due AS (
       SELECT w.id FROM webhooks w
       WHERE w.removed_at IS NULL AND w.leased_until <= now() AND w.next_at <= now()
         AND EXISTS (SELECT FROM webhook_delivery d WHERE d.webhook_id = w.id AND d.state = 'waiting')
       ORDER BY w.next_at LIMIT $1 FOR UPDATE SKIP LOCKED
     )
     UPDATE webhooks w SET leased_until = now() + interval '1 minute' FROM due WHERE w.id = due.id RETURNING w.id, w.url, w.secret`,
    [most],
  )
}

/** The oldest message that waits for a webhook. */
export async function nextDelivery(session: Session, webhook: bigint): Promise<Delivery | undefined> {
  const [row] = await session.query<Delivery>(
    'reading what a webhook gets',
    `SELECT d.id, d.event_id, d.body FROM webhook_delivery d JOIN webhooks w ON w.id = d.webhook_id
     WHERE d.webhook_id = $1 AND d.state = 'waiting' AND w.removed_at IS NULL ORDER BY d.id LIMIT 1`,
    [webhook],
  )
  return row
}

export async function delivered(session: Session, webhook: bigint, delivery: bigint): Promise<void> {
  await session.query(
    'noting what a webhook has',
    `WITH done AS (UPDATE webhook_delivery SET state = 'delivered', settled_at = now(), attempts = attempts + 1 WHERE id = $2)
     UPDATE webhooks SET failures = 0, last_error = NULL, next_at = now() WHERE id = $1`,
    [webhook, delivery],
  )
}

/**
 * Notes a failed attempt. The webhook is tried again after a pause, and its messages that are too
 * old are failed for good.
 * @returns how many were
 */
export async function notDelivered(
  session: Session,
  webhook: bigint,
  delivery: bigint,
  { error, retryHours, pauseMs }: { readonly error: string; readonly retryHours: number; readonly pauseMs: (failures: number) => number },
): Promise<number> {
  const doing = 'noting what a webhook has not'
  const [row] = await session.query<{ failures: number }>(
    doing,
    'UPDATE webhooks SET failures = failures + 1, last_error = left($2, 200) WHERE id = $1 RETURNING failures',
    [webhook, error],
  )
  await session.query(doing, "UPDATE webhooks SET next_at = now() + $2 * interval '1 millisecond' WHERE id = $1", [
    webhook,
    Math.round(pauseMs(row?.failures ?? 1)),
  ])
  await session.query(doing, 'UPDATE webhook_delivery SET attempts = attempts + 1 WHERE id = $1', [delivery])
  const failed = await session.query(
    doing,
    `UPDATE webhook_delivery SET state = 'failed', settled_at = now()
     WHERE webhook_id = $1 AND state = 'waiting' AND waiting_since < now() - $2 * interval '1 hour' RETURNING id`,
    [webhook, retryHours],
  )
  return failed.length
}

export async function giveBack(session: Session, webhook: bigint): Promise<void> {
  await session.query('giving a webhook back', "UPDATE webhooks SET leased_until = '-infinity' WHERE id = $1", [webhook])
}

/** @throws AlertRuleError if there is no such account, or it has the webhook already */
export function addWebhook(database: Database, account: string, url: string, secret: string): Promise<void> {
  return database.use(async (session) => {
    const rows = await session.query(
      'adding a webhook',
      `INSERT INTO webhooks (account_id, url, secret) SELECT id, $2, $3 FROM accounts WHERE name = $1
       ON CONFLICT (account_id, url) WHERE removed_at IS NULL DO NOTHING RETURNING id`,
      [account, url, secret],
    )
    if (rows.length === 0) throw new AlertRuleError(`there is no account ${JSON.stringify(account)}, or it has this webhook already`)
  })
}

/** Takes a webhook away. What waits for it is not sent. @throws AlertRuleError if there is none */
export function removeWebhook(database: Database, account: string, url: string): Promise<void> {
  return database.use(async (session) => {
    const rows = await session.query(
      'removing a webhook',
      `UPDATE webhooks w SET removed_at = now() FROM accounts a WHERE a.id = w.account_id AND a.name = $1 AND w.url = $2 AND w.removed_at IS NULL
       RETURNING w.id`,
      [account, url],
    )
    if (rows.length === 0) throw new AlertRuleError(`account ${JSON.stringify(account)} has no webhook ${JSON.stringify(url)}`)
  })
}

export function listWebhooks(database: Database, account: string | undefined): Promise<readonly ListedWebhook[]> {
  return database.use((session) =>
    session.query<ListedWebhook>(
      'listing webhooks',
      `SELECT w.id, a.name AS account, w.url, w.last_error,
         (SELECT count(*) FROM webhook_delivery d WHERE d.webhook_id = w.id AND d.state = 'waiting') AS waiting,
         (SELECT count(*) FROM webhook_delivery d WHERE d.webhook_id = w.id AND d.state = 'failed') AS failed
       FROM webhooks w JOIN accounts a ON a.id = w.account_id
       WHERE w.removed_at IS NULL AND ($1::text IS NULL OR a.name = $1) ORDER BY a.name, w.url`,
      [account ?? null],
    ),
  )
}
