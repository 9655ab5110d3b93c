import { readdirSync, readFileSync } from 'node:fs'

/** CPU time and memory of what a name stands for: one process, or a parent with its children. */
export interface ProcessFigures {
  readonly cpuSeconds: number
  readonly residentMb: number
}

/** _SC_CLK_TCK: 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100
const KB_PER_MB = 1024

/**
 * Fields of /proc/PID/stat after the command, from the state on (proc(5)): parent, user and system
 * time, and those of reaped children.
 */
const [PARENT, USER, SYSTEM, CHILD_USER, CHILD_SYSTEM] = [1, 11, 12, 13, 14] as const

/** Figures of one process, its reaped children included; undefined once it is gone. */
export function ofProcess(pid: number): ProcessFigures | undefined {
  const fields = stat(pid)
  if (fields === undefined) return undefined
  const ticks = [USER, SYSTEM, CHILD_USER, CHILD_SYSTEM].reduce((sum, index) => sum + Number(fields[index]), 0)
  return { cpuSeconds: ticks / TICKS_PER_SECOND, residentMb: status(pid, 'VmHWM') }
}

/**
 * Figures of a process and its living children, as PostgreSQL has them. Memory: what is each one's
 * own, and what they share, once. Not a peak: ask now and then.
 */
export function ofFamily(parent: number): ProcessFigures | undefined {
  const own = ofProcess(parent)
  if (own === undefined) return undefined
  const family = [parent, ...childrenOf(parent)]
  const cpuSeconds = family.slice(1).reduce((sum, pid) => sum + (ofProcess(pid)?.cpuSeconds ?? 0), own.cpuSeconds)
  const privateMb = family.reduce((sum, pid) => sum + status(pid, 'RssAnon'), 0)
  return { cpuSeconds, residentMb: privateMb + Math.max(...family.map((pid) => status(pid, 'RssShmem'))) }
}

function childrenOf(parent: number): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => Number(stat(pid)?.[PARENT]) === parent)
}

function stat(pid: number): readonly string[] | undefined {
  const text = read(`/proc/${pid}/stat`)
  // The command is in parentheses and may have spaces of its own.
  return text === '' ? undefined : text.slice(text.lastIndexOf(')') + 2).split(' ')
}

/** Megabytes. */
function status(pid: number, field: string): number {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(read(`/proc/${pid}/status`))
  return match === null ? 0 : Number(match[1]) / KB_PER_MB
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // It ended a moment ago.
    return ''
  }
}
