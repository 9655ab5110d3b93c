import {
  AlertRuleError,
  addRule,
  type ListedRule,
  listAlerts,
  listRules,
  type NewRule,
  removeRule,
} from '../connectors/postgres/alert-rules.ts'
import { createDatabase, type Database } from '../connectors/postgres/database.ts'
import { table } from '../ops/text-table.ts'
import { nightOf, parseTimeOfDay } from '../processors/alerts/night.ts'
import { quantities } from '../schemas/generated/readings.ts'
import { ConfigError, loadConfig } from '../services/config.ts'
import { type ConfigOption, UsageError } from './command-line.ts'
import { printAll } from './print.ts'

export interface AccountOption extends ConfigOption {
  readonly account?: string | undefined
}

/** What `millrace alerts rules add` is told. */
export interface RuleOptions extends ConfigOption {
  readonly account: string
  readonly kind: 'threshold' | 'rate' | 'silence' | 'night-drop'
  readonly quantity?: string | undefined
  readonly above?: number | undefined
  readonly below?: number | undefined
  readonly drop?: number | undefined
  readonly clear?: number | undefined
  readonly for?: number | undefined
  readonly window?: number | undefined
  readonly zone?: string | undefined
  readonly night?: string | undefined
  readonly device?: readonly string[] | undefined
  readonly site?: readonly string[] | undefined
}

const MOST_FOR_SECONDS = 2_592_000
const DEFAULT_WINDOW_SECONDS = 600
const DEFAULT_NIGHT = '22:00-05:00'

/** `millrace alerts rules add` */
export async function addAlertRule(name: string, options: RuleOptions): Promise<number> {
  const rule = ruleOfOptions(name, options)
  await withDatabase(options, (database) => addRule(database, rule))
  printAll([`rule ${name} of account ${options.account}: ${said(rule)}`])
  return 0
}

/** `millrace alerts rules remove` */
export async function removeAlertRule(name: string, options: ConfigOption & { readonly account: string }): Promise<number> {
  await withDatabase(options, (database) => removeRule(database, options.account, name))
  printAll([`rule ${name} of account ${options.account} is removed; its open alerts are closed within seconds`])
  return 0
}

/** `millrace alerts rules list` */
export async function showRules(options: AccountOption): Promise<number> {
  const rules = await withDatabase(options, (database) => listRules(database, options.account))
  const rows = rules.map((rule) => [rule.account, rule.name, said(rule), about(rule), rule.enabled ? String(rule.open) : 'off'])
  printAll(table([['account', 'rule', 'what', 'of', 'open'], ...rows], ['left', 'left', 'left', 'left', 'right']))
  return 0
}

/** `millrace alerts list` */
export async function showAlerts(options: AccountOption & { readonly open?: true | undefined; readonly most: number }): Promise<number> {
  const { account, open = false, most } = options
  const found = await withDatabase(options, (database) => listAlerts(database, { account, open, most }))
  const rows = found.map((alert) => [
    alert.account,
    alert.rule,
    alert.device,
    alert.opened_at.toISOString(),
    alert.value === null ? '' : String(Number(alert.value.toPrecision(6))),
    alert.closed_at === null ? 'open' : alert.closed_at.toISOString(),
    alert.closed_because ?? '',
  ])
  printAll(
    table(
      [['account', 'rule', 'device', 'opened', 'value', 'closed', 'because'], ...rows],
      ['left', 'left', 'left', 'left', 'right', 'left', 'left'],
    ),
  )
  return 0
}

/** @throws ConfigError for what the database does not know, or has already */
export async function withDatabase<Result>({ config: file }: ConfigOption, work: (database: Database) => Promise<Result>): Promise<Result> {
  const { env } = loadConfig(process.env, file)
  await using database = createDatabase({ url: env.APP_DATABASE_URL, applicationName: 'millrace alerts' })
  try {
    return await work(database)
  } catch (cause) {
    if (!(cause instanceof AlertRuleError)) throw cause
    throw new ConfigError(cause.message, { cause })
  }
}

/**
 * The rule that options describe.
 * @throws UsageError that names the option that is missing, too much, or contradicts another
 */
