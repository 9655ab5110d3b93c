import { isIPv6 } from 'node:net'
import type { Declaration } from '../processors/declaration.ts'
import type { Config } from './config.ts'
import { ConfigError } from './config-file.ts'

type Listening = Pick<Declaration, 'name' | 'metricsPort'>
type Ports = { readonly metrics: Pick<Config['metrics'], 'ports'> & Partial<Pick<Config['metrics'], 'reached_as'>> }

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

/** The address under which this machine reaches what listens there. */
export function httpAddress(host: string, port: number): string {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `http://${isIPv6(reachable) ? `[${reachable}]` : reachable}:${port}`
}

/** The host name of a service that has a machine or container of its own. */
export function ownHost(metrics: Pick<Config['metrics'], 'reached_as'>, service: string): string | undefined {
  return metrics.reached_as?.replace('{service}', () => service)
}

/** Where others reach the metrics and health of a service, as in http://127.0.0.1:9464 */
export function serviceAddress(config: Pick<Config, 'metrics'>, service: Listening): string {
  return httpAddress(ownHost(config.metrics, service.name) ?? config.metrics.host, metricsPort(config, service))
}

/**
 * Services that run on one machine need a port each; those that have one of their own do not.
 * @throws ConfigError that names two that have the same
 */
export function requireOwnPorts(config: Ports, services: readonly Listening[]): void {
  if (config.metrics.reached_as !== undefined) return
  const owners = new Map<number, string>()
  for (const service of services) {
    const chosen = metricsPort(config, service)
    const owner = owners.get(chosen)
    if (owner !== undefined)
      throw new ConfigError(`metrics: ${owner} and ${service.name} have the same port ${chosen}: expected one for each`)
    owners.set(chosen, service.name)
  }
}
