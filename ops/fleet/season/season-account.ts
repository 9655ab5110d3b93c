/**
 * The account of a season in the app database: its hives, its storage, its rules; what came of
 * them.
 */
import { addRule, type NewRule } from '../../../connectors/postgres/alert-rules.ts'
import type { Database } from '../../../connectors/postgres/database.ts'
import { provisionDevices } from '../../../connectors/postgres/devices.ts'
import type { RuleName, Season } from './season.ts'
import type { SeenAlert, SeenMovement, SeenSeason, SeenSite } from './seen.ts'

const STORAGE = 'Winter storage'

/**
 * The number of the next season whose account has this name. Each season has an account and devices
 * of its own: what is later than it, for a device that was heard already, would be late.
 */
export async function nextSeason(database: Database, account: string): Promise<number> {
  return database.use(async (session) => {
    const [row] = await session.query<{ number: number }>(
      'numbering a season',
      `SELECT coalesce(max(substring(name FROM '[0-9]+$')::int), 0) + 1 AS number FROM accounts
       WHERE left(name, length($1) + 1) = $1 || ' ' AND substring(name FROM length($1) + 2) ~ '^[0-9]{1,8}$'`,
      [account],
    )
    return row?.number ?? 1
  })
}

/**
 * Makes the account: its hives, of which nothing is known but whose they are, the storage, the
 * rules.
 */
export async function provisionSeason(database: Database, account: string, { hives, places }: Season): Promise<void> {
  await provisionDevices(database, { account, site: null, devices: hives.map(({ device }) => device), from: null })
  const yard = places.find(({ kind }) => kind === 'storage')
  await database.use((session) =>
    session.query(
      'adding a storage',
      `INSERT INTO sites (account_id, name, kind, latitude, longitude)
       SELECT id, $2, 'storage', $3, $4 FROM accounts WHERE name = $1`,
      [account, STORAGE, yard?.at.latitude, yard?.at.longitude],
    ),
  )
  for (const rule of RULES) await addRule(database, { ...NO_RULE, account, ...rule })
}

const NO_RULE = { windowSeconds: null, zone: null, nightFrom: null, nightTo: null, devices: null, sites: null, forSeconds: 0 } as const
const threshold = { kind: 'threshold', quantity: 'temperature', forSeconds: 1_800 } as const
const RULES: readonly (Omit<NewRule, 'account' | keyof typeof NO_RULE> & Partial<NewRule> & { readonly name: RuleName })[] = [
  { ...threshold, name: 'frost', direction: 'below', level: 0, clearLevel: 1 },
  { ...threshold, name: 'too-hot', direction: 'above', level: 38, clearLevel: 36 },
  {
    kind: 'night_drop',
    name: 'robbed',
    quantity: 'weight',
    direction: null,
    level: 3,
    clearLevel: 1.5,
    zone: 'Europe/Berlin',
    nightFrom: '22:00',
    nightTo: '05:00',
  },
]

/** What the app database has of the account, at one moment. */
export async function readSeason(database: Database, account: string): Promise<SeenSeason> {
  return database.use(async (session) => {
    const doing = 'reading what was seen of a season'
    await session.script(doing, 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    const sites = await session.query<SeenSite & Record<string, unknown>>(
      doing,
      `SELECT s.id::int AS id, s.name, s.kind, s.latitude, s.longitude, s.founded,
         CASE s.kind WHEN 'orchard' THEN hives_deployed(s.id, now())
           ELSE (SELECT count(*) FROM assignments a WHERE a.site_id = s.id AND upper_inf(a.valid)) END::int AS hives
       FROM sites s JOIN accounts n ON n.id = s.account_id WHERE n.name = $1 ORDER BY s.id`,
      [account],
    )
    const movements = await session.query<SeenMovement & Record<string, unknown>>(
      doing,
      `SELECT m.asset_id AS device, m.state, extract(epoch FROM m.since)::float8 * 1000 AS "sinceMs", m.site_id::int AS "siteId",
         (m.fixes -> -1 ->> 'atMicros')::float8 / 1000 AS "decidedByMs"
       FROM movements m WHERE m.asset_id IN (${DEVICES}) ORDER BY m.asset_id, m.since`,
      [account],
    )
    const alerts = await session.query<SeenAlert & Record<string, unknown>>(
      doing,
      `SELECT r.name AS rule, a.device_id AS device, extract(epoch FROM a.opened_at)::float8 * 1000 AS "openedMs",
         extract(epoch FROM a.closed_at)::float8 * 1000 AS "closedMs"
       FROM alerts a JOIN alert_rules r ON r.id = a.rule_id JOIN accounts n ON n.id = a.account_id
       WHERE n.name = $1 ORDER BY a.opened_at, a.device_id`,
      [account],
    )
    const present = await session.query<{ device: string; site: number }>(
      doing,
      `SELECT a.device_id AS device, a.site_id::int AS site FROM assignments a JOIN accounts n ON n.id = a.account_id
       WHERE n.name = $1 AND upper_inf(a.valid) AND a.site_id IS NOT NULL`,
      [account],
    )
    await session.commit(doing)
    return { sites, movements, alerts, present: new Map(present.map(({ device, site }) => [device, site])) }
  })
}

const DEVICES = 'SELECT a.device_id FROM assignments a JOIN accounts n ON n.id = a.account_id WHERE n.name = $1'
