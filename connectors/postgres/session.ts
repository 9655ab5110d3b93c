import { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import pg from 'pg'
import { from as copyFrom, to as copyTo } from 'pg-copy-streams'
import { shownAddress } from '../../processors/address.ts'
import { ConnectorError } from '../contract.ts'
import { clientSettings } from './client-settings.ts'
import { detectPooler } from './pooler.ts'
import { asksToWrite, SERVER_STATE, type ServerState } from './server-choice.ts'
import { serversOf } from './servers.ts'
import { openOneOf, READ_ONLY } from './several-servers.ts'
import { blame, isNetworkError } from './sqlstate.ts'

export interface SessionOptions {
  /**
   * postgres://user:password@host:port/database, with ?ca_file=… for TLS
   * (connectors/address-files.ts), or of several servers, with ?target_session_attrs=…
   * (servers.ts)
   */
  readonly url: string
  /** Shown in pg_stat_activity. */
  readonly applicationName: string
  /**
   * `off` is safe only if everything that a crash loses is read again (docs/adr/0006-storage.md).
   */
  readonly synchronousCommit?: 'on' | 'off'
  /** 0 is no limit. */
  readonly statementTimeoutMs?: number
  readonly lockTimeoutMs?: number
  /**
   * A process that is paused in the middle of a transaction must not hold its locks for long: the
   * partitions' next owner waits for them.
   */
  readonly idleInTransactionTimeoutMs?: number
  /** However many servers the address has. */
  readonly connectTimeoutMs?: number
  /**
   * Longest wait for an answer, so that a half-open connection is noticed; 0 for no limit. It must
   * be more than statementTimeoutMs, so that the server reports first.
   */
  readonly answerTimeoutMs?: number
}

/**
 * One connection. Every method throws ConnectorError with the SQLSTATE or errno name as its code;
 * its cause is the driver's error.
 */
export interface Session {
  /** True once the connection is gone: every call then fails with a transient error. */
  readonly lost: boolean
  /** One statement with parameters ($1, …). int8 comes back as bigint. */
  query<Row extends pg.QueryResultRow>(doing: string, text: string, values?: readonly unknown[]): Promise<readonly Row[]>
  /**
   * Several statements in one round trip, without parameters: how many rows each affected or
   * returned.
   */
  script(doing: string, text: string): Promise<readonly number[]>
  /**
   * COMMIT, after the statements given, if any, in one round trip. Fails if the transaction was
   * aborted, and so rolled back.
   */
  commit(doing: string, before?: string): Promise<void>
  /**
   * COPY … FROM STDIN: how many rows it wrote. After an error the session can be used; its
   * transaction is aborted, as after any error.
   */
  copy(doing: string, text: string, stream: Buffer): Promise<number>
  /**
   * The same from a stream. If that fails, so does the COPY, with the stream's error.
   */
  copyIn(doing: string, text: string, stream: Readable): Promise<number>
  /**
   * COPY … TO STDOUT. `take` reads the stream to its end. If it fails, what is left cannot be told
   * from an answer to something else: the connection is cut, and the error of `take` thrown.
   */
  copyOut(doing: string, text: string, take: (stream: Readable) => Promise<void>): Promise<void>
  /**
   * Calls back for NOTIFY on channels that the session listens to, and once when the connection is
   * lost.
   */
  watch(watcher: { readonly notified: (payload: string, channel: string) => void; readonly lost: () => void }): void
  /** Ends the connection; in good order, if it still works. */
  close(): Promise<void>
}

/** Code of a connection that ended without an error of its own. */
const CONNECTION_LOST = 'connection-lost'
const INT8 = 20

/** The answer of a pooler to a setting that it does not know. */
const PROTOCOL_VIOLATION = '08P01'

function settingsOf(options: SessionOptions) {
  return {
    statement_timeout: options.statementTimeoutMs ?? 30_000,
    lock_timeout: options.lockTimeoutMs ?? 5_000,
    idle_in_transaction_session_timeout: options.idleInTransactionTimeoutMs ?? 10_000,
    synchronous_commit: options.synchronousCommit ?? 'on',
    timezone: 'UTC',
    client_min_messages: 'warning',
  }
}

/**
 * Connects; to the server that is as asked, if the address has several.
 * @throws ConnectorError, with code `pooler` if a connection pooler is in between that does not
 *   keep sessions apart
 */
export async function openSession(options: SessionOptions): Promise<Session> {
  const { urls, target } = serversOf(options.url)
  if (target === undefined) return connect(options, false)
  const { session } = await openOneOf({
    urls,
    target,
    open: async (url) => {
      const session = await connect({ ...options, url }, asksToWrite(target))
      try {
        const [state] = await session.query<ServerState & pg.QueryResultRow>('asking what kind of server it is', SERVER_STATE)
        if (state === undefined) throw new TypeError('a server says nothing of itself')
        return { session, state, close: () => session.close() }
      } catch (error) {
        await session.close()
        throw error
      }
    },
  })
  return session
}

async function connect(options: SessionOptions, toWrite: boolean): Promise<Session> {
  const session = new ClientSession(options, toWrite)
  await session.connect()
  return session
}

class ClientSession implements Session {
  private readonly client: pg.Client
  private readonly socket = new Socket()
  private readonly options: SessionOptions
  /** Of no use at a server that takes no writes any more. */
  private readonly toWrite: boolean
  /** Why the connection is gone. */
  private loss: Error | undefined
  private connected = false
  /**
   * Exchanges take turns here. The driver's own queue is deprecated, and time spent in it would
   * count as the server's silence.
   */
  private turn: Promise<unknown> = Promise.resolve()

  constructor(options: SessionOptions, toWrite: boolean) {
    this.options = options
    this.toWrite = toWrite
    const { statement_timeout, lock_timeout, idle_in_transaction_session_timeout, ...settings } = settingsOf(options)
    this.client = new pg.Client({
      ...clientSettings(options.url),
      application_name: options.applicationName,
      options: Object.entries(settings)
        .map(([name, value]) => `-c ${name}=${value}`)
        .join(' '),
      statement_timeout,
      lock_timeout,
      idle_in_transaction_session_timeout,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      // We make the socket, so that we can cut the connection: the driver's own timeouts leave a
      // COPY waiting.
      stream: () => this.socket,
    })
    this.client.setTypeParser(INT8, BigInt)
    this.client.on('error', (error) => this.lose(error))
    this.client.on('end', () => this.lose(new Error('the connection ended')))
  }

  get lost(): boolean {
    return this.loss !== undefined
  }

  async connect(): Promise<void> {
    const timeoutMs = this.options.connectTimeoutMs ?? 5_000
    try {
      await this.answer(`connecting to the database at ${shownAddress(this.options.url)}`, timeoutMs, () => this.client.connect())
      this.connected = true
      await this.checkPooler(timeoutMs)
    } catch (error) {
      // If the server or the driver refuses, the socket is still open.
      this.socket.destroy()
      if (error instanceof ConnectorError && error.code === PROTOCOL_VIOLATION)
        throw new ConnectorError(
          'pooler',
          false,
          'connecting to the database, with a connection pooler in between that does not take it',
          error,
        )
      throw error
    }
  }

  private async checkPooler(timeoutMs: number): Promise<void> {
    const { processID: announced } = this.client as unknown as { readonly processID: number | null }
    const found = await detectPooler({
      backend: async () => (await this.query<{ pid: number }>('asking which process answers', 'SELECT pg_backend_pid() AS pid'))[0]?.pid,
      announced: announced ?? undefined,
      url: this.options.url,
      timeoutMs,
    })
    if (found === 'none') return
    // A pooler of sessions ignores the settings that a client asks for when it connects.
    const settings = Object.entries(settingsOf(this.options)).map(([name, value]) => `SET ${name} = '${value}'`)
    await this.script('setting up a session behind a pooler', settings.join('; '))
  }

  async query<Row extends pg.QueryResultRow>(doing: string, text: string, values: readonly unknown[] = []): Promise<readonly Row[]> {
    const result = await this.answer(doing, this.answerTimeoutMs, () => this.client.query<Row>(text, [...values]))
    return result.rows
  }

  async script(doing: string, text: string): Promise<readonly number[]> {
    return (await this.results(doing, text)).map(({ rowCount }) => rowCount ?? 0)
  }

  async commit(doing: string, before = ''): Promise<void> {
    const results = await this.results(doing, `${before}; COMMIT`)
    if (results.at(-1)?.command !== 'COMMIT')
      throw new ConnectorError('25P02', false, `${doing}: the transaction had failed and was rolled back`)
  }

  private async results(doing: string, text: string): Promise<readonly pg.QueryResult[]> {
    // The driver's types do not say that several statements give an array of results.
    const results: pg.QueryResult | pg.QueryResult[] = await this.answer(doing, this.answerTimeoutMs, () => this.client.query(text))
    return Array.isArray(results) ? results : [results]
  }

  copy(doing: string, text: string, stream: Buffer): Promise<number> {
    return this.answer(
      doing,
      this.answerTimeoutMs,
      () =>
        new Promise<number>((resolve, reject) => {
          const copy = this.client.query(copyFrom(text))
          // `on`, not `once`: after the server's error the stream also finds its connection gone at
          // its end, and emits that too.
          copy.on('error', reject)
          copy.once('finish', () => resolve(copy.rowCount))
          // One write: many small ones are slow (node-pg-copy-streams issue 127).
          copy.end(stream)
        }),
    )
  }

  copyIn(doing: string, text: string, stream: Readable): Promise<number> {
    return this.answer(doing, this.answerTimeoutMs, async () => {
      const copy = this.client.query(copyFrom(text))
      // As in `copy`.
      copy.on('error', () => undefined)
      await pipeline(stream, copy)
      return copy.rowCount
    })
  }

  copyOut(doing: string, text: string, take: (stream: Readable) => Promise<void>): Promise<void> {
    return this.answer(doing, this.answerTimeoutMs, async () => {
      const stream = this.client.query(copyTo(text))
      // Of an error that comes when nobody reads any more.
      stream.on('error', () => undefined)
      try {
        await take(stream)
      } catch (error) {
        this.lose(error instanceof Error ? error : new Error(String(error)))
        this.socket.destroy()
        throw error
      }
    })
  }

  watch(watcher: { readonly notified: (payload: string, channel: string) => void; readonly lost: () => void }): void {
    this.client.on('notification', ({ payload, channel }) => watcher.notified(payload ?? '', channel))
    this.client.once('end', watcher.lost)
  }

  async close(): Promise<void> {
    if (this.lost) {
      this.socket.destroy()
      return
    }
    this.loss = new Error('the session was closed')
    const cut = setTimeout(() => this.socket.destroy(), 1_000)
    await this.client.end()
    clearTimeout(cut)
  }

  private get answerTimeoutMs(): number {
    return this.options.answerTimeoutMs ?? 45_000
  }

  private lose(error: Error): void {
    this.loss ??= error
  }

  private answer<Result>(doing: string, timeoutMs: number, exchange: () => Promise<Result>): Promise<Result> {
    const mine = this.turn.then(() => this.exchange(doing, timeoutMs, exchange))
    // The next one goes ahead even if this one fails; its error goes to its own caller.
    this.turn = mine.catch(() => undefined)
    return mine
  }

  /**
   * Runs one exchange with the server. If no answer comes, it cuts the connection. It says whose
   * problem an error is.
   */
  private async exchange<Result>(doing: string, timeoutMs: number, exchange: () => Promise<Result>): Promise<Result> {
    let late = false
    const cut = (): void => {
      late = true
      this.lose(new Error(`no answer within ${timeoutMs} ms`))
      this.socket.destroy()
    }
    const timer = timeoutMs > 0 ? setTimeout(cut, timeoutMs) : undefined
    try {
      return await exchange()
    } catch (error) {
      if (this.toWrite && errorCode(error) === READ_ONLY) {
        // Another server has become the primary: the next session looks for it.
        this.lose(new Error('the server takes no writes any more'))
        this.socket.destroy()
      }
      throw this.explained(doing, late ? this.loss : error, late)
    } finally {
      clearTimeout(timer)
    }
  }

  private explained(doing: string, error: unknown, late: boolean): ConnectorError {
    if (late) return new ConnectorError('ETIMEDOUT', true, doing, error)
    // Of whoever takes what a COPY gives.
    if (error instanceof ConnectorError) return error
    if (error instanceof pg.DatabaseError && error.code !== undefined) {
      return new ConnectorError(error.code, blame(error.code) === 'database', doing, error)
    }
    const code = errorCode(error)
    if (code !== undefined && isNetworkError(code)) return new ConnectorError(code, true, doing, error)
    // The driver's errors for a connection that ended have no code; the session's own state tells.
    if (this.lost || (!this.connected && this.socket.destroyed)) {
      return new ConnectorError(errorCode(this.loss) ?? CONNECTION_LOST, true, doing, this.loss ?? error)
    }
    return new ConnectorError(code ?? 'unexpected', false, doing, error)
  }
}

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
