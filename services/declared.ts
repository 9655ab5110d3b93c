import { readdirSync } from 'node:fs'
import { bridge } from '../processors/bridge/declaration.ts'
import { CONTINUITY, declareContinuity } from '../processors/continuity/declaration.ts'
import type { DeclaredService } from '../processors/declaration.ts'
import { store } from '../processors/store/declaration.ts'
import { projectRoot } from '../schemas/files.ts'
import { ConfigError } from './config.ts'
import { isProcessor, loadProcessor, requireProcessor, serviceName } from './loading.ts'

/**
 * The part of a configuration that lists services: names of folders of processors/, and paths of
 * other folders.
 */
interface Configured {
  readonly processors: readonly string[]
}

/**
 * The services of a configuration: the bridge, its processors in their order, the store. This is
 * the one place that lists them.
 * @throws ConfigError that names a processor that there is not, or two services of one name
 */
export async function declaredServices({ processors }: Configured): Promise<readonly DeclaredService[]> {
  requireProcessors(processors)
  const loaded = await Promise.all(processors.filter((entry) => entry !== CONTINUITY).map(loadProcessor))
  const others = [bridge, ...loaded, store]
  const known = new Map<string, DeclaredService>([...others, declareContinuity(others)].map((service) => [service.name, service]))
  return [bridge.name, ...processors.map(serviceName), store.name].map((name) => known.get(name) as DeclaredService)
}

/**
 * One service: of the configuration, or else a folder of processors/, or a path to one.
 * @throws ConfigError if there is no such service
 */
export async function declaredService({ processors }: Configured, entry: string): Promise<DeclaredService> {
  const own = new Map<string, DeclaredService>([bridge, store].map((service) => [service.name, service])).get(entry)
  if (own !== undefined) return own
  if (entry !== CONTINUITY) return loadProcessor(processors.find((each) => serviceName(each) === entry) ?? entry)
  return declareContinuity(await declaredServices({ processors: processors.filter((each) => each !== CONTINUITY) }))
}

/**
 * Every service that Millrace comes with: what its documents list. An example has its own document
 * in its folder.
 */
export function shippedServices(): Promise<readonly DeclaredService[]> {
  return declaredServices({ processors: [...readdirSync(`${projectRoot}processors`).filter(isProcessor), CONTINUITY] })
}

/**
 * Checks names of processors. It comes before the check of ports: a mistyped name has no port
 * either, and the error should name the mistake.
 * @throws ConfigError that names the first processor that does not exist, or that another service's
 *   name is
 */
export function requireProcessors(entries: readonly string[]): void {
  const names = new Set<string>()
  for (const entry of entries) {
    if (entry !== CONTINUITY) requireProcessor(entry)
    const name = serviceName(entry)
    if (names.has(name) || name === bridge.name || name === store.name || (name === CONTINUITY && entry !== CONTINUITY))
      throw new ConfigError(`processors: "${entry}": there is another service of the name ${name}`)
    names.add(name)
  }
}
