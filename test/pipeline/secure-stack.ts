import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { startOwnStack } from './own-stack.ts'

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

export async function startSecureStack(): Promise<SecureStack> {
  const { local, env, script, ...disposal } = await startOwnStack('secure', PORTS_BESIDE, { MILLRACE_SECURE: '1' })
  const folder = join(local, 'passwords')
  return {
    ...disposal,
    local,
    env,
    passwords: readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8').trim()),
    file: (name) => join(local, 'certificates', name),
    certificates: (...args) => script('certificates', ...args),
    async restart(...parts) {
      await script('stop', ...parts)
      await script('start', ...parts)
    },
  }
}
