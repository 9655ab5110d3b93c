import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { projectRoot } from '../../schemas/files.ts'

/**
 * A part of the local stack that the tests run on, named by MILLRACE_LOCAL and MILLRACE_PORT_OFFSET
 * as `test/run` sets them.
 */
export type Part = 'kafka' | 'registry' | 'mosquitto' | 'postgres' | 'standby'

const run = promisify(execFile)

/** Ends parts as somebody does who wants to start them again. */
export async function stop(...parts: readonly (Part | 'prometheus')[]): Promise<void> {
  await script('stop', ...parts)
}

/** Ends parts: at once, as a crash would. */
export async function crash(...parts: readonly Part[]): Promise<void> {
  await script('stop', '--kill', ...parts)
}

/** Starts parts that are not running; resolves when they answer. */
export async function revive(...parts: readonly (Part | 'prometheus')[]): Promise<void> {
  await script('start', ...parts)
}

/** With a standby: ends the primary by SIGKILL, and promotes the other server. */
export async function promote(): Promise<void> {
  await script('promote')
}

async function script(name: 'start' | 'stop' | 'promote', ...args: readonly string[]): Promise<void> {
  if (process.env.MILLRACE_LOCAL === undefined)
    throw new Error('MILLRACE_LOCAL is not set: stopping parts of a stack that somebody else may use is not for tests')
  await run(`${projectRoot}deploy/local/${name}`, args)
}
