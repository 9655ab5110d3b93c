import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { localAddresses } from '../../ops/supervisor/local-stack.ts'
import { projectRoot } from '../../schemas/files.ts'
import { localDirectory } from '../../services/local-directory.ts'
import { forAllUsers } from './database-users.ts'

/** Beside the ports of the stack that the other tests of this lane run on. */
const PORTS_BESIDE = 50

/** A secured instance of the local stack, beside the one of the environment. */
export interface SecureStack extends AsyncDisposable {
  readonly local: string
  /** The environment of who uses it: addresses, users and files. */
  readonly env: NodeJS.ProcessEnv
  /** Every password in it. */
  readonly passwords: readonly string[]
  /** A certificate, or its key, by its name. */
  file(name: string): string
  /** Runs deploy/local/certificates. */
  certificates(...args: readonly string[]): Promise<void>
  /** Stops these parts and starts them again. */
  restart(...parts: readonly string[]): Promise<void>
}

const run = promisify(execFile)

export async function startSecureStack(): Promise<SecureStack> {
  const local = `${localDirectory(process.env)}-secure`
  const settings = {
    ...process.env,
    MILLRACE_SECURE: '1',
    MILLRACE_LOCAL: local,
    MILLRACE_PORT_OFFSET: String(Number(process.env.MILLRACE_PORT_OFFSET ?? 0) + PORTS_BESIDE),
  }
  const script = async (name: string, ...args: readonly string[]): Promise<void> => {
    await run(`${projectRoot}deploy/local/${name}`, args, { env: settings })
  }
  // What a run that was killed left behind.
  await script('destroy')
  await script('start')
  const addresses = await localAddresses(settings)
  const folder = join(local, 'passwords')
  return {
    local,
    env: { ...settings, ...forAllUsers(addresses) },
    passwords: readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8').trim()),
    file: (name) => join(local, 'certificates', name),
    certificates: (...args) => script('certificates', ...args),
    async restart(...parts) {
      await script('stop', ...parts)
      await script('start', ...parts)
    },
    [Symbol.asyncDispose]: () => script('destroy'),
  }
}
