import type { Clock } from '../../connectors/clock.ts'
import type { Log } from '../../connectors/contract.ts'
import type { ArchiveEvent } from '../../processors/store/archive-event.ts'
import { repeated } from '../process/repeated.ts'
import { type OwnCommand, runOwn } from './own-process.ts'

export interface ArchiveJobOptions {
  /** Whether a run would do something. */
  readonly due: () => Promise<boolean>
  /**
   * The program of a run, and its arguments. It gives an `ArchiveEvent` a line. It may be killed at
   * any moment.
   */
  readonly command: OwnCommand
  readonly clock: Clock
  readonly log: Log
  /** Health: null while all is well. */
  readonly problem: (what: string | null) => void
}

/** What was done in this process. */
export interface ArchiveFigures {
  days: number
  rows: number
  conflicts: number
  removed: number
  failures: number
}

export interface ArchiveJob extends AsyncDisposable {
  figures(): Readonly<ArchiveFigures>
}

const EVERY_MS = 300_000
/** Of what a run says, so much is in health. */
const MOST_SAID = 5

/**
 * Archives days that are due, at once and every 5 minutes, in a process of its own: its memory is
 * not the store's, and neither is its fault. Of several instances one works. An error stops
 * nothing: it is counted, health says it, and the next run tries again.
 */
export function keepArchive(options: ArchiveJobOptions): ArchiveJob {
  const { due, clock, log, problem } = options
  const figures: ArchiveFigures = { days: 0, rows: 0, conflicts: 0, removed: 0, failures: 0 }
  let said: string[] = []
  const note = (event: ArchiveEvent): void => {
    switch (event.event) {
      case 'archived':
        figures.days++
        figures.rows += event.taken
        figures.conflicts += event.conflicts
        log.info('archived a day of readings', { ...event })
        return
      case 'removed':
        figures.removed++
        log.info('removed a day from the archive', { day: event.day })
        return
      case 'finished':
        log.info(event.what)
        return
      case 'busy':
      case 'restored':
        return
      case 'held':
      case 'failed':
        if (event.event === 'failed') figures.failures++
        log.warn('a day of readings is not archived now; the next run tries again', { ...event })
        said.push(event.day === null ? event.why : `${event.day}: ${event.why}`)
    }
  }
  const running = repeated({
    doing: 'archiving readings',
    everyMs: EVERY_MS,
    clock,
    log,
    problem: (what) => {
      if (what !== null) figures.failures++
      const more = said.length > MOST_SAID ? [`and ${said.length - MOST_SAID} more`] : []
      problem(what ?? (said.length === 0 ? null : [...said.slice(0, MOST_SAID), ...more].join('; ')))
    },
    async work(signal) {
      said = []
      if (await due()) await runOwn(options.command, note, signal)
      return false
    },
  })
  return { figures: () => figures, [Symbol.asyncDispose]: () => running[Symbol.asyncDispose]() }
}
