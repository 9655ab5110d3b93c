import { setTimeout as delay } from 'node:timers/promises'
import { shownAddress } from '../../processors/address.ts'
import { ConnectorError, isTransient } from '../contract.ts'
import { chooseServer, type ServerState, unfit } from './server-choice.ts'
import type { Target } from './servers.ts'

/** A session at one of the servers. */
export interface Opened {
  readonly state: ServerState
  close(): Promise<void>
}

export interface SeveralServers<Session extends Opened> {
  readonly urls: readonly string[]
  readonly target: Target
  /** Connects, within a time of its own. */
  readonly open: (url: string) => Promise<Session>
  /** How long the others may take once one of them will do. */
  readonly graceMs?: number
}

const GRACE_MS = 1_000
/** SQLSTATE read_only_sql_transaction: all that answered are not as asked. */
export const READ_ONLY = '25006'

/**
 * The newest timeline that this process has been with, by servers. An old primary that answers
 * alone, while the promoted server is away for a moment, must not be taken for it. It is a fact
 * about servers, not about a connection, so all connections share it.
 */
const newestTimelines = new Map<string, number>()

/**
 * Opens a session at the server that is as asked. All are asked at the same time, so that it takes
 * no longer than one, and an old primary is seen beside the new one. The other sessions are closed.
 * @throws ConnectorError that says of each server why it is not it; transient if waiting may help
 */
export async function openOneOf<Session extends Opened>(servers: SeveralServers<Session>): Promise<Session> {
  const { urls, target, open, graceMs = GRACE_MS } = servers
  const sessions: (Session | undefined)[] = urls.map(() => undefined)
  const failures: unknown[] = urls.map(() => undefined)
  const grace = new AbortController()
  let [found, decided]: [() => void, boolean] = [() => undefined, false]
  const oneWillDo = new Promise<void>((resolve) => {
    found = resolve
  })
  const attempts = urls.map(async (url, index) => {
    try {
      const session = await open(url)
      if (decided) return await session.close()
      sessions[index] = session
      if (unfit(target, session.state) === undefined) found()
    } catch (cause) {
      failures[index] = cause
    }
  })
  const late = oneWillDo.then(() => delay(graceMs, undefined, { signal: grace.signal })).catch(() => undefined)
  await Promise.race([Promise.all(attempts), late])
  decided = true
  grace.abort()
  const states = sessions.map((session) => session?.state)
  const key = urls.map(hostOf).join(',')
  const newest = newestTimelines.get(key) ?? 0
  const choice = chooseServer(target, states, newest)
  const chosen = choice.tag === 'server' ? sessions[choice.index] : undefined
  await Promise.all(sessions.map((session) => (session === chosen ? undefined : session?.close())))
  if (chosen !== undefined) {
    newestTimelines.set(key, Math.max(newest, chosen.state.timeline ?? 0))
    return chosen
  }
  const reasons = choice.tag === 'none' ? choice.reasons : []
  const told = urls.map((url, index) => `${hostOf(url)} ${reasons[index] ?? failureOf(failures[index])}`)
  const failed = failures.filter((cause) => cause !== undefined)
  const first = failed.find(isTransient) ?? failed[0]
  // A server that answers may become what is asked for: the next primary, as a rule.
  const answered = states.some((state) => state !== undefined)
  throw new ConnectorError(
    first instanceof ConnectorError ? first.code : READ_ONLY,
    answered || isTransient(first),
    `connecting to the database: no server is as ${target} asks for`,
    new AggregateError(failed, told.join('; ')),
  )
}

/** host:port of an address of one server. */
function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : shownAddress(url)
}

function failureOf(cause: unknown): string {
  if (cause === undefined) return 'has not answered yet'
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  return `cannot be reached (${inner instanceof Error ? inner.message : String(inner)})`
}
