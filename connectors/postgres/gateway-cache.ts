import { type DevicePattern, isOneDevice, matchesPattern, parseDevicePattern } from '../../processors/device-pattern.ts'
import type { GatewayRules } from './gateway-rules.ts'

/** Payload of a notification that concerns every gateway. */
const ALL = '*'
/** First character of a payload that names a gateway. */
const ONE = '='

/** What must be read again. */
export type StaleGateways =
  | { readonly tag: 'nothing' }
  | { readonly tag: 'gateways'; readonly gateways: readonly string[] }
  | { readonly tag: 'everything' }

interface Spoken {
  readonly devices: ReadonlySet<string>
  readonly patterns: readonly DevicePattern[]
}

/** Which gateway may speak for which devices, and what of it has changed since. No I/O. */
export class GatewayCache {
  private known = new Map<string, Spoken>()
  private readonly stale = new Set<string>()
  private allStale = false

  /** Whether a rule lets the gateway speak for the device. */
  speaksFor(gateway: string, device: string): boolean {
    const spoken = this.known.get(gateway)
    if (spoken === undefined) return false
    if (spoken.devices.has(device)) return true
    for (const pattern of spoken.patterns) if (matchesPattern(pattern, device)) return true
    return false
  }

  /** Takes a notification: an equals sign and a gateway, or an asterisk. */
  notified(payload: string): void {
    if (payload.startsWith(ONE)) this.stale.add(payload.slice(ONE.length))
    else if (payload === ALL) this.allStale = true
  }

  /**
   * Says what must be read again, and takes it off the list. The caller reads it at once:
   * notifications from now on are newer.
   */
  takeStale(): StaleGateways {
    const stale: StaleGateways = this.allStale ? { tag: 'everything' } : { tag: 'gateways', gateways: [...this.stale] }
    this.allStale = false
    this.stale.clear()
    return stale.tag === 'gateways' && stale.gateways.length === 0 ? { tag: 'nothing' } : stale
  }

  /** Takes the rules of all gateways, as just read. */
  replaceAll(rules: GatewayRules): void {
    this.known = new Map([...rules].map(([gateway, devices]) => [gateway, spoken(devices)]))
  }

  /** Takes what was read of these gateways. Those that were not found have no rules any more. */
  replace(asked: readonly string[], found: GatewayRules): void {
    for (const gateway of asked) {
      const devices = found.get(gateway)
      if (devices === undefined) this.known.delete(gateway)
      else this.known.set(gateway, spoken(devices))
    }
  }
}

function spoken(rules: readonly string[]): Spoken {
  const devices = new Set<string>()
  const patterns: DevicePattern[] = []
  for (const rule of rules) {
    // The table takes nothing else.
    const pattern = parseDevicePattern(rule)
    if (pattern === undefined) continue
    if (isOneDevice(pattern)) devices.add(rule)
    else patterns.push(pattern)
  }
  return { devices, patterns }
}
