import type { Assignment, DeviceId } from '../../processors/contract.ts'
import type { Assignments } from './assignments.ts'

/** Payload of a notification that concerns every device. */
const ALL = '*'

/** What must be read again. */
export type Stale =
  | { readonly tag: 'nothing' }
  | { readonly tag: 'devices'; readonly devices: readonly string[] }
  | { readonly tag: 'everything' }

export interface DeviceCacheOptions {
  /**
   * How long an unknown device is taken to be unknown. So it costs one query a second, and not one
   * for each of its frames.
   */
  readonly unknownMs: number
  /** Most unknown devices that are remembered. */
  readonly unknownLimit: number
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number
}

/** What is known about devices, and which of it has changed since. No I/O. */
export class DeviceCache {
  private known = new Map<DeviceId, readonly Assignment[]>()
  /** Devices that the database does not have, by when they were looked up; oldest first. */
  private readonly unknown = new Map<DeviceId, number>()
  private readonly stale = new Set<string>()
  private allStale = false
  private readonly options: DeviceCacheOptions

  constructor(options: DeviceCacheOptions) {
    this.options = options
  }

  assignments(device: DeviceId): readonly Assignment[] | undefined {
    return this.known.get(device)
  }

  /** Takes a notification: device IDs separated by commas, or an asterisk. */
  notified(payload: string): void {
    if (payload === ALL) this.allStale = true
    else for (const device of payload.split(',')) this.stale.add(device)
  }

  /**
   * Says what must be read again, and takes it off the list. The caller reads it at once:
   * notifications from now on are newer.
   */
  takeStale(): Stale {
    const stale: Stale = this.allStale ? { tag: 'everything' } : { tag: 'devices', devices: [...this.stale] }
    this.allStale = false
    this.stale.clear()
    return stale.tag === 'devices' && stale.devices.length === 0 ? { tag: 'nothing' } : stale
  }

  /** Takes all devices, as just read. */
  replaceAll(devices: Assignments): void {
    this.known = new Map(devices)
    this.unknown.clear()
  }

  /** Takes what was read of these devices. Those that were not found are unknown for a while. */
  replace(asked: readonly string[], found: Assignments): void {
    for (const name of asked) {
      const device = name as DeviceId
      const assignments = found.get(device)
      this.unknown.delete(device)
      if (assignments !== undefined) this.known.set(device, assignments)
      else {
        this.known.delete(device)
        this.unknown.set(device, this.options.now())
      }
    }
    for (const device of this.unknown.keys()) {
      if (this.unknown.size <= this.options.unknownLimit) break
      this.unknown.delete(device)
    }
  }

  /** Which of the devices must be looked up. */
  missing(devices: ReadonlySet<DeviceId>): readonly DeviceId[] {
    const missing: DeviceId[] = []
    for (const device of devices) if (this.isMissing(device)) missing.push(device)
    return missing
  }

  /** Whether the device must be looked up: it is not known, and was not looked up lately. */
  isMissing(device: DeviceId): boolean {
    const oldest = this.options.now() - this.options.unknownMs
    return !this.known.has(device) && !((this.unknown.get(device) ?? Number.NEGATIVE_INFINITY) > oldest)
  }
}
