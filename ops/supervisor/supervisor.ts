import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Backoff, Failures } from '../../connectors/backoff.ts'
import { endLeftover } from './leftover.ts'
import { makeWay } from './make-way.ts'
import type { SupervisorEvent } from './supervisor-event.ts'

/** A program that is kept running. */
export interface Program {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly env: NodeJS.ProcessEnv
  /** What it prints is appended here. */
  readonly logFile: string
  /** Holds its PID and nothing else while it runs: `kill -9 $(cat …)`. */
  readonly pidFile: string
  /** 1 to 19: the higher, the less CPU it gets if others need it. */
  readonly niceness?: number
}

export interface SupervisorOptions {
  readonly programs: readonly Program[]
  readonly happened: (event: SupervisorEvent) => void
  /** Gives numbers in [0, 1); Math.random unless told otherwise. */
  readonly random?: () => number
  /** How long a program may take to stop after SIGTERM. */
  readonly graceMs: number
  readonly backoff?: Backoff
}

/** Programs that are running, each started again when it ends. Disposing stops them. */
export interface Supervisor extends AsyncDisposable {
  /** PIDs of those that run at this moment. */
  pids(): ReadonlyMap<string, number>
  /** Ends at once, by SIGKILL, what has not stopped yet. */
  hurry(): void
}

/**
 * A killed service is back within about a second. One that cannot start is tried at most every 15 s
 * on average.
 */
const RESTART_BACKOFF: Backoff = { baseMs: 500, maxMs: 30_000 }
/** A program that lived this long had started well: its next failure counts as a first one. */
const HEALTHY_MS = 20_000

/** Starts the programs, after ending what an earlier supervisor left running of them. */
export async function supervise({
  programs,
  happened,
  random = Math.random,
  graceMs,
  backoff = RESTART_BACKOFF,
}: SupervisorOptions): Promise<Supervisor> {
  const stopping = new AbortController()
  const running = new Map<string, ChildProcess>()

  async function keep(program: Program): Promise<void> {
    const { name } = program
    const failures = new Failures({ random }, backoff)
    while (!stopping.signal.aborted) {
      const startedMs = Date.now()
      const { child, ended } = start(program)
      if (child.pid !== undefined) {
        running.set(name, child)
        happened({ tag: 'started', name, pid: child.pid })
      }
      const how = await ended
      running.delete(name)
      if (stopping.signal.aborted) return happened({ tag: 'stopped', name, how })
      const livedMs = Date.now() - startedMs
      if (livedMs >= HEALTHY_MS) failures.count = 0
      const pauseMs = failures.next()
      happened({ tag: 'ended', name, how, livedMs, pauseMs })
      await delay(pauseMs, undefined, { signal: stopping.signal }).catch(() => undefined)
    }
  }

  async function stop(name: string, child: ChildProcess): Promise<void> {
    child.kill('SIGTERM')
    await delay(graceMs, undefined, { ref: false })
    if (running.get(name) !== child || child.pid === undefined) return
    happened({ tag: 'killed', name, pid: child.pid, afterMs: graceMs })
    child.kill('SIGKILL')
  }

  await Promise.all(
    programs.map(async (program) => {
      const pid = await endLeftover(program, graceMs)
      if (pid !== undefined) happened({ tag: 'leftover-ended', name: program.name, pid })
    }),
  )
  const kept = programs.map(keep)

  return {
    pids: () => new Map([...running].flatMap(([name, { pid }]) => (pid === undefined ? [] : [[name, pid] as const]))),
    hurry() {
      stopping.abort()
      for (const child of running.values()) child.kill('SIGKILL')
    },
    async [Symbol.asyncDispose]() {
      if (!stopping.signal.aborted) {
        stopping.abort()
        for (const [name, child] of running) void stop(name, child)
      }
      await Promise.all(kept)
    },
  }
}

/**
 * Starts a program in a session of its own. So only the supervisor gets a Ctrl-C of the terminal,
 * and stops the programs in good order.
 */
function start({ command, args, env, logFile, pidFile, niceness }: Program): { child: ChildProcess; ended: Promise<string> } {
  for (const file of [logFile, pidFile]) mkdirSync(dirname(file), { recursive: true })
  const log = openSync(logFile, 'a')
  const child = spawn(command, [...args], { env, stdio: ['ignore', log, log], detached: true })
  closeSync(log)
  if (child.pid !== undefined) {
    writeFileSync(pidFile, `${child.pid}\n`)
    if (niceness !== undefined) makeWay(child.pid, niceness)
  }
  const ended = new Promise<string>((resolve) => {
    child.once('error', (cause) => resolve(`could not be started: ${cause.message}`))
    child.once('exit', (code, signal) => {
      rmSync(pidFile, { force: true })
      resolve(signal === null ? `exit code ${code}` : signal)
    })
  })
  return { child, ended }
}
