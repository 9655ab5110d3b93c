import type { DeclaredService } from '../processors/declaration.ts'
import { shippedServices } from '../services/declared.ts'
import { METRICS, type MetricName, metricType } from '../services/metrics.ts'

const HEAD = `<!-- Generated from services/metrics.ts by \`make generate\`. Do not edit. -->

# Metrics

Each service answers \`GET /metrics\` in Prometheus's text format, at its own address ([configuration.md](configuration.md#metrics-and-health)). Every metric has the label \`service\`, which is
the name of the service: \`sum by (service) (rate(millrace_records_total[5m]))\`. One name means one thing, whoever has it. Counters end in \`_total\` and begin at 0 when the process
does; figures are in base units (\`_seconds\`, \`_bytes\`); all labels have closed lists of values. What is not known is \`NaN\` or absent, never 0.

Beside these, each service has the figures of prom-client for its process: memory, CPU, event loop and garbage collection (\`process_*\`, \`nodejs_*\`), with the same label.

`

/** Text of docs/metrics.md: every metric of every service. */
export async function metricsDocument(): Promise<string> {
  const services = await shippedServices()
  const rows = Object.entries(METRICS).map(([name, metric]) => {
    const labels = 'labels' in metric ? metric.labels.map((label) => `\`${label}\``).join(', ') : ''
    return `| \`${name}\` | ${metricType(name as MetricName)} | ${labels} | ${who(services, metric.of)} | ${metric.means.replaceAll('|', '\\|')} |`
  })
  return `${HEAD}| metric | type | labels | services | meaning |\n|---|---|---|---|---|\n${rows.join('\n')}\n`
}

const PLURALS: Readonly<Partial<Record<DeclaredService['kind'], string>>> = { processor: 'processors', process: 'business processes' }

/**
 * The services that have a metric. A kind that may have several services is named by its plural.
 */
function who(services: readonly DeclaredService[], kinds: readonly DeclaredService['kind'][]): string {
  if (services.every(({ kind }) => kinds.includes(kind))) return 'all'
  return kinds.map((kind) => PLURALS[kind] ?? services.find((service) => service.kind === kind)?.name ?? kind).join(', ')
}
