import { isAbsolute, join } from 'node:path'
import { projectRoot } from '../schemas/files.ts'

const DEFAULT = '.local/dev'

/**
 * The local stack's directory (deploy/local): logs, PID files and data of everything that runs
 * here.
 */
export function localDirectory(env: NodeJS.ProcessEnv): string {
  const given = env.MILLRACE_LOCAL
  const chosen = given === undefined || given === '' ? DEFAULT : given
  return isAbsolute(chosen) ? chosen : join(projectRoot, chosen)
}
