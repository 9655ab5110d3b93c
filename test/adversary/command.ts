import { spawn } from 'node:child_process'
import { projectRoot } from '../../schemas/files.ts'

/** What a command came to. */
export interface Ran {
  readonly code: number | null
  readonly output: string
  readonly error: string
}

/**
 * Runs `millrace` as a person does, by its launcher, to its end. The environment is added to the
 * process's own; undefined takes a variable out.
 */
export function runMillrace(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  input: string = '',
  launcher = `${projectRoot}bin/millrace`,
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(launcher, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] })
    let output = ''
    let error = ''
    child.stdout.on('data', (chunk: Buffer) => (output += String(chunk)))
    child.stderr.on('data', (chunk: Buffer) => (error += String(chunk)))
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, output, error }))
    // A command that does not read may have ended.
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
  })
}
