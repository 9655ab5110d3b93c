import { Command } from '@commander-js/extra-typings'
import { CONFIG, examples, exits } from './command-line.ts'

export const watch = new Command('watch')
  .summary('serve lag, broker and databases as Prometheus metrics')
  .description(
    `Serves what no service can say of itself, until SIGINT or SIGTERM: lag of the consumer groups under the names of
kafka-lag-exporter and as JSON at /lag, what the broker tells about itself, and the state of the two databases
(docs/monitoring.md). \`millrace up\` runs it beside the services.`,
  )
  .addOption(CONFIG)
  .option('--targets', 'print where each service has its metrics, as a file for file_sd_configs of Prometheus, and end')
  .addHelpText('after', examples('millrace watch', 'millrace watch --targets > targets.json'))
  .action(exits(async (options) => (await import('./watch.ts')).watch(options)))
