import type { Clock } from '../../connectors/clock.ts'
import type { Log } from '../../connectors/contract.ts'
import type { FramesEvent } from '../../processors/store/frames-event.ts'
import { repeated } from '../process/repeated.ts'
import { type OwnCommand, runOwn } from './own-process.ts'

export interface FramesArchiveOptions {
  /** Whether a run would do something. */
  readonly due: () => Promise<boolean>
  /** The program of a run: it gives a `FramesEvent` a line. */
  readonly command: OwnCommand
  readonly clock: Clock
  readonly log: Log
  /** Health: null while all is well. */
  readonly problem: (what: string | null) => void
}

/** What was done in this process. */
export interface FramesFigures {
  records: number
  files: number
  /** Offsets that Kafka had no more when they were to be archived. */
  lost: number
  failures: number
}

export interface FramesArchive extends AsyncDisposable {
  figures(): Readonly<FramesFigures>
}

const EVERY_MS = 300_000

/**
 * Archives what devices sent on days that are over, at once and every 5 minutes, in a process of
 * its own. Of several instances one works. An error stops nothing: it is counted, health says it,
 * and the next run tries again.
 */
export function keepFramesArchive({ due, command, clock, log, problem }: FramesArchiveOptions): FramesArchive {
  const figures: FramesFigures = { records: 0, files: 0, lost: 0, failures: 0 }
  let said: string[] = []
  const note = (event: FramesEvent): void => {
    switch (event.event) {
      case 'archived':
        figures.files++
        figures.records += event.records
        log.info('archived frames', { ...event })
        return
      case 'lost':
        figures.lost += Number(BigInt(event.next) - BigInt(event.from))
        log.error('Kafka had deleted records before they were archived', { ...event })
        return
      case 'removed':
        log.info('removed frames from the archive', { name: event.name })
        return
      case 'finished':
        log.info(event.what)
        return
      case 'busy':
        return
      case 'failed':
        figures.failures++
        log.warn('frames are not archived now; the next run tries again', { why: event.why })
        said.push(event.why)
    }
  }
  const running = repeated({
    doing: 'archiving frames',
    everyMs: EVERY_MS,
    clock,
    log,
    problem: (what) => {
      if (what !== null) figures.failures++
      problem(what ?? (said.length === 0 ? null : said.join('; ')))
    },
    async work(signal) {
      said = []
      if (await due()) await runOwn(command, note, signal)
      return false
    },
  })
  return { figures: () => figures, [Symbol.asyncDispose]: () => running[Symbol.asyncDispose]() }
}
