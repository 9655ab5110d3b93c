import { ConnectorError } from '../contract.ts'
import { openSession, type Session, type SessionOptions } from './session.ts'

/**
 * A database through one connection at a time. It is opened when it is needed, and again after it
 * was lost.
 */
export interface Database extends AsyncDisposable {
  /**
   * Runs work with the session, one piece after the other. If work throws, the connection is
   * closed, so that no transaction, lock or half-sent COPY is left over.
   */
  use<Result>(work: (session: Session) => Promise<Result>): Promise<Result>
}

export interface DatabaseOptions extends SessionOptions {
  /** Prepares each new session: temporary tables, LISTEN. */
  readonly prepare?: (session: Session) => Promise<void>
}

export function createDatabase(options: DatabaseOptions): Database {
  let current: Session | undefined
  let turn: Promise<unknown> = Promise.resolve()
  let disposed = false

  const ready = async (): Promise<Session> => {
    if (disposed) throw new ConnectorError('disposed', false, 'using a database after its disposal')
    if (current !== undefined && !current.lost) return current
    current = undefined
    const session = await openSession(options)
    try {
      await options.prepare?.(session)
    } catch (error) {
      await session.close()
      throw error
    }
    current = session
    return session
  }

  const run = async <Result>(work: (session: Session) => Promise<Result>): Promise<Result> => {
    const session = await ready()
    try {
      return await work(session)
    } catch (error) {
      current = undefined
      await session.close()
      throw error
    }
  }

  return {
    use(work) {
      const result = turn.then(() => run(work))
      // The next turn starts even if this one fails; its error goes to its own caller.
      turn = result.catch(() => undefined)
      return result
    },
    async [Symbol.asyncDispose]() {
      disposed = true
      await turn
      await current?.close()
      current = undefined
    },
  }
}
