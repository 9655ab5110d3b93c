import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import type { BackendName } from '../../connectors/postgres/backend.ts'
import { differences } from '../pipeline/rollup-oracle.ts'

/** The roll-ups, and the newest readings, beside a recomputation from table readings. */
export interface RollupFindings {
  readonly backend: BackendName
  /** Hours, and days, of devices. */
  readonly hours: number
  readonly days: number
  /** Devices with newest readings. */
  readonly devices: number
  /** Hours of devices that the views had to compute when they were compared first. */
  readonly behind: number
  /** Until nothing was left for the job to do. */
  readonly caughtUpSeconds: number
  /** What is not as a recomputation has it. */
  readonly wrong: readonly string[]
}

/**
 * The job lets a settled hour wait for 15 s and one that goes on for 60 s: nothing less for so long
 * means that it stands.
 */
const STUCK_MS = 180_000
const POLL_MS = 500

/**
 * Compares twice: at once, while views compute what the job has not kept yet, and once all is kept.
 * To be called when nothing is stored any more, while the store runs.
 */
export async function checkRollups(url: string, signal: AbortSignal): Promise<RollupFindings> {
  const client = new pg.Client(url)
  await client.connect()
  const count = async (rows: string): Promise<number> =>
    Number((await client.query<{ count: string }>(`SELECT count(*) FROM ${rows}`)).rows[0]?.count)
  try {
    await client.query("SET timezone = 'UTC'; SET work_mem = '256MB'; SET jit = off")
    const behind = await count('rollup_dirty_hours')
    const wrong = (await differences(client)).map((what) => `while the job is ${behind} hours behind: ${what}`)
    const beganMs = performance.now()
    let left = await leftToDo(count)
    for (let sinceMs = beganMs; left > 0; ) {
      if (performance.now() - sinceMs > STUCK_MS) {
        wrong.push(`the job of the roll-ups has left ${left} things undone, and did nothing for ${STUCK_MS / 1000} s`)
        break
      }
      await delay(POLL_MS, undefined, { signal })
      const now = await leftToDo(count)
      if (now !== left) sinceMs = performance.now()
      left = now
    }
    const caughtUpSeconds = Math.round((performance.now() - beganMs) / 1000)
    wrong.push(...(await differences(client)).map((what) => `once all is kept: ${what}`))
    const partitioned = await count("pg_class WHERE oid = 'readings'::regclass AND relkind = 'p'")
    return {
      backend: partitioned > 0 ? 'postgres' : 'timescaledb',
      hours: await count('readings_hourly'),
      days: await count('readings_daily'),
      devices: await count('latest_readings'),
      behind,
      caughtUpSeconds,
      wrong,
    }
  } finally {
    await client.end()
  }
}

/** A day that goes on is summed up once it is over: until then the view does that. */
async function leftToDo(count: (rows: string) => Promise<number>): Promise<number> {
  return (
    (await count('rollup_mark')) +
    (await count('rollup_pending')) +
    (await count("rollup_pending_day WHERE due_at < now() + interval '1 minute'"))
  )
}
