import { setTimeout as delay } from 'node:timers/promises'
import { backoffMs } from '../../processors/backoff.ts'
import type { Assignment, DeviceId } from '../../processors/contract.ts'
import { ConnectorError, type DeviceDirectory, type Log } from '../contract.ts'
import { findAssignments, loadAssignments } from './assignments.ts'
import { DeviceCache } from './device-cache.ts'
import { openSession, type Session } from './session.ts'

export interface DeviceDirectoryOptions {
  /** The app database. */
  readonly url: string
  readonly log: Log
  /** Ends every wait. */
  readonly signal: AbortSignal
  /** Milliseconds of a monotonic clock. */
  readonly now?: () => number
}

const BACKOFF = { baseMs: 100, maxMs: 10_000 }
const UNKNOWN_MS = 1_000
const UNKNOWN_LIMIT = 10_000
/** A server that vanished without a word is noticed after a heartbeat and the wait for its answer. */
const HEARTBEAT_MS = 2_000
const ANSWER_TIMEOUT_MS = 10_000

/**
 * Reads every device, then listens for changes and reads what changed. One connection does it all, so that an answer is never older than a
 * notification that came before it. While the connection is down nothing is known for certain, and `prepare` waits. Resolves after the first
 * reading, through outages.
 * @throws ConnectorError that is not transient, as where the tables are missing
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
  private readonly stopping = new AbortController()
  private readonly signal: AbortSignal
  /** The session that listens, once everything is read. */
  private connection: Promise<Session>
  private current: Session | undefined
  private refreshing: Promise<void> | undefined

  constructor(options: DeviceDirectoryOptions) {
    this.options = options
    this.signal = AbortSignal.any([options.signal, this.stopping.signal])
    this.cache = new DeviceCache({ unknownMs: UNKNOWN_MS, unknownLimit: UNKNOWN_LIMIT, now: options.now ?? (() => performance.now()) })
    this.connection = this.reconnect()
  }

  assignments(device: DeviceId): readonly Assignment[] | undefined {
    return this.cache.assignments(device)
  }

  async prepare(devices: ReadonlySet<DeviceId>): Promise<void> {
    for (;;) {
      const session = await this.connected()
      await this.refreshing
      if (session.lost) {
        this.renew(session)
        continue
      }
      const missing = this.cache.missing(devices)
      if (missing.length === 0) return
      try {
        this.cache.replace(missing, await findAssignments(session, missing))
        return
      } catch (error) {
        if (!(error instanceof ConnectorError && error.transient)) throw error
        await this.abandon(session, error)
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stopping.abort(new ConnectorError('disposed', false, 'looking up devices after the directory was disposed of'))
    await this.current?.close()
    await this.connection.catch(() => undefined)
  }

  /** The session; after an error that waiting does not mend, the next caller tries anew. */
  private async connected(): Promise<Session> {
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
    if (this.current !== session) return
    this.current = undefined
    if (!this.signal.aborted) this.connection = this.reconnect()
  }

  private reconnect(): Promise<Session> {
    const connection = this.connect()
    // Whoever needs it gets the error; while nobody does, it must not end the process.
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

  private async connect(): Promise<Session> {
    for (let attempt = 0; ; attempt++) {
      this.signal.throwIfAborted()
      try {
        return await this.listen()
      } catch (error) {
        if (!(error instanceof ConnectorError && error.transient)) throw error
        if (attempt === 0) this.options.log.warn('devices cannot be read; waiting for the database', { cause: error.message })
        await delay(backoffMs(attempt, BACKOFF, Math.random), undefined, { signal: this.signal })
      }
    }
  }

  private async listen(): Promise<Session> {
    const session = await openSession({
      url: this.options.url,
      applicationName: 'millrace devices',
      answerTimeoutMs: ANSWER_TIMEOUT_MS,
      statementTimeoutMs: ANSWER_TIMEOUT_MS,
    })
    try {
      const heartbeat = setInterval(() => {
        session.script('asking whether the database is there', 'SELECT 1').catch((cause: unknown) => this.abandon(session, cause))
      }, HEARTBEAT_MS)
      session.watch({
        notified: (payload) => {
          this.cache.notified(payload)
          this.refresh(session)
        },
        lost: () => {
          clearInterval(heartbeat)
          this.renew(session)
        },
      })
      // First listen, then read: what changes in between is notified, and read again.
      await session.script('listening for changes of devices', 'LISTEN device_change')
      this.cache.replaceAll(await loadAssignments(session))
      this.signal.throwIfAborted()
      if (session.lost) throw new ConnectorError('connection-lost', true, 'listening for changes of devices')
      this.current = session
      return session
    } catch (error) {
      await session.close()
      throw error
    }
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
      const stale = this.cache.takeStale()
      switch (stale.tag) {
        case 'nothing':
          return
        case 'devices':
          this.cache.replace(stale.devices, await findAssignments(session, stale.devices))
          break
        case 'everything':
          this.cache.replaceAll(await loadAssignments(session))
      }
    }
  }
}
