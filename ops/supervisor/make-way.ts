import { readFileSync, writeFileSync } from 'node:fs'
import { setPriority } from 'node:os'

/**
 * Lets others go first. On most kernels Linux weighs a process that leads a session of its own with
 * its session (autogroup, sched(7)); on the others, by its niceness. So it sets both. A process in
 * the session of others, as of a terminal, leaves that session as it is. Nothing of it is worth a
 * failure.
 */
export function makeWay(pid: number, niceness: number): void {
  try {
    setPriority(pid, niceness)
    if (sessionOf(pid) === pid) writeFileSync(`/proc/${pid}/autogroup`, String(niceness), { flag: 'r+' })
  } catch {
    // It has ended already, or this kernel has no autogroups.
  }
}

/** Field of /proc/PID/stat after the command, from the state on (proc(5)). */
const SESSION = 3

function sessionOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The command is in parentheses and may have spaces of its own.
  return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[SESSION])
}
