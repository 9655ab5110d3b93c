import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { shownAddress } from '../../processors/address.ts'
import { ConnectorError, type Log } from '../contract.ts'
import { openSession, type Session } from './session.ts'

const ANSWER_TIMEOUT_MS = 5_000
/** How long to wait for a notification of our own. It comes with the answer, or a moment later. */
const PROBE_MS = 2_000

export interface ListenOptions {
  readonly url: string
  /** Shown in pg_stat_activity. */
  readonly applicationName: string
  /** What is read, for messages: `devices`. */
  readonly what: string
  readonly log: Log
  readonly signal: AbortSignal
  /** Channels of notifications, which are names of SQL. */
  readonly channels: readonly string[]
  /** Reads everything. */
  readonly load: (session: Session) => Promise<void>
  readonly notified: (session: Session, payload: string, channel: string) => void
  readonly lost: (session: Session) => void
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number
}

/** A session that has read everything, and hears of changes. */
export interface Listener {
  readonly session: Session
  /**
   * False if notifications do not come, as through some poolers and proxies. Then changes must be
   * asked for.
   */
  readonly notifies: boolean
  /** As of when the cache is right. */
  readonly readAtMs: number
}

/** Listens first and then reads. So a change in between is notified, and read again. */
export async function listen({
  url,
  applicationName,
  what,
  log,
  signal,
  channels,
  load,
  notified,
  lost,
  now,
}: ListenOptions): Promise<Listener> {
  const session = await openSession({
    url,
    applicationName,
    answerTimeoutMs: ANSWER_TIMEOUT_MS,
    statementTimeoutMs: ANSWER_TIMEOUT_MS,
  })
  try {
    const probe = `millrace_probe_${randomBytes(6).toString('hex')}`
    let probed: () => void = () => undefined
    const arrived = new Promise<true>((resolve) => {
      probed = () => resolve(true)
    })
    session.watch({
      notified: (payload, channel) => {
        if (channel === probe) return probed()
        notified(session, payload, channel)
      },
      lost: () => lost(session),
    })
    await session.script(`listening for changes of ${what}`, [...channels, probe].map((channel) => `LISTEN ${channel}`).join('; '))
    await session.script('trying a notification', `NOTIFY ${probe}`)
    const notifies = (await Promise.race([arrived, delay(PROBE_MS, false as const, { signal })])) === true
    if (!notifies)
      log.warn(`the database is not heard: is a pooler or proxy in between? All ${what} are read again every second instead`, {
        url: shownAddress(url),
      })
    await session.script('trying a notification', `UNLISTEN ${probe}`)
    const readAtMs = now()
    await load(session)
    signal.throwIfAborted()
    if (session.lost) throw new ConnectorError('connection-lost', true, `listening for changes of ${what}`)
    return { session, notifies, readAtMs }
  } catch (error) {
    await session.close()
    throw error
  }
}
