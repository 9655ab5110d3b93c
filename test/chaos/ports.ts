import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A port that the run needs is somebody else's. Nothing that is tried again helps. */
export class TakenPortError extends Error {
  override readonly name = 'TakenPortError'
}

/** Who listens on a port of this machine. */
export interface PortOwner {
  readonly command: string
  readonly pid: number
}

/** Undefined if nobody does, or a process of another user. */
export async function portOwner(port: number): Promise<PortOwner | undefined> {
  const { stdout } = await run('ss', ['-Hltnp', `sport = :${port}`])
  const [, command, pid] = /"([^"]+)",pid=(\d+)/.exec(stdout) ?? []
  return command === undefined ? undefined : { command, pid: Number(pid) }
}

/**
 * @param allowedPid one that is about to be ended
 * @throws TakenPortError that names the port, who has it, and what to do
 */
export async function requireFree(port: number, what: string, allowedPid?: number): Promise<void> {
  const owner = await portOwner(port)
  if (owner === undefined || owner.pid === allowedPid) return
  throw new TakenPortError(
    `port ${port}, for ${what}, is taken by ${owner.command} (PID ${owner.pid}): end that, or move the run with MILLRACE_PORT_OFFSET`,
  )
}
