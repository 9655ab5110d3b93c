import { systemClock } from '../clock.ts'
import { ConnectorError, isTransient, type Log } from '../contract.ts'
import { retry } from '../retry.ts'
import { Lease } from './lease.ts'
import { type Listener, listen } from './listener.ts'
import type { Session } from './session.ts'

export interface ListeningOptions {
  readonly url: string
  /** Shown in pg_stat_activity. */
  readonly applicationName: string
  /** What is kept, for messages: `devices`. */
  readonly what: string
  readonly log: Log
  /** Ends every wait. */
  readonly signal: AbortSignal
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number
  /** Health: what keeps the copy from being certain; null while nothing does. */
  readonly problem: ((what: string | null) => void) | undefined
  /** Everything is read again after this long, in case a notification was lost. */
  readonly readAllMs: number | undefined
  /** Channels of notifications, which are names of SQL. */
  readonly channels: readonly string[]
}

/** What is kept of a database, and how it is read. All of it goes over one session, in turn. */
export interface KeptCopy {
  /** Reads everything. What is notified meanwhile is read after this. */
  load(session: Session): Promise<void>
  /** Takes a notification. Whether something is to be read at once. */
  notified(payload: string, channel: string): boolean
  /** Reads what was notified, until nothing is left. */
  readStale(session: Session): Promise<void>
  /** Asks whether the database is there; twice a second. */
  beat(session: Session): Promise<void>
}

const HEARTBEAT_MS = 500
/**
 * The copy counts for this long after the last heartbeat that was answered, and no longer. If a
 * connection is stalled, or the process was paused, it may have missed a change. It is four
 * heartbeats, because a database may be busy.
 */
const LEASE_MS = 2_000
/**
 * Everything is read again after this long, in case a notification was lost: 20,000 devices take
 * about 50 ms. At most a hundredth of the time is spent on it.
 */
const READ_ALL_MS = 30_000
const READ_ALL_SHARE = 100
/** The same if no notifications come. The lease is long enough for one reading to be missed. */
const POLL_MS = 1_000
const POLL_SHARE = 10
const POLL_LEASE = 3
const LOOK_MS = 1_000
/** After an error that waiting does not fix, it is tried again though nobody asks: health tells. */
const ANEW_MS = 5_000

/**
 * Keeps a copy of a part of a database fresh: reads everything, then listens for changes and reads
 * what changed. One connection does it all, so an answer is never older than a notification that
 * came before it. A heartbeat that is answered says that the copy is as new as the heartbeat. While
 * none is answered nothing is certain, and `whenCurrent` waits. After a lost connection everything
 * is read anew.
 */
export class ListeningConnection implements AsyncDisposable {
  private readonly options: ListeningOptions
  private readonly copy: KeptCopy
  private readonly stopping = new AbortController()
  private readonly signal: AbortSignal
  private readonly now: () => number
  private lease: Lease
  /** The session that listens, once everything is read. */
  private connection: Promise<Listener>
  private current: Listener | undefined
  private refreshing: Promise<void> | undefined
  private beating: Promise<void> | undefined
  /** Why the last attempt was given up, and when; undefined once there is a session. */
  private failure: { readonly message: string; readonly atMs: number; readonly of: Promise<Listener> } | undefined
  private readonly watching: NodeJS.Timeout

  constructor(options: ListeningOptions, copy: KeptCopy) {
    this.options = options
    this.copy = copy
    this.signal = AbortSignal.any([options.signal, this.stopping.signal])
    this.now = options.now
    this.lease = new Lease(LEASE_MS, this.now)
    this.connection = this.reconnect()
    this.watching = setInterval(() => this.look(), LOOK_MS)
    this.watching.unref()
  }

  /**
   * Does work once the copy is certain. It may run again, over another connection, if that was lost
   * meanwhile.
   * @param mostAgeMs the copy is confirmed if it is older, provided that notifications come
   * @throws ConnectorError that is not transient, as when a table is missing
   */
  async whenCurrent(work: (listener: Listener) => Promise<void>, mostAgeMs = Number.POSITIVE_INFINITY): Promise<void> {
    for (;;) {
      const listener = await this.connected()
      const { session, notifies } = listener
      try {
        if (!this.lease.holds || (notifies && this.lease.ageMs > mostAgeMs)) await this.confirm(listener)
        await this.refreshing
        if (session.lost) {
          this.renew(session)
          continue
        }
        // Reading what changed may have taken long.
        if (!this.lease.holds) continue
        await work(listener)
        await this.refreshing
        if (!session.lost) return
        this.renew(session)
      } catch (error) {
        if (!isTransient(error)) throw error
        await this.abandon(session, error)
      }
    }
  }

  /** Reads what was notified, if there is a session. */
  refresh(): void {
    if (this.current !== undefined) this.refreshOver(this.current.session)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.watching)
    this.stopping.abort(
      new ConnectorError('disposed', false, `looking up ${this.options.what} after what keeps them fresh was disposed of`),
    )
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
      if (this.signal.aborted) return
      const message = cause instanceof Error ? cause.message : String(cause)
      if (message !== this.failure?.message) this.options.log.error(`${this.options.what} cannot be read`, { cause: message })
      this.failure = { message, atMs: this.now(), of: connection }
      this.tell()
    })
    return connection
  }

  private async abandon(session: Session, cause: unknown): Promise<void> {
    if (!this.signal.aborted)
      this.options.log.warn(`${this.options.what} could not be read; all are read anew, over another connection`, { cause: String(cause) })
    await session.close()
    this.renew(session)
  }

  private connect(): Promise<Listener> {
    return retry(() => this.listen(), {
      clock: systemClock,
      signal: this.signal,
      again: isTransient,
      failed: ({ attempt, cause }) => {
        if (attempt === 1) this.options.log.warn(`${this.options.what} cannot be read; waiting for the database`, { cause: String(cause) })
      },
    })
  }

  private async listen(): Promise<Listener> {
    const listener = await listen({
      ...this.options,
      signal: this.signal,
      now: this.now,
      load: (session) => this.copy.load(session),
      notified: (session, payload, channel) => {
        if (this.copy.notified(payload, channel)) this.refreshOver(session)
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
    this.failure = undefined
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

  /** Makes the lease hold. */
  private confirm(listener: Listener): Promise<void> {
    return listener.notifies ? this.beat(listener) : this.readAll(listener)
  }

  private beat({ session }: Listener): Promise<void> {
    const [askedAt, lease] = [this.now(), this.lease]
    this.beating ??= this.copy
      .beat(session)
      .then(() => lease.confirmed(askedAt))
      .finally(() => {
        this.beating = undefined
      })
    return this.beating
  }

  private async readAll({ session }: Listener): Promise<void> {
    const [askedAt, lease] = [this.now(), this.lease]
    await this.copy.load(session)
    lease.confirmed(askedAt)
  }

  private refreshOver(session: Session): void {
    this.refreshing ??= this.copy
      .readStale(session)
      .catch((cause: unknown) => this.abandon(session, cause))
      .finally(() => {
        this.refreshing = undefined
      })
  }

  private look(): void {
    const { failure } = this
    if (failure?.of === this.connection && this.now() - failure.atMs > ANEW_MS && !this.signal.aborted) this.connection = this.reconnect()
    this.tell()
  }

  private tell(): void {
    const { ageMs, holds } = this.lease
    const since = Number.isFinite(ageMs) ? `for ${Math.round(ageMs / 1000)} s` : 'yet'
    const silent = holds ? null : `the app database has not answered ${since}: what devices send waits`
    this.options.problem?.(this.failure === undefined ? silent : `what devices send waits: ${this.failure.message}`)
  }
}
