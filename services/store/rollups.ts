import type { Clock } from '../../connectors/clock.ts'
import type { Log } from '../../connectors/contract.ts'
import { openRollups } from '../../connectors/postgres/rollups.ts'
import { type Config, rollupRetention } from '../config.ts'
import { repeated } from '../process/repeated.ts'
import type { StoreCounters } from './counters.ts'

export interface RollupJobOptions {
  readonly config: Config
  readonly counters: StoreCounters
  readonly clock: Clock
  readonly log: Log
  /** Health: null while all is well, else what is wrong. */
  readonly problem: (what: string | null) => void
}

const EVERY_MS = 2_000
/** It rests so many times as long as it worked: writers have the rest of the time. */
const REST = 4
/** Between two looks for roll-ups that are old enough to be dropped. */
const DROP_EVERY_MS = 600_000

/**
 * Brings roll-ups up to date, and drops those that retention lets go. If it falls behind, nothing
 * is wrong in the views: they compute what it has not kept yet, and take longer.
 */
export function startRollups({ config, counters, clock, log, problem }: RollupJobOptions): AsyncDisposable {
  if (config.store.rollups === 'none') return { async [Symbol.asyncDispose]() {} }
  const rollups = openRollups({ url: config.env.TELEMETRY_DATABASE_URL })
  const retention = rollupRetention(config)
  let droppedMs = Number.NEGATIVE_INFINITY
  /** @returns whether there may be more */
  const drop = async (): Promise<boolean> => {
    if (clock.monotonicMs() - droppedMs < DROP_EVERY_MS) return false
    const days = await rollups.drop(retention)
    counters.rollupDaysDropped += days
    if (days > 0) return true
    droppedMs = clock.monotonicMs()
    return false
  }
  const running = repeated({
    doing: 'bringing roll-ups up to date',
    everyMs: EVERY_MS,
    clock,
    log,
    problem,
    async work(signal) {
      const begunMs = clock.monotonicMs()
      const { more: due } = await rollups.turn()
      const more = (await drop()) || due
      if (more) await clock.delay(REST * (clock.monotonicMs() - begunMs), signal).catch(() => undefined)
      else counters.rollupPending = await rollups.pending()
      return more
    },
  })
  return {
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]()
      await rollups[Symbol.asyncDispose]()
    },
  }
}
