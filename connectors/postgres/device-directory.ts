import type { Assignment, DeviceId } from '../../processors/contract.ts'
import type { DeviceDirectory, Log } from '../contract.ts'
import { findAssignments, loadAssignments } from './assignments.ts'
import { DeviceCache } from './device-cache.ts'
import { GatewayCache } from './gateway-cache.ts'
import { findGatewayRules, loadGatewayRules } from './gateway-rules.ts'
import { type KeptCopy, ListeningConnection } from './listening-connection.ts'
import type { Session } from './session.ts'

export interface DeviceDirectoryOptions {
  /** The app database. */
  readonly url: string
  readonly log: Log
  /** Ends every wait. */
  readonly signal: AbortSignal
  /** Health: what keeps devices from being known for certain; null while nothing does. */
  readonly problem?: (what: string | null) => void
  /** Milliseconds of a monotonic clock. */
  readonly now?: () => number
  /** All devices are read again after this long, in case a notification was lost. */
  readonly readAllMs?: number
  /**
   * Whether it knows for which devices gateways may speak. If not, `speaksFor` is always false.
   */
  readonly gateways?: boolean
}

const UNKNOWN_MS = 1_000
const UNKNOWN_LIMIT = 10_000
/**
 * That a gateway may not speak for a device is no older than this, if notifications come. It costs
 * at most four heartbeats a second, however many devices of others a gateway hears.
 */
const REFUSAL_MS = 250
const DEVICE_CHANNEL = 'device_change'
const GATEWAY_CHANNEL = 'gateway_change'

/**
 * Reads every device, then listens for changes and reads what changed: `ListeningConnection` says
 * how. Resolves after the first reading, through outages.
 * @throws ConnectorError that is not transient, as when the tables are missing
 */
export async function openDeviceDirectory(options: DeviceDirectoryOptions): Promise<DeviceDirectory> {
  const directory = new ListeningDirectory(options)
  try {
    await directory.prepare(new Set())
    return directory
  } catch (error) {
    await directory[Symbol.asyncDispose]()
    throw error
  }
}

class ListeningDirectory implements DeviceDirectory, KeptCopy {
  private readonly cache: DeviceCache
  /** Undefined if nobody asks. */
  private readonly gateways: GatewayCache | undefined
  private readonly connection: ListeningConnection

  constructor({ url, log, signal, problem, readAllMs, now = () => performance.now(), gateways = false }: DeviceDirectoryOptions) {
    this.cache = new DeviceCache({ unknownMs: UNKNOWN_MS, unknownLimit: UNKNOWN_LIMIT, now })
    this.gateways = gateways ? new GatewayCache() : undefined
    this.connection = new ListeningConnection(
      {
        url,
        applicationName: 'millrace devices',
        what: 'devices',
        log,
        signal,
        now,
        problem,
        readAllMs,
        channels: gateways ? [DEVICE_CHANNEL, GATEWAY_CHANNEL] : [DEVICE_CHANNEL],
      },
      this,
    )
  }

  assignments(device: DeviceId): readonly Assignment[] | undefined {
    return this.cache.assignments(device)
  }

  unsure(device: DeviceId): boolean {
    return this.cache.isMissing(device)
  }

  speaksFor(gateway: string, device: DeviceId): boolean {
    return this.gateways?.speaksFor(gateway, device) ?? false
  }

  prepare(devices: ReadonlySet<DeviceId>): Promise<void> {
    return this.connection.whenCurrent(
      ({ session, notifies }) => this.find(session, notifies, devices),
      this.gateways === undefined ? undefined : REFUSAL_MS,
    )
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.connection[Symbol.asyncDispose]()
  }

  async load(session: Session): Promise<void> {
    this.cache.replaceAll(await loadAssignments(session))
    this.gateways?.replaceAll(await loadGatewayRules(session))
  }

  notified(payload: string, channel: string): boolean {
    if (channel === GATEWAY_CHANNEL) this.gateways?.notified(payload)
    else this.cache.notified(payload)
    return true
  }

  async readStale(session: Session): Promise<void> {
    for (;;) {
      const devices = await this.readStaleDevices(session)
      const gateways = await this.readStaleGateways(session)
      if (!devices && !gateways) return
    }
  }

  async beat(session: Session): Promise<void> {
    await session.script('asking whether the database is there', 'SELECT 1')
  }

  private async find(session: Session, notifies: boolean, devices: ReadonlySet<DeviceId>): Promise<void> {
    const missing = this.cache.missing(devices)
    if (missing.length === 0) return
    const found = await findAssignments(session, missing)
    this.cache.replace(missing, found)
    // New devices may come with rules. Their notification came before the answer, or never will.
    if (this.gateways !== undefined && found.size > 0 && !notifies) this.gateways.replaceAll(await loadGatewayRules(session))
  }

  /** @returns whether there were any */
  private async readStaleDevices(session: Session): Promise<boolean> {
    const stale = this.cache.takeStale()
    if (stale.tag === 'devices') this.cache.replace(stale.devices, await findAssignments(session, stale.devices))
    else if (stale.tag === 'everything') this.cache.replaceAll(await loadAssignments(session))
    return stale.tag !== 'nothing'
  }

  /** @returns whether there were any */
  private async readStaleGateways(session: Session): Promise<boolean> {
    if (this.gateways === undefined) return false
    const stale = this.gateways.takeStale()
    if (stale.tag === 'gateways') this.gateways.replace(stale.gateways, await findGatewayRules(session, stale.gateways))
    else if (stale.tag === 'everything') this.gateways.replaceAll(await loadGatewayRules(session))
    return stale.tag !== 'nothing'
  }
}
