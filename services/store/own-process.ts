import { spawn } from 'node:child_process'
import { setPriority } from 'node:os'
import { createInterface } from 'node:readline'

/** A program and its arguments. */
export type OwnCommand = readonly [program: string, ...args: string[]]

/** It yields to everything else of this machine. */
const NICENESS = 15
/** Of what it writes on standard error, so much is kept. */
const MOST_ERROR_CHARACTERS = 2_000

/**
 * Runs a command in a process of its own, whose memory and faults are not the service's, and which
 * may be killed at any moment. It gives an event a line, as JSON.
 * @throws Error with the last that it wrote, if it failed as a whole
 */
export async function runOwn<Event>([program, ...args]: OwnCommand, note: (event: Event) => void, signal: AbortSignal): Promise<void> {
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
      for await (const line of createInterface(child.stdout)) note(JSON.parse(line) as Event)
    })()
    const [code] = await Promise.all([ended, reading])
    // 1: it has said what failed.
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
