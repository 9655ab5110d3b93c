import { type DevicePattern, isOneDevice } from '../../processors/device-pattern.ts'
import type { Database } from './database.ts'
import type { Session } from './session.ts'

/**
 * Most patterns of one gateway that have an asterisk. Each device that it hears is held against all
 * of them; rules that name one device are found at once, however many there are.
 */
export const MOST_PATTERNS = 100
const MOST_NAMED = 5

/** A device pattern of rule `r` as a pattern of LIKE. */
export const LIKE = "replace(replace(r.device, '_', '\\_'), '*', '%')"

/** Rules of a gateway cannot be changed as asked. */
export class GatewayRuleError extends Error {
  override readonly name = 'GatewayRuleError'
}

/** What became of the rules that were asked for. */
export interface ChangedRules {
  /** Rules that were not there, or are no longer there. */
  readonly changed: number
  /** Known devices that the rules asked for are about. */
  readonly devices: number
}

/**
 * Lets a gateway speak for devices, in one transaction.
 * @throws GatewayRuleError if it would have more patterns than MOST_PATTERNS
 */
export function addRules(database: Database, gateway: string, patterns: readonly DevicePattern[]): Promise<ChangedRules> {
  const texts = patterns.map(({ text }) => text)
  return database.use(async (session) => {
    await session.script('adding rules of a gateway', 'BEGIN')
    const changed = await insertRules(session, gateway, texts)
    if (patterns.some((pattern) => !isOneDevice(pattern))) {
      const [{ count } = { count: 0n }] = await session.query<{ count: bigint }>(
        'counting patterns of a gateway',
        `SELECT count(*) AS count FROM gateway_devices WHERE gateway = $1 AND strpos(device, '*') > 0`,
        [gateway],
      )
      if (count > BigInt(MOST_PATTERNS))
        throw new GatewayRuleError(
          `${gateway} would have ${count} patterns with *; expected at most ${MOST_PATTERNS}, and any number of rules that name one device`,
        )
    }
    const devices = await countDevices(session, texts)
    await session.commit('adding rules of a gateway')
    return { changed, devices }
  })
}

/**
 * Takes rules away, in one transaction.
 * @throws GatewayRuleError if one of them is not there
 */
export function removeRules(database: Database, gateway: string, patterns: readonly DevicePattern[]): Promise<ChangedRules> {
  const texts = [...new Set(patterns.map(({ text }) => text))]
  return database.use(async (session) => {
    await session.script('removing rules of a gateway', 'BEGIN')
    const removed = await session.query<{ device: string }>(
      'removing rules of a gateway',
      'DELETE FROM gateway_devices WHERE gateway = $1 AND device = ANY ($2) RETURNING device',
      [gateway, texts],
    )
    const gone = new Set(removed.map(({ device }) => device))
    const absent = texts.filter((text) => !gone.has(text))
    if (absent.length > 0) {
      const more = absent.length > MOST_NAMED ? ` and ${absent.length - MOST_NAMED} more` : ''
      throw new GatewayRuleError(`${gateway} has no rule ${absent.slice(0, MOST_NAMED).join(', ')}${more}`)
    }
    const devices = await countDevices(session, texts)
    await session.commit('removing rules of a gateway')
    return { changed: removed.length, devices }
  })
}

/** Within a transaction. Returns how many rules were not there. */
export async function insertRules(session: Session, gateway: string, devices: readonly string[]): Promise<number> {
  const rows = await session.query(
    'adding rules of a gateway',
    'INSERT INTO gateway_devices (gateway, device) SELECT DISTINCT $1, unnest($2::text[]) ON CONFLICT DO NOTHING RETURNING 1',
    [gateway, devices],
  )
  return rows.length
}

async function countDevices(session: Session, patterns: readonly string[]): Promise<number> {
  const [row] = await session.query<{ count: bigint }>(
    'counting devices of a gateway',
    `SELECT count(*) AS count FROM devices d WHERE d.id = ANY ($1)
       OR EXISTS (SELECT FROM unnest($1::text[]) AS r(device) WHERE strpos(r.device, '*') > 0 AND d.id LIKE ${LIKE})`,
    [patterns],
  )
  return Number(row?.count ?? 0n)
}

/** A rule: the gateway may speak for the device, or for the devices of the pattern. */
export interface GatewayRule {
  readonly gateway: string
  readonly device: string
}

/** Every rule, or those of one gateway, by gateway and device. */
export function listRules(database: Database, gateway: string | undefined): Promise<readonly GatewayRule[]> {
  return database.use((session) =>
    session.query<GatewayRule & Record<string, unknown>>(
      'listing gateways',
      'SELECT gateway, device FROM gateway_devices WHERE $1::text IS NULL OR gateway = $1 ORDER BY gateway, device',
      [gateway ?? null],
    ),
  )
}
