import type { Assignment, DeviceId } from '../../processors/contract.ts'
import { systemClock } from '../clock.ts'
import { ConnectorError, type DeviceDirectory, isTransient, type Log } from '../contract.ts'
import { retry } from '../retry.ts'
import { findAssignments, loadAssignments } from './assignments.ts'
import { DeviceCache } from './device-cache.ts'
import { type Listener, listen } from './device-listener.ts'
import { GatewayCache } from './gateway-cache.ts'
import { findGatewayRules, loadGatewayRules } from './gateway-rules.ts'
import { Lease } from './lease.ts'
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
const HEARTBEAT_MS = 500
/**
 * The cache counts for this long after the last heartbeat that was answered, and no longer. If a
 * connection is stalled, or the process was paused, it may have missed that a device has another
 * account now. It is four heartbeats, because a database may be busy.
 */
const LEASE_MS = 2_000
/**
 * All devices are read again after this long, in case a notification was lost: 20,000 take about 50
 * ms. At most a hundredth of the time is spent on it.
 */
const READ_ALL_MS = 30_000
const READ_ALL_SHARE = 100
/** The same if no notifications come. The lease is long enough for one reading to be missed. */
const POLL_MS = 1_000
const POLL_SHARE = 10
const POLL_LEASE = 3
const LOOK_MS = 1_000
/**
 * That a gateway may not speak for a device is no older than this, if notifications come. It costs
 * at most four heartbeats a second, however many devices of others a gateway hears.
 */
const REFUSAL_MS = 250
const DEVICE_CHANNEL = 'device_change'
const GATEWAY_CHANNEL = 'gateway_change'

