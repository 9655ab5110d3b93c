import { readFileSync, rmSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

/** What a program is recognised by. */
export interface Identity {
  readonly command: string
  readonly args: readonly string[]
  readonly pidFile: string
}

const POLL_MS = 50

/**
 * Ends the program that an earlier supervisor left running when it was killed itself. Two of one
 * kind would fight over ports and partitions.
 * @returns its PID, or undefined if there was none
 */
export async function endLeftover(program: Identity, graceMs: number): Promise<number | undefined> {
  const pid = leftover(program)
  if (pid === undefined) return undefined
  process.kill(pid, 'SIGTERM')
  for (let waitedMs = 0; leftover(program) === pid; waitedMs += POLL_MS) {
    if (waitedMs >= graceMs) process.kill(pid, 'SIGKILL')
    await delay(POLL_MS)
  }
  rmSync(program.pidFile, { force: true })
  return pid
}

/**
 * PID of the running program that the file names. A PID alone may have gone to another process
 * since: the command line must be the same.
 */
export function leftover({ command, args, pidFile }: Identity): number | undefined {
  const pid = Number(readOrEmpty(pidFile).trim())
  if (!Number.isInteger(pid) || pid <= 1) return undefined
  return readOrEmpty(`/proc/${pid}/cmdline`) === [command, ...args, ''].join('\0') ? pid : undefined
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // There is no such file: the program is not running, or has just ended.
    return ''
  }
}
