import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DeclaredService } from '../../processors/declaration.ts'
import { projectRoot } from '../../schemas/files.ts'
import type { Config } from '../../services/config.ts'
import { declaredServices } from '../../services/declared.ts'
import { requireOwnPorts, serviceAddress } from '../../services/metrics-ports.ts'
import { WATCH } from '../watch/declaration.ts'
import type { Program } from './supervisor.ts'

/** A service of the line and where its metrics and health are. */
export interface ServiceAddress {
  readonly name: string
  /** As in http://127.0.0.1:9464 */
  readonly address: string
}

/**
 * Longer than a service gives itself (services/service.ts), so that the service can say what it
 * gave up.
 */
export const GRACE_MS = 12_000

/** @throws ConfigError if two have one port */
export function serviceAddresses(config: Config, services: readonly DeclaredService[]): readonly ServiceAddress[] {
  requireOwnPorts(config, services)
  return services.map((service) => ({ name: service.name, address: serviceAddress(config, service) }))
}

/**
 * The services, and `millrace watch`, as programs to supervise: `<local>/pid/<service>` and
 * `<local>/log/<service>.log` are theirs.
 * @throws ConfigError if there is no such processor, or two have one port
 */
export async function servicePrograms(
  config: Config,
  configFile: string | undefined,
  local: string,
  env: NodeJS.ProcessEnv,
): Promise<readonly Program[]> {
  const services = await declaredServices(config)
  requireOwnPorts(config, [...services, WATCH])
  const configured = configFile === undefined ? [] : ['--config', configFile]
  const programs = [...services.map(({ name, niceness }) => ({ name, niceness, words: ['run', name] })), { ...WATCH, words: ['watch'] }]
  return programs.map(({ name, niceness, words }) => ({
    name,
    command: process.execPath,
    args: [...NODE_FLAGS, join(projectRoot, 'dist/bin/millrace.js'), ...words, ...configured],
    env,
    logFile: join(local, 'log', `${name}.log`),
    pidFile: join(local, 'pid', name),
    ...(niceness === undefined ? {} : { niceness }),
  }))
}

/**
 * Flags of Node.js for a service. They are in bin/service.flags, because bin/millrace reads them
 * too.
 *
 * A small young generation. The services allocate mostly buffers: V8 counts their memory, but it is
 * outside its heap. Only a scavenge frees it early. With 16 MB of young generation full collections
 * come twice as often, and bridge and standardise need a quarter more CPU and 40 MB more.
 *
 * An old generation that may grow by 200 % between two collections. V8 lets one of 25 MB grow by a
 * quarter, and so collected it once a second, which took up to half of a service's CPU. This saves
 * a quarter of the CPU (two fifths for continuity), and takes 30 to 50 MB more memory.
 */
export const NODE_FLAGS: readonly string[] = readFileSync(`${projectRoot}bin/service.flags`, 'utf8').trim().split('\n')
