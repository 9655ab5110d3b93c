import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigError } from '../../services/config.ts'

/**
 * Claims the instance, because two supervisors would start everything twice.
 * @returns gives it back
 * @throws ConfigError if another one has it
 */
export function claimInstance(local: string): () => void {
  const other = runningSupervisor(local)
  if (other !== undefined) throw new ConfigError(`the services of ${local} are run by process ${other} already`)
  mkdirSync(join(local, 'pid'), { recursive: true })
  writeFileSync(pidFile(local), `${process.pid}\n`)
  return () => rmSync(pidFile(local), { force: true })
}

/** PID of the process that runs the instance's services. */
export function runningSupervisor(local: string): number | undefined {
  try {
    const pid = Number(readFileSync(pidFile(local), 'utf8').trim())
    // The PID may have gone to another program since.
    return pid !== process.pid && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('millrace') ? pid : undefined
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw cause
  }
}

function pidFile(local: string): string {
  return join(local, 'pid', 'up')
}
