import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { projectRoot } from '../../schemas/files.ts'
import { ConfigError } from '../../services/config.ts'

const DEFAULT = '.local/dev'

/** The instance's directory, as deploy/local has it: logs, PID files and data of everything that runs here. */
export function localDirectory(env: NodeJS.ProcessEnv): string {
  const given = env.MILLRACE_LOCAL
  const chosen = given === undefined || given === '' ? DEFAULT : given
  return isAbsolute(chosen) ? chosen : join(projectRoot, chosen)
}

/**
 * Takes the instance: two supervisors would start everything twice.
 * @returns gives it back
 * @throws ConfigError where another one has it
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
