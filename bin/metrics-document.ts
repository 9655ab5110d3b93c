import { WATCH_METRICS } from '../ops/watch/metrics.ts'
import type { DeclaredService } from '../processors/declaration.ts'
import { shippedServices } from '../services/declared.ts'
import { METRICS, type MetricName, metricType } from '../services/metrics.ts'
import type { RunAs } from '../services/service.ts'

const HEAD = `<!-- Generated from services/metrics.ts and ops/watch/metrics.ts by \`make generate\`. Do not edit. -->

# Metrics

Each service answers \`GET /metrics\` in Prometheus's text format, at its own address ([configuration.md](configuration.md#metrics-and-health)). Every metric has the label \`service\`, which is
the name of the service: \`sum by (service) (rate(millrace_records_total[5m]))\`. One name means one thing, whoever has it. Counters end in \`_total\` and begin at 0 when the process
does; figures are in base units (\`_seconds\`, \`_bytes\`); all labels have closed lists of values. What is not known is \`NaN\` or absent, never 0.

Beside these, each service has the figures of prom-client for its process: memory, CPU, event loop and garbage collection (\`process_*\`, \`nodejs_*\`), with the same label.

`

const WATCH_HEAD = `## Of millrace watch

What no service can say of itself, with the label \`service="watch"\` ([monitoring.md](monitoring.md)). Those of consumer groups have the names of kafka-lag-exporter; \`group\` is the name
of the service. Counters of the broker and the databases begin when these do.

`

/** Text of docs/metrics.md: every metric of every service. */
export async function metricsDocument(): Promise<string> {
  const services = await shippedServices()
  const rows = Object.entries(METRICS).map(([name, metric]) => {
    const labels = 'labels' in metric ? metric.labels.map((label) => `\`${label}\``).join(', ') : ''
    return `| \`${name}\` | ${metricType(name as MetricName)} | ${labels} | ${who(services, metric.of)} | ${metric.means.replaceAll('|', '\\|')} |`
  })
  const watched = Object.entries(WATCH_METRICS).map(
    ([name, { labels, means }]) =>
      `| \`${name}\` | ${name.endsWith('_total') ? 'counter' : 'gauge'} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${means} |`,
  )
  return [
    `${HEAD}| metric | type | labels | services | meaning |\n|---|---|---|---|---|\n${rows.join('\n')}\n`,
    `${WATCH_HEAD}| metric | type | labels | meaning |\n|---|---|---|---|\n${watched.join('\n')}\n`,
  ].join('\n')
}

const PLURALS: Readonly<Partial<Record<RunAs['kind'], string>>> = { processor: 'processors', process: 'business processes' }

/**
 * The services that have a metric. A kind that may have several services is named by its plural.
 */
function who(services: readonly DeclaredService[], kinds: readonly RunAs['kind'][]): string {
  if (services.every(({ kind }) => kinds.includes(kind))) return 'all'
  return kinds.map((kind) => PLURALS[kind] ?? services.find((service) => service.kind === kind)?.name ?? kind).join(', ')
}
