import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { until } from './service.ts'

export interface TutorialShell {
  /** Runs commands one after the other. Resolves to what they printed; rejects if one fails. */
  run(commands: string, where: string, done: (command: string) => void): Promise<string>
  /** Ends it and all that it started. */
  end(): Promise<void>
}

export interface TutorialShellOptions {
  readonly folder: string
  readonly env: NodeJS.ProcessEnv
  /** What is run in place of a command. */
  readonly substitutes: Readonly<Record<string, string>>
  /** A command may take so long. */
  readonly mostMs?: number
}

/** One bash for the whole tutorial, with job control, as a reader has it. */
export function openTutorialShell({ folder, env, substitutes, mostMs = 90_000 }: TutorialShellOptions): TutorialShell {
  const child: ChildProcess = spawn('bash', ['--norc', '--noprofile'], {
    cwd: folder,
    env,
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  // What a command reads must not be the commands after it.
  const step = `${folder}.sh`
  const mark = `done-${process.pid}-${Date.now()}`
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (output += String(chunk)))
  const ended = once(child, 'exit')
  child.stdin?.write('set -m -o pipefail\n')
  return {
    async run(commands, where, done) {
      let said = ''
      for (const command of commands.trim().split('\n')) {
        output = ''
        writeFileSync(step, `${substitutes[command] ?? command}\n`)
        child.stdin?.write(`. '${step}' </dev/null\nprintf '\\n%s %s\\n' ${mark} $?\n`)
        const end = new RegExp(`\\n${mark} (\\d+)\\n`)
        await until(`${where}: ${command}\n${output}`, async () => end.test(output) || child.exitCode !== null, mostMs).catch((cause) => {
          throw new Error(`${where}: ${command}: no end; it printed:\n${output}`, { cause })
        })
        const code = end.exec(output)?.[1]
        if (code !== '0') throw new Error(`${where}: ${command}\nexited with ${code ?? 'the shell'}:\n${output}`)
        said += `${output.slice(0, output.search(end))}\n`
        done(command)
      }
      return said
    },
    async end() {
      const { pid } = child
      if (pid === undefined) return
      // Commands that still run, `millrace up` for one, which stops its services.
      const others = (): readonly number[] => inSession(pid).filter((each) => each !== pid)
      for (const each of others()) endProcess(each, 'SIGTERM')
      for (const late = Date.now() + 20_000; others().length > 0 && Date.now() < late; ) await delay(100)
      for (const each of others()) endProcess(each, 'SIGKILL')
      child.stdin?.end()
      endProcess(pid, 'SIGKILL')
      await ended
      rmSync(step, { force: true })
    },
  }
}

function inSession(session: number): readonly number[] {
  const listed = execFileSync('ps', ['-e', '-o', 'pid=,sess='], { encoding: 'utf8' })
  return listed.split('\n').flatMap((line) => {
    const [pid, of] = line.trim().split(/\s+/).map(Number)
    return of === session && pid !== undefined ? [pid] : []
  })
}

function endProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ESRCH') throw cause
  }
}
