import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, realpathSync, statfsSync } from 'node:fs'
import { join, relative } from 'node:path'

/** Room on a file system. */
export interface Space {
  readonly totalBytes: number
  readonly freeBytes: number
}

/** The text of a file, or why there is none. */
export type FileText = { readonly tag: 'text'; readonly text: string } | { readonly tag: 'absent' } | { readonly tag: 'denied' }

/**
 * A machine as its files show it, this one or a copy of another one's /proc and /sys in a folder.
 * Paths are absolute, as on the machine itself. Nothing here needs root, and nothing throws: what
 * may not be read is said to be denied.
 */
export interface Machine {
  file(path: string): FileText
  /** The file's text without the blanks around it; undefined if it cannot be read. */
  read(path: string): string | undefined
  /** Names in a folder, in order; none if it is not there. */
  list(path: string): readonly string[]
  /** Where a path leads once its links are followed. */
  real(path: string): string | undefined
  space(path: string): Space | undefined
  /**
   * What a program prints; undefined if it is not there, fails, or this is a copy. It gets two
   * seconds.
   */
  run(program: string, args: readonly string[]): Promise<string | undefined>
}

const RUN_MS = 2_000

/** @param root `/`, or the folder of a copy */
export function openMachine(root: string): Machine {
  const top = realpathSync(root)
  const here = top === '/'
  const inside = (path: string): string => join(top, path)
  const file = (path: string): FileText => {
    try {
      return { tag: 'text', text: readFileSync(inside(path), 'utf8') }
    } catch (cause) {
      return { tag: isDenied(cause) ? 'denied' : 'absent' }
    }
  }
  return {
    file,
    read(path) {
      const found = file(path)
      return found.tag === 'text' ? found.text.trim() : undefined
    },
    list(path) {
      return orUndefined(() => readdirSync(inside(path)).sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))) ?? []
    },
    real(path) {
      const found = orUndefined(() => realpathSync(inside(path)))
      return found === undefined ? undefined : `/${relative(top, found)}`
    },
    space(path) {
      if (!here) return undefined
      const found = orUndefined(() => statfsSync(path))
      return found === undefined ? undefined : { totalBytes: found.blocks * found.bsize, freeBytes: found.bavail * found.bsize }
    },
    run: (program, args) => (here ? run(program, args) : Promise.resolve(undefined)),
  }
}

function run(program: string, args: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(program, [...args], { timeout: RUN_MS, env: { ...process.env, LC_ALL: 'C' } }, (error, stdout) =>
      resolve(error === null ? stdout : undefined),
    )
  })
}

/** EINVAL and the like are of files of /sys whose hardware has no answer. */
function orUndefined<Value>(look: () => Value): Value | undefined {
  try {
    return look()
  } catch {
    return undefined
  }
}

function isDenied(cause: unknown): boolean {
  const { code } = cause as NodeJS.ErrnoException
  return code === 'EACCES' || code === 'EPERM'
}

/** A whole number that a file has; undefined if it has none. */
export function numberIn(machine: Machine, path: string): number | undefined {
  const text = machine.read(path)
  return text !== undefined && /^-?\d+$/.test(text) ? Number(text) : undefined
}

/** CPUs of a list as the kernel writes it: `0-3,8` is 0, 1, 2, 3 and 8. */
export function parseCpuList(text: string): readonly number[] {
  return text
    .split(',')
    .filter((part) => /^\d+(-\d+)?$/.test(part.trim()))
    .flatMap((part) => {
      const [first = 0, last = first] = part.trim().split('-').map(Number)
      return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index)
    })
}

/** The opposite of `parseCpuList`, for numbers that ascend. */
export function cpuList(cpus: readonly number[]): string {
  const runs: [number, number][] = []
  for (const cpu of cpus) {
    const last = runs.at(-1)
    if (last !== undefined && last[1] === cpu - 1) last[1] = cpu
    else runs.push([cpu, cpu])
  }
  return runs.map(([first, last]) => (first === last ? String(first) : `${first}-${last}`)).join(',')
}