export function ruleOfOptions(name: string, options: RuleOptions): NewRule {
  if (name === '' || name.length > 100) throw new UsageError(`expected a name of 1 to 100 characters, got ${JSON.stringify(name)}`)
  const { account, kind, device = null, site = null } = options
  const common = { account, name, devices: device, sites: site, forSeconds: options.for ?? 0 }
  if (common.forSeconds > MOST_FOR_SECONDS) throw new UsageError('--for: expected at most 30d')
  const none = {
    quantity: null,
    direction: null,
    level: null,
    clearLevel: null,
    windowSeconds: null,
    zone: null,
    nightFrom: null,
    nightTo: null,
  }
  switch (kind) {
    case 'silence':
      refuse(options, 'quantity', 'above', 'below', 'drop', 'clear', 'window', 'zone', 'night')
      if (common.forSeconds < 60) throw new UsageError('--for: expected how long no reading comes, at least 1m')
      return { ...common, ...none, kind }
    case 'night-drop': {
      refuse(options, 'above', 'below', 'window')
      const { drop, zone } = options
      if (drop === undefined || !(drop > 0)) throw new UsageError('--drop: expected an amount above 0')
      if (zone === undefined) throw new UsageError('--zone: expected the zone whose night it is, as in Europe/Berlin')
      const [nightFrom, nightTo] = night(options.night ?? DEFAULT_NIGHT, zone)
      const clearLevel = options.clear ?? drop / 2
      if (clearLevel < 0 || clearLevel > drop) throw new UsageError(`--clear: expected a drop from 0 to ${drop}, got ${clearLevel}`)
      return {
        ...common,
        ...none,
        kind: 'night_drop',
        quantity: quantity(options.quantity ?? 'weight'),
        level: drop,
        clearLevel,
        zone,
        nightFrom,
        nightTo,
      }
    }
    case 'threshold':
    case 'rate': {
      refuse(options, 'drop', 'zone', 'night')
      if (kind === 'threshold') refuse(options, 'window')
      const { above, below } = options
      if ((above === undefined) === (below === undefined)) throw new UsageError('expected one of --above and --below')
      const level = above ?? below ?? 0
      const direction = above === undefined ? 'below' : 'above'
      const clearLevel = options.clear ?? level
      if (direction === 'above' ? clearLevel > level : clearLevel < level)
        throw new UsageError(`--clear: expected at ${direction === 'above' ? 'most' : 'least'} ${level}, which opens it, got ${clearLevel}`)
      const windowSeconds = kind === 'rate' ? (options.window ?? DEFAULT_WINDOW_SECONDS) : null
      if (windowSeconds !== null && (windowSeconds < 60 || windowSeconds > 86_400)) throw new UsageError('--window: expected from 1m to 1d')
      if (options.quantity === undefined) throw new UsageError('--quantity: expected a standard quantity, as in temperature')
      return { ...common, ...none, kind, quantity: quantity(options.quantity), direction, level, clearLevel, windowSeconds }
    }
  }
}

function refuse(options: RuleOptions, ...names: readonly (keyof RuleOptions)[]): void {
  for (const name of names) if (options[name] !== undefined) throw new UsageError(`--${name}: a rule of kind ${options.kind} has none`)
}

function quantity(name: string): string {
  if (quantities.some((known) => known.name === name)) return name
  throw new UsageError(`--quantity: expected one of docs/quantities.md, as in temperature or weight, got ${JSON.stringify(name)}`)
}

function night(hours: string, zone: string): readonly [string, string] {
  const [from = '', to = '', more] = hours.split('-')
  const [fromMs, toMs] = [parseTimeOfDay(from), parseTimeOfDay(to)]
  if (fromMs === undefined || toMs === undefined || more !== undefined || fromMs === toMs)
    throw new UsageError(`--night: expected hours as in ${DEFAULT_NIGHT}, got ${JSON.stringify(hours)}`)
  try {
    nightOf({ zone, fromMs, toMs })
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw new UsageError(`--zone: expected a name such as Europe/Berlin, got ${JSON.stringify(zone)}`)
  }
  return [from, to]
}

/** A rule in words. */
function said(rule: NewRule | ListedRule): string {
  const lasting = rule.forSeconds === 0 ? '' : ` for ${shownDuration(rule.forSeconds)}`
  switch (rule.kind) {
    case 'silence':
      return `no reading${lasting}`
    case 'threshold':
      return `${rule.quantity} ${rule.direction} ${rule.level}${lasting}, until ${rule.clearLevel}`
    case 'rate':
      return `${rule.quantity} changes by ${rule.direction} ${rule.level} an hour, within ${shownDuration(rule.windowSeconds ?? 0)}${lasting}, until ${rule.clearLevel}`
    case 'night_drop':
      return `${rule.quantity} drops by more than ${rule.level} from ${rule.nightFrom} to ${rule.nightTo} in ${rule.zone}${lasting}, until ${rule.clearLevel}`
  }
}

function about({ devices, sites }: ListedRule): string {
  const parts = [
    ...(devices === null ? [] : [devices.slice(0, 5).join(' ')]),
    ...(sites === null ? [] : [`at ${sites.slice(0, 5).join(', ')}`]),
  ]
  return parts.length === 0 ? 'all' : parts.join(' ')
}

function shownDuration(seconds: number): string {
  if (seconds % 3_600 === 0) return `${seconds / 3_600} h`
  return seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`
}