/**
 * Reads every device, then listens for changes and reads what changed. One connection does it all,
 * so an answer is never older than a notification that came before it. A heartbeat that is answered
 * says that the cache is as new as the heartbeat. While none is answered nothing is certain, and
 * `prepare` waits. Resolves after the first reading, through outages.
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

class ListeningDirectory implements DeviceDirectory {
  private readonly options: DeviceDirectoryOptions
  private readonly cache: DeviceCache
  /** Undefined if nobody asks. */
  private readonly gateways: GatewayCache | undefined
  private readonly stopping = new AbortController()
  private readonly signal: AbortSignal
  private readonly now: () => number
  private lease: Lease
  /** The session that listens, once everything is read. */
  private connection: Promise<Listener>
  private current: Listener | undefined
  private refreshing: Promise<void> | undefined
  private beating: Promise<void> | undefined
  private readonly watching: NodeJS.Timeout

  constructor(options: DeviceDirectoryOptions) {
    this.options = options
    this.signal = AbortSignal.any([options.signal, this.stopping.signal])
    this.now = options.now ?? (() => performance.now())
    this.lease = new Lease(LEASE_MS, this.now)
    this.cache = new DeviceCache({ unknownMs: UNKNOWN_MS, unknownLimit: UNKNOWN_LIMIT, now: this.now })
    this.gateways = options.gateways === true ? new GatewayCache() : undefined
    this.connection = this.reconnect()
    this.watching = setInterval(() => this.tell(), LOOK_MS)
    this.watching.unref()
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

  async prepare(devices: ReadonlySet<DeviceId>): Promise<void> {
    for (;;) {
      const listener = await this.connected()
      const { session } = listener
      try {
        if (!this.lease.holds || this.refusalsAreOld(listener)) await this.confirm(listener)
        await this.refreshing
        if (session.lost) {
          this.renew(session)
          continue
        }
        // Reading the changed devices may have taken long.
        if (!this.lease.holds) continue
        const missing = this.cache.missing(devices)
        if (missing.length === 0) return
        const found = await findAssignments(session, missing)
        this.cache.replace(missing, found)
        // New devices may come with rules. Their notification came before the answer, or never
        // will.
        if (this.gateways === undefined || found.size === 0) return
        if (!listener.notifies) this.gateways.replaceAll(await loadGatewayRules(session))
        await this.refreshing
        if (!session.lost) return
        this.renew(session)
      } catch (error) {
        if (!isTransient(error)) throw error
        await this.abandon(session, error)
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.watching)
    this.stopping.abort(new ConnectorError('disposed', false, 'looking up devices after the directory was disposed of'))
    await this.current?.session.close()
    await this.connection.catch(() => undefined)
  }

  /** The session. After an error that waiting does not fix, the next caller tries anew. */
  private async connected(): Promise<Listener> {
    this.signal.throwIfAborted()
    const connection = this.connection
    try {
      return await connection
    } catch (error) {
      if (this.connection === connection && !this.signal.aborted) this.connection = this.reconnect()
      throw error
    }
  }

  private renew(session: Session): void {
    if (this.current?.session !== session) return
    this.current = undefined
    if (!this.signal.aborted) this.connection = this.reconnect()
  }

  private reconnect(): Promise<Listener> {
    const connection = this.connect()
    // Callers that need the connection get the error. If there are none, it must not end the
    // process.
    connection.catch((cause: unknown) => {
      if (!this.signal.aborted) this.options.log.error('devices cannot be read', { cause: String(cause) })
    })
    return connection
  }

  private async abandon(session: Session, cause: unknown): Promise<void> {
    if (!this.signal.aborted) this.options.log.warn('the directory of devices lost its database; waiting for it', { cause: String(cause) })
    await session.close()
    this.renew(session)
  }

  private connect(): Promise<Listener> {
    return retry(() => this.listen(), {
      clock: systemClock,
      signal: this.signal,
      again: isTransient,
      failed: ({ attempt, cause }) => {
        if (attempt === 1) this.options.log.warn('devices cannot be read; waiting for the database', { cause: String(cause) })
      },
    })
  }

  private async listen(): Promise<Listener> {
    const listener = await listen({
      ...this.options,
      signal: this.signal,
      now: this.now,
      channels: this.gateways === undefined ? [DEVICE_CHANNEL] : [DEVICE_CHANNEL, GATEWAY_CHANNEL],
      load: (session) => this.load(session),
      notified: (session, payload, channel) => {
        if (channel === GATEWAY_CHANNEL) this.gateways?.notified(payload)
        else this.cache.notified(payload)
        this.refresh(session)
      },
      lost: (session) => this.renew(session),
    })
    const { notifies, readAtMs } = listener
    const tookMs = this.now() - readAtMs
    const readAllMs = notifies
      ? Math.max(this.options.readAllMs ?? READ_ALL_MS, READ_ALL_SHARE * tookMs)
      : Math.max(POLL_MS, POLL_SHARE * tookMs)
    this.lease = new Lease(notifies ? LEASE_MS : POLL_LEASE * readAllMs, this.now)
    this.lease.confirmed(readAtMs)
    this.current = listener
    this.keepUp(listener, HEARTBEAT_MS, () => (notifies ? this.beat(listener) : undefined))
    this.keepUp(listener, readAllMs, () => this.readAll(listener))
    return listener
  }

  /** Repeats work while the session lasts. */
  private keepUp(listener: Listener, everyMs: number, work: () => Promise<void> | undefined): void {
    const timer = setInterval(() => {
      if (this.current !== listener) return clearInterval(timer)
      work()?.catch((cause: unknown) => this.abandon(listener.session, cause))
    }, everyMs)
    timer.unref()
  }

  private refusalsAreOld({ notifies }: Listener): boolean {
    return this.gateways !== undefined && notifies && this.lease.ageMs > REFUSAL_MS
  }

  /** Makes the lease hold. */
  private confirm(listener: Listener): Promise<void> {
    return listener.notifies ? this.beat(listener) : this.readAll(listener)
  }

  private beat({ session }: Listener): Promise<void> {
    const [askedAt, lease] = [this.now(), this.lease]
    this.beating ??= session
      .script('asking whether the database is there', 'SELECT 1')
      .then(() => lease.confirmed(askedAt))
      .finally(() => {
        this.beating = undefined
      })
    return this.beating
  }

  private async readAll({ session }: Listener): Promise<void> {
    const [askedAt, lease] = [this.now(), this.lease]
    await this.load(session)
    lease.confirmed(askedAt)
  }

  /** What is notified meanwhile is read after this, over the same connection. */
  private async load(session: Session): Promise<void> {
    this.cache.replaceAll(await loadAssignments(session))
    this.gateways?.replaceAll(await loadGatewayRules(session))
  }

  private refresh(session: Session): void {
    this.refreshing ??= this.readStale(session)
      .catch((cause: unknown) => this.abandon(session, cause))
      .finally(() => {
        this.refreshing = undefined
      })
  }

  private async readStale(session: Session): Promise<void> {
    for (;;) {
      const devices = await this.readStaleDevices(session)
      const gateways = await this.readStaleGateways(session)
      if (!devices && !gateways) return
    }
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

  private tell(): void {
    const { ageMs, holds } = this.lease
    const since = Number.isFinite(ageMs) ? `for ${Math.round(ageMs / 1000)} s` : 'yet'
    this.options.problem?.(holds ? null : `the app database has not answered ${since}: what devices send waits`)
  }
}
