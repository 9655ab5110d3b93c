import type { AlertKind } from './generated/alert.ts'
import type { Rule } from './judge.ts'
import { nightOf, parseTimeOfDay } from './night.ts'

/** A row of table `alert_rules`. */
export interface RuleRow extends Record<string, unknown> {
  readonly id: bigint
  readonly account_id: bigint
  readonly name: string
  readonly kind: AlertKind
  readonly quantity: string | null
  readonly direction: 'above' | 'below' | null
  readonly level: number | null
  readonly clear_level: number | null
  readonly for_seconds: number
  readonly window_seconds: number | null
  readonly zone: string | null
  readonly night_from: string | null
  readonly night_to: string | null
  readonly devices: readonly string[] | null
  readonly sites: readonly bigint[] | null
  /** Microseconds since 1970. */
  readonly created: bigint
}

/** Columns of a RuleRow, of `alert_rules r`. */
export const RULE_COLUMNS = `r.id, r.account_id, r.name, r.kind, r.quantity, r.direction, r.level, r.clear_level, r.for_seconds, r.window_seconds,
  r.zone, r.night_from::text AS night_from, r.night_to::text AS night_to, r.devices, r.sites, (extract(epoch FROM r.created_at) * 1000000)::bigint AS created`

const MICROS = 1_000_000

/** A night's hours are the same for many devices, and finding a zone is slow. */
const nights = new Map<string, (ts: number) => number | undefined>()
const MOST_NIGHTS = 1_000

/**
 * The rule as samples are judged by it. Undefined for a rule of silence, and for one that cannot be
 * used: a zone that only the database knows must not make dead letters of readings.
 */
export function ruleOf(row: RuleRow): Rule | undefined {
  const { kind, direction, level, clear_level: clearLevel, for_seconds: forSeconds, window_seconds: windowSeconds } = row
  if (kind === 'silence' || level === null || clearLevel === null) return undefined
  const night = kind === 'night_drop' ? nightOfRow(row) : undefined
  if (kind === 'night_drop' && night === undefined) return undefined
  return { kind, direction, level, clearLevel, forMicros: forSeconds * MICROS, windowMicros: (windowSeconds ?? 0) * MICROS, nightOf: night }
}

function nightOfRow({ zone, night_from: from, night_to: to }: RuleRow): ((ts: number) => number | undefined) | undefined {
  const fromMs = parseTimeOfDay(from ?? '')
  const toMs = parseTimeOfDay(to ?? '')
  if (zone === null || fromMs === undefined || toMs === undefined) return undefined
  const name = `${zone} ${fromMs} ${toMs}`
  const known = nights.get(name)
  if (known !== undefined) return known
  try {
    const night = nightOf({ zone, fromMs, toMs })
    if (nights.size >= MOST_NIGHTS) nights.clear()
    nights.set(name, night)
    return night
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    return undefined
  }
}

/** Whether a rule is about a device at a site. */
export function isAbout({ devices, sites }: Pick<RuleRow, 'devices' | 'sites'>, device: string, siteId: number | null): boolean {
  if (devices !== null && !devices.includes(device)) return false
  return sites === null || (siteId !== null && sites.some((site) => Number(site) === siteId))
}
