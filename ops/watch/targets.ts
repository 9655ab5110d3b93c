import type { Config } from '../../services/config.ts'
import { requireOwnPorts, serviceAddress } from '../../services/metrics-ports.ts'
import type { RunAs } from '../../services/service.ts'

/** An entry of a file for `file_sd_configs` of Prometheus. */
export interface TargetGroup {
  readonly targets: readonly string[]
  readonly labels: Readonly<Record<string, string>>
}

/**
 * Where each service has its metrics, as this machine, or one beside it, reaches it.
 * @throws ConfigError if two have one port: then each is on a machine that only its operator knows
 */
export function prometheusTargets(config: Pick<Config, 'metrics'>, services: readonly RunAs[]): readonly TargetGroup[] {
  requireOwnPorts(config, services)
  return services.map((service) => ({
    targets: [new URL(serviceAddress(config, service)).host],
    labels: { service: service.name },
  }))
}
