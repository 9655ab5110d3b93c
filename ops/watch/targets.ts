import type { Config } from '../../services/config.ts'
import { metricsPort, requireOwnPorts } from '../../services/metrics-ports.ts'
import { httpAddress, type RunAs } from '../../services/service.ts'

/** An entry of a file for `file_sd_configs` of Prometheus. */
export interface TargetGroup {
  readonly targets: readonly string[]
  readonly labels: Readonly<Record<string, string>>
}

/**
 * Where each service has its metrics, as this machine reaches it.
 * @throws ConfigError if two have one port: then each is on a machine that only its operator knows
 */
export function prometheusTargets(config: Pick<Config, 'metrics'>, services: readonly RunAs[]): readonly TargetGroup[] {
  requireOwnPorts(config, services)
  return services.map((service) => ({
    targets: [new URL(httpAddress(config.metrics.host, metricsPort(config, service))).host],
    labels: { service: service.name },
  }))
}
