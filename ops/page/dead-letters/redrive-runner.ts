import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '../../../connectors/contract.ts'
import { type Config, ConfigError } from '../../../services/config.ts'
import { redrivable } from '../../redrive/line.ts'
import { redriveDeadLetters } from '../../redrive/redrive.ts'
import { RedriveReport } from '../../redrive/report.ts'
import type { RedriveRequest, RedriveRunState } from './messages.ts'

/** A dry run this old says little of what a redrive would do now. */
const DRY_RUN_MS = 15 * 60_000
/** How long a run may take to finish what is under way, when the page ends. */
const STOP_MS = 10_000
/** As `millrace redrive` has it without an option. */
const MAX_ATTEMPTS = 5

/** Redrives that are begun on the page: one at a time, each after a dry run of the same. */
export interface RedriveRunner extends AsyncDisposable {
  /** Of the newest run; null before the first. */
  readonly state: RedriveRunState | null
  /**
   * Begins a run, and does not wait for its end.
   * @throws ConfigError if one is under way, there is no such processor, or no dry run came before
   */
  begin(request: RedriveRequest): Promise<void>
  /** Ends the run after the dead letters that are under way. */
  stop(): void
}

interface Run {
  readonly request: RedriveRequest
  readonly began: number
  readonly report: RedriveReport
  readonly stopping: AbortController
  readonly abort: AbortController
  ended: number | null
  lines: readonly string[]
  problem: string | null
  done: Promise<void>
}

export interface RedriveRunnerOptions {
  /** With the addresses of whoever may write. */
  readonly config: Config
  readonly by: string
  readonly log: Log
  readonly explain: (cause: unknown) => string
  /** For tests. */
  readonly redrive?: typeof redriveDeadLetters
  readonly find?: typeof redrivable
}

export function createRedriveRunner(options: RedriveRunnerOptions): RedriveRunner {
  const { config, by, log, explain, redrive = redriveDeadLetters, find = redrivable } = options
  let run: Run | undefined
  /** The last dry run that came to its end. */
  let tried: { readonly request: RedriveRequest; readonly at: number } | undefined

  return {
    get state() {
      if (run === undefined) return null
      const { request, began, ended, report, lines, problem } = run
      return { ...request, began, ended, seen: report.deadLetters, lines, problem }
    },
    async begin(request) {
      const { processor, reason, device, dryRun } = request
      const service = await find(config, processor)
      if (run !== undefined && run.ended === null) throw new ConfigError('a redrive of this page is under way: wait for it, or stop it')
      if (!dryRun && !(tried !== undefined && isSame(tried.request, request) && Date.now() - tried.at < DRY_RUN_MS))
        throw new ConfigError('expected a dry run of the same first')
      const mine: Run = {
        request,
        began: Date.now(),
        report: new RedriveReport(),
        stopping: new AbortController(),
        abort: new AbortController(),
        ended: null,
        lines: [],
        problem: null,
        done: Promise.resolve(),
      }
      run = mine
      tried = undefined
      const work = async (): Promise<void> => {
        try {
          const { ending, lines } = await redrive(
            {
              config,
              service,
              filter: { ...(reason === null ? {} : { reason }), ...(device === null ? {} : { device }) },
              rate: null,
              maxAttempts: MAX_ATTEMPTS,
              dryRun,
              by,
              log,
              stopping: mine.stopping.signal,
              signal: mine.abort.signal,
            },
            mine.report,
          )
          mine.lines = ending === 'finished' ? lines : [...lines, 'It was stopped before its end.']
          if (dryRun && ending === 'finished') tried = { request, at: Date.now() }
        } catch (cause) {
          mine.problem = explain(cause)
        } finally {
          mine.ended = Date.now()
        }
      }
      mine.done = work()
    },
    stop() {
      run?.stopping.abort(new Error('stopped on the page'))
    },
    async [Symbol.asyncDispose]() {
      if (run === undefined || run.ended !== null) return
      run.stopping.abort(new Error('the page ends'))
      if (await Promise.race([run.done.then(() => false), delay(STOP_MS, true, { ref: false })]))
        run.abort.abort(new Error('the page ends'))
      await run.done
    },
  }
}

function isSame(a: RedriveRequest, b: RedriveRequest): boolean {
  return a.processor === b.processor && a.reason === b.reason && a.device === b.device
}
