import type { Declaration } from '../processors/declaration.ts'
import type { Config } from './config.ts'
import { ConfigError } from './config-file.ts'

type Listening = Pick<Declaration, 'name' | 'metricsPort'>
type Ports = { readonly metrics: Pick<Config['metrics'], 'ports'> }

/**
 * The port of a service's metrics and health.
 * @throws ConfigError if neither the configuration nor the service gives one
 */
export function metricsPort({ metrics: { ports } }: Ports, { name, metricsPort: otherwise }: Listening): number {
  const chosen = typeof ports === 'number' ? ports : Object.hasOwn(ports, name) ? ports[name] : otherwise
  if (chosen === undefined)
    throw new ConfigError(`metrics: ports: expected a port for ${name}, as in \`metrics: { ports: { ${name}: 9470 } }\``)
  return chosen
}

/**
 * Services that run on one machine need a port each.
 * @throws ConfigError that names two that have the same
 */
export function requireOwnPorts(config: Ports, services: readonly Listening[]): void {
  const owners = new Map<number, string>()
  for (const service of services) {
    const chosen = metricsPort(config, service)
    const owner = owners.get(chosen)
    if (owner !== undefined)
      throw new ConfigError(`metrics: ${owner} and ${service.name} have the same port ${chosen}: expected one for each`)
    owners.set(chosen, service.name)
  }
}
