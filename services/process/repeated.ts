import { type Backoff, Failures } from '../../connectors/backoff.ts'
import type { Clock } from '../../connectors/clock.ts'
import type { Log } from '../../connectors/contract.ts'

export interface RepeatedOptions {
  /** What is done, for the log and health. */
  readonly doing: string
  /** Returns whether there may be more to do at once. It should end soon after an abort. */
  readonly work: (signal: AbortSignal) => Promise<boolean>
  /** Pause if there is nothing more to do. */
  readonly everyMs: number
  /**
   * Work that costs CPU gets at most a twentieth of the time: the pause is longer after work that
   * took long, by half a minute at most. Absent for work that mostly waits for others.
   */
  readonly sparing?: true
  readonly clock: Clock
  readonly log: Log
  /** Health: null while all is well, else what is wrong. */
  readonly problem: (what: string | null) => void
}

/** Pauses of sparing work, as multiples of what the work took. */
const PAUSES_PER_WORK = 19
/** The work may have taken long because the database was away. */
const LONGEST_PAUSE_MS = 30_000
const BACKOFF: Backoff = { baseMs: 500, maxMs: 30_000 }

/**
 * Does work over and over, beside what the service does else. An error ends nothing: the work is
 * tried again after 0.5 to 30 s, and health says why. Disposing waits for what is under way.
 */
export function repeated({ doing, work, everyMs, sparing, clock, log, problem }: RepeatedOptions): AsyncDisposable {
  const stop = new AbortController()
  let failures = new Failures(clock, BACKOFF)

  async function once(): Promise<number> {
    try {
      const began = clock.monotonicMs()
      const more = await work(stop.signal)
      if (failures.count > 0) log.info(`${doing}: it works again`, { attempts: failures.count })
      failures = new Failures(clock, BACKOFF)
      problem(null)
      if (more) return 0
      return sparing ? Math.max(everyMs, Math.min(LONGEST_PAUSE_MS, PAUSES_PER_WORK * (clock.monotonicMs() - began))) : everyMs
    } catch (cause) {
      if (stop.signal.aborted) return 0
      const message = cause instanceof Error ? cause.message : String(cause)
      const pauseMs = failures.next()
      log.warn(`${doing}: not possible now; trying again`, { cause: message, attempt: failures.count, pauseMs })
      problem(`${doing}: ${message}`)
      return pauseMs
    }
  }

  async function run(): Promise<void> {
    while (!stop.signal.aborted) {
      const pauseMs = await once()
      if (stop.signal.aborted) return
      await clock.delay(pauseMs, stop.signal).catch(() => undefined)
    }
  }

  const running = run()
  return {
    async [Symbol.asyncDispose]() {
      stop.abort()
      await running
    },
  }
}
