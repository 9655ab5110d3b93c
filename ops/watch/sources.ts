import type { Clock } from '../../connectors/clock.ts'
import type { Log } from '../../connectors/contract.ts'
import type { Health } from '../../services/service.ts'
import type { Figure } from './metrics.ts'

export type Source = 'kafka' | 'broker' | 'telemetry' | 'app'

interface SourcesOptions {
  readonly intervalMs: number
  readonly clock: Pick<Clock, 'monotonicMs' | 'delay'>
  readonly log: Log
  readonly health: Health
}

/** Figures that are older than so many intervals are not known any more. */
const KEPT_INTERVALS = 3
/** Nor are they forgotten because a short interval was missed. */
const LEAST_KEPT_MS = 10_000

/** What one source said, and whether it answers. */
export interface Known {
  readonly source: Source
  /** Whether it answered last time, and lately. */
  readonly up: boolean
  /** Empty if it is not up. */
  figures(): readonly Figure[]
  /** Looks once in an interval until the signal. An outage is said when it begins and ends. */
  keepLooking(signal: AbortSignal): Promise<void>
}

/** Asks each source by itself, so that none waits for another one's outage. */
export class Sources {
  private readonly options: SourcesOptions

  constructor(options: SourcesOptions) {
    this.options = options
  }

  watched(source: Source, look: () => Promise<readonly Figure[]>): Known {
    const { intervalMs, clock, log, health } = this.options
    let last: { readonly figures: readonly Figure[]; readonly atMs: number } | undefined
    let out = false
    const keptMs = Math.max(LEAST_KEPT_MS, KEPT_INTERVALS * intervalMs)
    const current = (): readonly Figure[] | undefined =>
      last === undefined || clock.monotonicMs() - last.atMs > keptMs ? undefined : last.figures

    async function once(signal: AbortSignal): Promise<void> {
      try {
        last = { figures: await look(), atMs: clock.monotonicMs() }
        if (out) log.info('a source answers again', { source })
        if (out) health.set(source, null)
        out = false
      } catch (cause) {
        last = undefined
        if (signal.aborted) return
        const problem = cause instanceof Error ? cause.message : String(cause)
        if (!out) log.warn('a source does not answer; its metrics are absent until it does', { source, cause: problem })
        health.set(source, problem)
        out = true
      }
    }

    return {
      source,
      get up() {
        return current() !== undefined
      },
      figures: () => current() ?? [],
      async keepLooking(signal) {
        while (!signal.aborted) {
          const startedMs = clock.monotonicMs()
          await once(signal)
          const pauseMs = Math.max(0, intervalMs - (clock.monotonicMs() - startedMs))
          await clock.delay(pauseMs, signal).catch(() => undefined)
        }
      },
    }
  }
}
