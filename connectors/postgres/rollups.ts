import { createDatabase } from './database.ts'
import { rollupSizes } from './rollup-size.ts'
import { ROLLUP_LOCK } from './rollup-work.ts'
import type { Session } from './session.ts'

export interface RollupOptions {
  readonly url: string
  /** How long an hour that is over waits for more late readings before it is read again. */
  readonly settleMs?: number
  /** How often the hour that goes on is brought up to date. */
  readonly openEveryMs?: number
}

/** What a turn of the job did. */
export interface RollupTurn {
  /** False if another instance works on the roll-ups: then nothing was done. */
  readonly ours: boolean
  /** Whether there is more that is due. */
  readonly more: boolean
}

/** Whole days that roll-ups are kept after their end; undefined: for ever. */
export interface RollupRetention {
  readonly hourlyDays: number | undefined
  readonly dailyDays: number | undefined
}

/**
 * The job that brings roll-ups up to date. Any number of instances may run: one works at a time.
 */
export interface Rollups extends AsyncDisposable {
  /**
   * Does a bounded part of what is due, in short transactions. A turn that is killed leaves each of
   * them done or not done.
   */
  turn(): Promise<RollupTurn>
  /**
   * Drops roll-ups of one day that are old enough: those of hours once all readings of the day are
   * gone, those of the day once its hours are. What changes at the time is left for later.
   * @returns how many days were dropped: there may be more if it is not 0
   */
  drop(retention: RollupRetention): Promise<number>
  /** Hours of devices that are not up to date, as of the last turn. */
  pending(): Promise<number>
}

const SETTLE_MS = 15_000
const OPEN_EVERY_MS = 60_000
/** Marks taken in a transaction. A mark may have 10,000 devices. */
const MOST_MARKS = 200
/** Most days of devices that are brought up to date in a transaction. */
const MOST_DAYS = 100
/** By the planner's estimates the queries would be compiled, which takes longer than the work. */
const SETTINGS = 'SET jit = off'

export function openRollups({ url, settleMs = SETTLE_MS, openEveryMs = OPEN_EVERY_MS }: RollupOptions): Rollups {
  const database = createDatabase({
    url,
    applicationName: 'millrace roll-ups',
    statementTimeoutMs: 300_000,
    answerTimeoutMs: 330_000,
    // What a crash takes back is done again: the marks come back with it.
    synchronousCommit: 'off',
    prepare: async (session) => void (await session.script('preparing the session of the roll-ups', SETTINGS)),
  })
  /**
   * Calls a function of the database in a transaction, under the lock. Undefined if another has the
   * lock.
   */
  const alone = async (session: Session, call: string): Promise<number | undefined> => {
    await session.script('working on the roll-ups', 'BEGIN')
    const [lock] = await session.query<{ ours: boolean }>(
      'locking the roll-ups',
      `SELECT pg_try_advisory_xact_lock(${ROLLUP_LOCK}) AS ours`,
    )
    if (lock?.ours !== true) {
      await session.script('leaving the roll-ups to another instance', 'ROLLBACK')
      return undefined
    }
    // A statement after the lock: its snapshot has what the owner before committed.
    const [row] = await session.query<{ done: bigint }>('working on the roll-ups', `SELECT ${call} AS done`)
    await session.commit('working on the roll-ups')
    return Number(row?.done ?? 0)
  }
  const nextSize = rollupSizes()
  let mostHours = nextSize()
  return {
    turn: () =>
      database.use(async (session) => {
        const marks = await alone(
          session,
          `rollup_take_marks(${MOST_MARKS}, ${settleMs} * interval '1 ms', ${openEveryMs} * interval '1 ms')`,
        )
        const asked = mostHours
        const begunMs = performance.now()
        const hours = marks === undefined ? undefined : await alone(session, `rollup_hours(${asked})`)
        mostHours = nextSize({ asked, done: hours ?? 0, tookMs: performance.now() - begunMs })
        const days = hours === undefined ? undefined : await alone(session, `rollup_days(${MOST_DAYS})`)
        if (marks === undefined || hours === undefined || days === undefined) return { ours: false, more: false }
        return { ours: true, more: marks === MOST_MARKS || hours === asked || days === MOST_DAYS }
      }),
    drop: ({ hourlyDays, dailyDays }) =>
      database.use(async (session) => {
        let dropped = 0
        if (hourlyDays !== undefined) dropped += (await alone(session, `rollup_drop_hours(${hourlyDays})`)) ?? 0
        if (dailyDays !== undefined) dropped += (await alone(session, `rollup_drop_days(${dailyDays})`)) ?? 0
        return dropped
      }),
    pending: () =>
      database.use(async (session) => {
        const [row] = await session.query<{ hours: bigint }>(
          'counting what roll-ups are behind',
          'SELECT count(*) AS hours FROM rollup_pending',
        )
        return Number(row?.hours ?? 0n)
      }),
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  }
}
