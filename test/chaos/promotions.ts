import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { createRandom } from './random.ts'
import type { Fault } from './schedule.ts'
import type { DatabasePart, Stack } from './stack.ts'

/** Of a run's main phase: one, and one more for each of these. */
const EVERY_MS = 150_000
/** From the beginning to the end of one: the old primary becomes the new standby. */
const LASTING_MS = 45_000
const PATIENCE_MS = 120_000
const POLL_MS = 250

/** Promotions spread over the phase, in order; what the standby lacks is 1 to 4 s of load. */
export function planPromotions(seed: number, durationMs: number): readonly Fault[] {
  const random = createRandom(seed ^ 0x53544259)
  const count = 1 + Math.floor(Math.max(0, durationMs) / EVERY_MS)
  const share = Math.max(0, durationMs - LASTING_MS) / count
  return Array.from({ length: count }, (_, index) => ({
    kind: 'promote standby',
    atMs: Math.round(share * (index + random.next())),
    forMs: random.whole(0, 3_000),
    lagMs: random.whole(1_000, 4_000),
  }))
}

/**
 * Cuts replication, waits under load, kills the primary, promotes the standby after a while, and
 * makes the former primary its standby. Resolves once that has all that the primary has: what is
 * lost is lost by this fault, and another one finds a standby that follows.
 */
export async function promoteStandby(
  stack: Stack,
  { lagMs, awayMs }: { readonly lagMs: number; readonly awayMs: number },
  sleep: (ms: number) => Promise<void>,
  begin: (text: string) => void,
): Promise<void> {
  const former = stack.primary
  const standby: DatabasePart = former === 'postgres' ? 'standby' : 'postgres'
  await untilFollowed(stack)
  await ask(stack.ports[standby], `ALTER SYSTEM SET primary_conninfo = ''`)
  await ask(stack.ports[standby], 'SELECT pg_reload_conf()')
  for (const deadline = Date.now() + PATIENCE_MS; (await ask(stack.ports[former], 'SELECT FROM pg_stat_replication')).length > 0; )
    await waited('replication is cut', deadline)
  await sleep(lagMs)
  const [lacked] = await ask(stack.ports[standby], 'SELECT pg_last_wal_replay_lsn()::text AS at')
  const [bytes] = await ask(stack.ports[former], `SELECT pg_size_pretty(pg_current_wal_lsn() - '${lacked?.at}'::pg_lsn) AS lacks`)
  await stack.kill(former)
  begin(`${former}, the primary, killed; ${standby}, which lacks ${bytes?.lacks} of what it committed, takes over after ${awayMs} ms`)
  await sleep(awayMs)
  await stack.promoteStandby()
  await stack.start(former)
  await untilFollowed(stack)
}

/** The standby has all that the primary had when this was asked. */
async function untilFollowed(stack: Stack): Promise<void> {
  const port = stack.ports[stack.primary]
  const [now] = await ask(port, 'SELECT pg_current_wal_flush_lsn()::text AS at')
  const following = `SELECT FROM pg_stat_replication WHERE state = 'streaming' AND replay_lsn >= '${now?.at}'::pg_lsn`
  for (const deadline = Date.now() + PATIENCE_MS; (await ask(port, following)).length === 0; ) await waited('the standby follows', deadline)
}

async function waited(what: string, deadline: number): Promise<void> {
  if (Date.now() > deadline) throw new Error(`not within ${PATIENCE_MS / 1000} s: ${what}`)
  await delay(POLL_MS)
}

async function ask(port: number, text: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client(`postgres://postgres@127.0.0.1:${port}/postgres`)
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(text)).rows
  } finally {
    await client.end()
  }
}
