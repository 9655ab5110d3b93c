import { existsSync } from 'node:fs'
import { isAbsolute, resolve } from 'node:path'
import { projectRoot } from '../schemas/files.ts'

const DEFAULT = '.local/dev'

/**
 * The local stack's directory (deploy/local): logs, PID files and data of everything that runs
 * here. A relative one is in the sources, or, of an installed Millrace, in the current directory.
 */
export function localDirectory(env: NodeJS.ProcessEnv): string {
  const given = env.MILLRACE_LOCAL
  const chosen = given === undefined || given === '' ? DEFAULT : given
  if (isAbsolute(chosen)) return chosen
  // A package that npm installed is replaced with all that is in it.
  return resolve(existsSync(`${projectRoot}tsconfig.json`) ? projectRoot : '.', chosen)
}
