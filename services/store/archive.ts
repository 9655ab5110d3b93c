import { spawn } from 'node:child_process'
import { setPriority } from 'node:os'
import { createInterface } from 'node:readline'
import type { Clock } from '../../connectors/clock.ts'
import type { Log } from '../../connectors/contract.ts'
import type { ArchiveEvent } from '../../processors/store/archive-event.ts'
import { repeated } from '../process/repeated.ts'

export interface ArchiveJobOptions {
  /** Whether a run would do something. */
  readonly due: () => Promise<boolean>
  /**
   * The program of a run, and its arguments. It gives an `ArchiveEvent` a line. It may be killed at
   * any moment.
   */
  readonly command: readonly [program: string, ...args: string[]]
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
/** It yields to everything else of this machine. */
const NICENESS = 15
/** Of what a run says, so much is in health. */
const MOST_SAID = 5
/** Of what it writes on standard error, so much is kept. */
const MOST_ERROR_CHARACTERS = 2_000

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
      if (await due()) await run(options.command, note, signal)
      return false
    },
  })
  return { figures: () => figures, [Symbol.asyncDispose]: () => running[Symbol.asyncDispose]() }
}

/** @throws Error with the last that the run wrote, if it failed as a whole */
async function run(
  [program, ...args]: ArchiveJobOptions['command'],
  note: (event: ArchiveEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise<string | number>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, killed) => resolve(code ?? killed ?? 'unknown'))
  })
  const stop = (): void => void child.kill('SIGKILL')
  signal.addEventListener('abort', stop)
  try {
    yieldToOthers(child.pid)
    let errors = ''
    child.stderr.on('data', (chunk: Buffer) => {
      errors = (errors + String(chunk)).slice(-MOST_ERROR_CHARACTERS)
    })
    const reading = (async () => {
      for await (const line of createInterface(child.stdout)) note(JSON.parse(line) as ArchiveEvent)
    })()
    const [code] = await Promise.all([ended, reading])
    // 1: it has said which days failed.
    if (code !== 0 && code !== 1 && !signal.aborted) throw new Error(`the run ended with ${code}: ${errors.trim()}`)
  } finally {
    signal.removeEventListener('abort', stop)
    stop()
  }
}

function yieldToOthers(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    setPriority(pid, NICENESS)
  } catch (error) {
    // It has ended already; its exit code says why.
    if (!(error instanceof Error && 'code' in error && error.code === 'ERR_SYSTEM_ERROR')) throw error
  }
}
