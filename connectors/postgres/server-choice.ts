import type { Target } from './servers.ts'

/** What a server says of itself. */
export interface ServerState {
  readonly standby: boolean
  /** Whether transactions are read-only unless they say otherwise, as on every standby. */
  readonly readOnly: boolean
  /** Each promotion begins the next one; null on a standby. */
  readonly timeline: number | null
  /** To the microsecond: it tells a server from another one, whatever names it has. */
  readonly startedAt: string
}

export const SERVER_STATE = `SELECT standby, current_setting('transaction_read_only') = 'on' AS "readOnly",
    CASE WHEN NOT standby THEN ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END AS timeline,
    pg_postmaster_start_time()::text AS "startedAt"
  FROM pg_is_in_recovery() AS standby`

export type Choice =
  | { readonly tag: 'server'; readonly index: number }
  /** Why each of the servers is not it; undefined for one that did not answer. */
  | { readonly tag: 'none'; readonly reasons: readonly (string | undefined)[] }

/**
 * The server to take, the first one that is as asked. If it is to take what is written, the one of
 * the newest timeline counts alone: an old primary that came back after another server was promoted
 * is writable too. Two that are writable in one timeline were promoted beside each other, and
 * nobody can tell which one it is: neither counts.
 * @param states in the order of the address; undefined for a server that has not answered
 * @param newest the newest timeline seen so far, 0 if none
 */
export function chooseServer(target: Target, states: readonly (ServerState | undefined)[], newest: number): Choice {
  const reasons = states.map((state) => (state === undefined ? undefined : unfit(target, state)))
  const fit = states.flatMap((state, index) => (state !== undefined && reasons[index] === undefined ? [{ state, index }] : []))
  const [first] = fit
  if (first === undefined) {
    // A standby is only preferred: any other is better than none.
    const other = states.findIndex((state) => state !== undefined)
    return target === 'prefer-standby' && other !== -1 ? { tag: 'server', index: other } : { tag: 'none', reasons }
  }
  if (!asksToWrite(target)) return { tag: 'server', index: first.index }
  const timeline = Math.max(newest, ...fit.map(({ state }) => state.timeline ?? 0))
  const current = fit.filter(({ state }) => state.timeline === timeline)
  const started = new Set(current.map(({ state }) => state.startedAt))
  if (current[0] !== undefined && started.size === 1) return { tag: 'server', index: current[0].index }
  return {
    tag: 'none',
    reasons: states.map((state, index) => {
      if (state === undefined || reasons[index] !== undefined) return reasons[index]
      if (state.timeline === timeline) return `is not the only one that is writable in timeline ${timeline}`
      return `is an old primary: its timeline is ${state.timeline}, and that of the newest is ${timeline}`
    }),
  }
}

/** Whether a session is of no use once its server takes no writes. */
export function asksToWrite(target: Target): boolean {
  return target === 'read-write' || target === 'primary'
}

/** Why a server is not as asked; undefined if it is. */
export function unfit(target: Target, { standby, readOnly }: ServerState): string | undefined {
  switch (target) {
    case 'any':
      return undefined
    case 'read-write':
      if (standby) return 'is a standby'
      return readOnly ? 'is read-only for this user' : undefined
    case 'primary':
      return standby ? 'is a standby' : undefined
    case 'read-only':
      return readOnly ? undefined : 'is not read-only'
    case 'standby':
    case 'prefer-standby':
      return standby ? undefined : 'is not a standby'
  }
}
