import { Command } from '@commander-js/extra-typings'
import { CONFIG, examples, exits, text } from './command-line.ts'

export const units = new Command('units')
  .summary('write a systemd unit for each service of the configuration')
  .description(
    `Writes systemd units: one for each service of the configuration, for \`millrace watch\` and for the page, and the
target that starts all but the page (docs/install.md). The Debian package brings those of Millrace's own services.`,
  )
  .option('--to <folder>', 'write them into this folder, such as /etc/systemd/system; otherwise print them', text('--to'))
  .option('--list', 'print the names of the services only, in the order in which a frame meets them')
  .option('--user <name>', 'whom the services run as', text('--user'), 'millrace')
  .option('--program <path>', 'the command line that the units start; otherwise that of this installation', text('--program'))
  .addOption(CONFIG)
  .addHelpText('after', examples('millrace units --list', 'millrace units --to /etc/systemd/system --config /etc/millrace/millrace.yaml'))
  .action(exits(async (options) => (await import('./units.ts')).units(options)))
