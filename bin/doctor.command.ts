import { Command, Option } from '@commander-js/extra-typings'
import { CONFIG, duration, examples, exits, text } from './command-line.ts'

export const doctor = new Command('doctor')
  .summary('inspect this machine and its servers, and say what to pin and to change')
  .description(
    `Inspects this machine (sockets, network cards, interrupts, clock, memory, disks and how fast they confirm a write,
limits, time) and the servers of the line (PostgreSQL, Kafka, Mosquitto) and says of each thing what it found, what is
expected, why, and the command that changes it. Changes nothing itself, and needs no root: what it may not see it says
(docs/bare-metal.md). Exits with 1 if something can lose data or stop the line.`,
  )
  .addOption(CONFIG)
  .option('--folder <path>', 'measure in this folder; otherwise in that of the database, if it is on this machine', text('--folder'))
  .option('--measure <duration>', 'how long to write for', duration('--measure', { least: 1, most: 60 }), 2)
  .option('--no-measure', 'write nothing')
  .option('--json', 'print JSON')
  .option('--strict', 'exit with 1 for advice too')
  .option('--pinning <folder>', 'write a drop-in for each unit of systemd there, as in /etc/systemd/system', text('--pinning'))
  .addOption(
    new Option('--root <folder>', "look at a copy of another machine's /proc and /sys, without its servers").argParser(text('--root')),
  )
  .addHelpText(
    'after',
    examples(
      'millrace doctor',
      'sudo -u postgres millrace doctor --folder /var/lib/postgresql',
      'millrace doctor --json --no-measure',
      'sudo millrace doctor --pinning /etc/systemd/system && sudo systemctl daemon-reload',
    ),
  )
  .action(exits(async (options) => (await import('./doctor.ts')).doctor(options)))
