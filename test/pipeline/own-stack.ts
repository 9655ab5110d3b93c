import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { localAddresses } from '../../ops/supervisor/local-stack.ts'
import { projectRoot } from '../../schemas/files.ts'
import { localDirectory } from '../../services/local-directory.ts'
import { forAllUsers } from './database-users.ts'

/** An instance of the local stack for one test, beside the one of the environment. */
export interface OwnStack extends AsyncDisposable {
  readonly local: string
  /** The environment of who uses it: addresses, users and files. */
  readonly env: NodeJS.ProcessEnv
  /** Runs a script of deploy/local. */
  script(name: string, ...args: readonly string[]): Promise<void>
}

const run = promisify(execFile)

/**
 * Destroys what a run that was killed left behind, and starts.
 * @param portsBeside added to the ports of the stack that the other tests of this lane run on
 * @param settings variables of deploy/local
 */
export async function startOwnStack(name: string, portsBeside: number, settings: NodeJS.ProcessEnv): Promise<OwnStack> {
  const local = `${localDirectory(process.env)}-${name}`
  const env = {
    ...process.env,
    ...settings,
    MILLRACE_LOCAL: local,
    MILLRACE_PORT_OFFSET: String(Number(process.env.MILLRACE_PORT_OFFSET ?? 0) + portsBeside),
  }
  const script = async (script: string, ...args: readonly string[]): Promise<void> => {
    await run(`${projectRoot}deploy/local/${script}`, args, { env })
  }
  await script('destroy')
  await script('start')
  return { local, env: { ...env, ...forAllUsers(await localAddresses(env)) }, script, [Symbol.asyncDispose]: () => script('destroy') }
}
