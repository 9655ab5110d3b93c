import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CONTINUITY } from '../../processors/continuity/topics.ts'
import { projectRoot } from '../../schemas/files.ts'
import { type Config, metricsPort, requireOwnPorts } from '../../services/config.ts'
import { requireProcessors } from '../../services/loading.ts'
import { httpAddress } from '../../services/service.ts'
import type { Program } from './supervisor.ts'

/** A service of the line and where its metrics and health are. */
export interface ServiceAddress {
  readonly name: string
  /** As in http://127.0.0.1:9464 */
  readonly address: string
}

/**
 * Longer than a service gives itself (bin/service.ts), so that it can say itself what it gave up.
 */
export const GRACE_MS = 12_000

/**
 * Every service that the configuration asks for.
 * @throws ConfigError if two have one port
 */
export function serviceAddresses(config: Config): readonly ServiceAddress[] {
  const names = ['bridge', ...config.processors, 'store']
  requireOwnPorts(config, names)
  return names.map((name) => ({ name, address: httpAddress(config.metrics.host, metricsPort(config, name)) }))
}

/**
 * The services as programs to supervise: `<local>/pid/<service>` and `<local>/log/<service>.log`
 * are theirs.
 * @throws ConfigError if there is no such processor, or two have one port
 */
export function servicePrograms(config: Config, configFile: string | undefined, local: string, env: NodeJS.ProcessEnv): readonly Program[] {
  requireProcessors(config.processors)
  const configured = configFile === undefined ? [] : ['--config', configFile]
  return serviceAddresses(config).map(({ name }) => ({
    name,
    command: process.execPath,
    args: [...NODE_FLAGS, join(projectRoot, 'dist/bin/millrace.js'), ...command(name, config), ...configured],
    env,
    logFile: join(local, 'log', `${name}.log`),
    pidFile: join(local, 'pid', name),
    // What it says of the line may be late; the line must not be, for its sake.
    ...(name === CONTINUITY ? { niceness: 10 } : {}),
  }))
}

/**
 * Flags of Node.js for a service, in bin/service.flags, for bin/millrace reads them too.
 *
 * A small young generation: what the services allocate is mostly buffers, whose memory V8 counts
 * but does not see. Only a scavenge frees it early; with 16 MB of young generation full collections
 * come twice as often, and bridge and standardise need a quarter more CPU and 40 MB more.
 *
 * An old generation that may grow by 200 % between two collections: V8 lets one of 25 MB grow by a
 * quarter, and so collected it once a second, which was up to half of a service's CPU. A quarter
 * less CPU for 30 to 50 MB more memory (continuity two fifths less).
 */
export const NODE_FLAGS: readonly string[] = readFileSync(`${projectRoot}bin/service.flags`, 'utf8').trim().split('\n')

function command(name: string, { processors }: Config): readonly string[] {
  return processors.includes(name) ? ['run', name] : [name]
}
