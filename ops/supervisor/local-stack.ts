import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { projectRoot } from '../../schemas/files.ts'

/**
 * The local stack did not start. Its message is what deploy/local printed: which part, why, and the
 * last lines of its log.
 */
export class LocalStackError extends Error {
  readonly code = 'LOCAL_STACK'
  readonly transient = false
  constructor(lines: readonly string[]) {
    super(`the local stack did not start:\n${lines.join('\n')}`)
  }
}

/**
 * The local stack (deploy/local). Disposing stops the parts that were started here, and leaves
 * alone those that ran before.
 */
export interface LocalStack extends AsyncDisposable {
  /** MQTT_URL, KAFKA_BROKERS, … */
  readonly addresses: Readonly<Record<string, string>>
}

/**
 * Starts what is not running yet.
 * @param say gets each line that deploy/local prints
 * @throws LocalStackError if a part does not start
 */
export async function startLocalStack(env: NodeJS.ProcessEnv, say: (line: string) => void): Promise<LocalStack> {
  const started: string[] = []
  const lines: string[] = []
  const code = await script('start', [], env, (line) => {
    lines.push(line)
    const [part, verb] = line.split(/\s+/)
    if (verb === 'started' && part !== undefined) started.push(part)
    say(line)
  })
  const stack: LocalStack = {
    addresses: code === 0 ? await localAddresses(env) : {},
    async [Symbol.asyncDispose]() {
      if (started.length > 0) await script('stop', started.splice(0), env, say)
    },
  }
  if (code === 0) return stack
  await stack[Symbol.asyncDispose]()
  throw new LocalStackError(lines)
}

/** Ends the instance and removes its data. */
export async function destroyLocalStack(env: NodeJS.ProcessEnv, say: (line: string) => void): Promise<void> {
  const code = await script('destroy', [], env, say)
  if (code !== 0) throw new Error('the local stack could not be removed')
}

/** The instance's addresses, without starting anything. */
export async function localAddresses(env: NodeJS.ProcessEnv): Promise<Readonly<Record<string, string>>> {
  const addresses: Record<string, string> = {}
  const code = await script('env', [], env, (line) => {
    const [name, ...value] = line.split('=')
    if (name !== undefined) addresses[name] = value.join('=')
  })
  if (code !== 0) throw new Error('the addresses of the local stack cannot be told')
  return addresses
}

/** Runs a script of deploy/local in a session of its own: a Ctrl-C must not end it halfway. */
async function script(name: string, args: readonly string[], env: NodeJS.ProcessEnv, say: (line: string) => void): Promise<number> {
  const child = spawn(join(projectRoot, 'deploy/local', name), [...args], { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  for (const stream of [child.stdout, child.stderr]) createInterface(stream).on('line', say)
  const [code] = (await once(child, 'close')) as [number | null]
  return code ?? 1
}
