import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const exec = promisify(execFile)

/** What a program wrote, and how it ended. */
export interface Ran {
  readonly code: number
  readonly output: string
}

/** The root of a machine that may be changed: what is done there is gone with it. */
export interface FreshRoot extends Disposable {
  readonly path: string
  /** Runs a program in it. The network is this machine's. */
  run(program: string, ...args: readonly string[]): Promise<Ran>
  /** Starts a program in it that goes on. */
  start(program: string, ...args: readonly string[]): ChildProcess
  /** From here on nothing can be written in it but below /tmp, by nobody. */
  seal(): void
}

const ENVIRONMENT = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8', DEBIAN_FRONTEND: 'noninteractive' }

/** Character devices that programs expect, with their numbers (Linux, devices.txt). */
const DEVICES = [
  ['null', '1', '3'],
  ['zero', '1', '5'],
  ['full', '1', '7'],
  ['random', '1', '8'],
  ['urandom', '1', '9'],
  ['tty', '5', '0'],
] as const
const LINKS = [
  ['fd', '/proc/self/fd'],
  ['stdin', '/proc/self/fd/0'],
  ['stdout', '/proc/self/fd/1'],
  ['stderr', '/proc/self/fd/2'],
] as const

/**
 * A layer over the root of a Debian, whose files stay as they are.
 * @param base folder with the Debian; `/` is this machine's
 */
export function freshRoot(base: string): FreshRoot {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-root-'))
  chmodSync(folder, 0o755)
  const [upper, work, path] = ['upper', 'work', 'root'].map((name) => join(folder, name)) as [string, string, string]
  for (const each of [upper, work, path]) mkdirSync(each)
  const mount = (...args: readonly string[]): unknown => execFileSync('mount', args)
  const mounted = (): readonly string[] =>
    readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .flatMap((line) => line.split(' ')[1] ?? [])
      .filter((target) => target.startsWith(`${folder}/`))
  const remove = (): void => {
    if (!existsSync(folder)) return
    // A mount that is in use goes once its last process has ended.
    execFileSync('umount', ['--recursive', '--lazy', path])
    const [left] = mounted()
    if (left !== undefined) throw new Error(`${left} is still mounted: ${folder} is not removed`)
    rmSync(folder, { recursive: true, force: true })
  }
  mount('-t', 'overlay', 'overlay', '-o', `lowerdir=${base},upperdir=${upper},workdir=${work}`, path)
  process.once('exit', remove)
  mount('-t', 'proc', 'proc', join(path, 'proc'))
  // Devices of its own: who removes this folder, however it ends, must not remove the machine's.
  mount('-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', join(path, 'dev'))
  for (const [name, major, minor] of DEVICES) execFileSync('mknod', ['-m', '666', join(path, 'dev', name), 'c', major, minor])
  for (const [name, target] of LINKS) symlinkSync(target, join(path, 'dev', name))
  return {
    path,
    async run(program, ...args) {
      try {
        const { stdout, stderr } = await exec('chroot', [path, program, ...args], { env: ENVIRONMENT, maxBuffer: 1e8 })
        return { code: 0, output: stdout + stderr }
      } catch (cause) {
        const { code, stdout, stderr } = cause as { readonly code: number; readonly stdout: string; readonly stderr: string }
        return { code, output: stdout + stderr }
      }
    },
    start: (program, ...args) => spawn('chroot', [path, program, ...args], { env: ENVIRONMENT, stdio: 'ignore' }),
    seal() {
      mount('-t', 'tmpfs', '-o', 'mode=1777', 'tmpfs', join(path, 'tmp'))
      mount('-o', 'remount,ro', path)
    },
    [Symbol.dispose]: remove,
  }
}
