import { ConnectorError } from '../contract.ts'
import type { Database } from './database.ts'

/** A rule as a person gives it. Names, not IDs. */
export interface NewRule {
  readonly account: string
  readonly name: string
  readonly kind: 'threshold' | 'rate' | 'silence' | 'night_drop'
  readonly quantity: string | null
  readonly direction: 'above' | 'below' | null
  readonly level: number | null
  readonly clearLevel: number | null
  readonly forSeconds: number
  readonly windowSeconds: number | null
  readonly zone: string | null
  /** HH:MM */
  readonly nightFrom: string | null
  readonly nightTo: string | null
  /** Null for all. */
  readonly devices: readonly string[] | null
  readonly sites: readonly string[] | null
}

/** A rule as it is listed. */
export interface ListedRule extends Omit<NewRule, 'sites'> {
  readonly id: bigint
  readonly sites: readonly string[] | null
  readonly enabled: boolean
  /** Open alerts. */
  readonly open: bigint
}

/** An alert as it is listed. */
export interface ListedAlert extends Record<string, unknown> {
  readonly account: string
  readonly rule: string
  readonly device: string
  readonly opened_at: Date
  readonly value: number | null
  readonly closed_at: Date | null
  readonly closed_because: string | null
}

/** A rule cannot be added or removed as asked. */
export class AlertRuleError extends Error {
  override readonly name = 'AlertRuleError'
}

const UNIQUE_VIOLATION = '23505'
const CHECK_VIOLATION = '23514'

/**
 * Adds a rule.
 * @throws AlertRuleError that names what is unknown, there already, or refused by the table
 */
export function addRule(database: Database, rule: NewRule): Promise<void> {
  return database.use(async (session) => {
    const doing = 'adding a rule of alerts'
    const accountId = await accountOf(session, rule.account)
    const sites = rule.sites === null ? null : await sitesOf(session, accountId, rule.sites)
    if (rule.devices !== null) await requireDevices(session, rule.devices)
    try {
      await session.query(
        doing,
        `INSERT INTO alert_rules (account_id, name, kind, quantity, direction, level, clear_level, for_seconds, window_seconds, zone, night_from,
           night_to, devices, sites)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
        [
          accountId,
          rule.name,
          rule.kind,
          rule.quantity,
          rule.direction,
          rule.level,
          rule.clearLevel,
          rule.forSeconds,
          rule.windowSeconds,
          rule.zone,
          rule.nightFrom,
          rule.nightTo,
          rule.devices,
          sites,
        ],
      )
    } catch (cause) {
      if (!(cause instanceof ConnectorError)) throw cause
      if (cause.code === UNIQUE_VIOLATION)
        throw new AlertRuleError(
          `account ${rule.account} has a rule ${JSON.stringify(rule.name)} already: remove it first, or choose another name`,
        )
      if (cause.code === CHECK_VIOLATION) throw new AlertRuleError(`the rule is refused: ${cause.message}`)
      throw cause
    }
  })
}

/**
 * Takes a rule off. Its open alerts are closed by the process, within seconds.
 * @throws AlertRuleError if there is no such rule
 */
export function removeRule(database: Database, account: string, name: string): Promise<void> {
  return database.use(async (session) => {
    const accountId = await accountOf(session, account)
    const removed = await session.query(
      'removing a rule of alerts',
      'UPDATE alert_rules SET enabled = false, removed_at = now() WHERE account_id = $1 AND name = $2 AND removed_at IS NULL RETURNING id',
      [accountId, name],
    )
    if (removed.length === 0) throw new AlertRuleError(`account ${account} has no rule ${JSON.stringify(name)}`)
  })
}

/** Rules that were not removed. */
export function listRules(database: Database, account: string | undefined): Promise<readonly ListedRule[]> {
  return database.use((session) =>
    session.query<ListedRule & Record<string, unknown>>(
      'listing rules of alerts',
      `SELECT r.id, n.name AS account, r.name, r.kind, r.quantity, r.direction, r.level, r.clear_level AS "clearLevel",
         r.for_seconds AS "forSeconds", r.window_seconds AS "windowSeconds", r.zone, to_char(r.night_from, 'HH24:MI') AS "nightFrom",
         to_char(r.night_to, 'HH24:MI') AS "nightTo", r.devices,
         (SELECT array_agg(s.name ORDER BY s.name) FROM sites s WHERE s.id = ANY(r.sites)) AS sites, r.enabled,
         (SELECT count(*) FROM alerts a WHERE a.rule_id = r.id AND a.closed_at IS NULL) AS open
       FROM alert_rules r JOIN accounts n ON n.id = r.account_id
       WHERE r.removed_at IS NULL AND ($1::text IS NULL OR n.name = $1) ORDER BY n.name, r.name`,
      [account ?? null],
    ),
  )
}

/** Alerts, the newest first. */
export function listAlerts(
  database: Database,
  { account, open, most }: { readonly account: string | undefined; readonly open: boolean; readonly most: number },
): Promise<readonly ListedAlert[]> {
  return database.use((session) =>
    session.query<ListedAlert>(
      'listing alerts',
      `SELECT n.name AS account, r.name AS rule, a.device_id || CASE WHEN a.channel = '' THEN '' ELSE '/' || a.channel END AS device,
         a.opened_at, a.value, a.closed_at, a.closed_because
       FROM alerts a JOIN alert_rules r ON r.id = a.rule_id JOIN accounts n ON n.id = a.account_id
       WHERE ($1::text IS NULL OR n.name = $1) AND (NOT $2 OR a.closed_at IS NULL) ORDER BY a.opened_at DESC, a.id LIMIT $3`,
      [account ?? null, open, most],
    ),
  )
}

type Queries = Parameters<Parameters<Database['use']>[0]>[0]

async function accountOf(session: Queries, account: string): Promise<bigint> {
  const [row] = await session.query<{ id: bigint }>('finding an account', 'SELECT id FROM accounts WHERE name = $1', [account])
  if (row === undefined)
    throw new AlertRuleError(`there is no account ${JSON.stringify(account)}: expected one that has devices (millrace devices list)`)
  return row.id
}

async function sitesOf(session: Queries, accountId: bigint, names: readonly string[]): Promise<readonly bigint[]> {
  const rows = await session.query<{ id: bigint; name: string }>(
    'finding sites',
    'SELECT id, name FROM sites WHERE account_id = $1 AND name = ANY($2)',
    [accountId, names],
  )
  const unknown = names.find((name) => rows.every((row) => row.name !== name))
  if (unknown !== undefined) throw new AlertRuleError(`the account has no site ${JSON.stringify(unknown)}`)
  return rows.map(({ id }) => id)
}

async function requireDevices(session: Queries, devices: readonly string[]): Promise<void> {
  const rows = await session.query<{ id: string }>('finding devices', 'SELECT id FROM devices WHERE id = ANY($1)', [devices])
  const unknown = devices.find((device) => rows.every(({ id }) => id !== device))
  if (unknown !== undefined) throw new AlertRuleError(`there is no device ${JSON.stringify(unknown)}`)
}
