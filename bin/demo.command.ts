import { Command, Option } from '@commander-js/extra-typings'
import { CONFIG, examples, exits, positive, text } from './command-line.ts'

const list = (option: string): ((given: string, before: readonly string[] | undefined) => readonly string[]) => {
  const one = text(option)
  return (given, before = []) => [...before, one(given)]
}

export const demo = new Command('demo')
  .summary('run everything on this machine with simulated devices, or send a file through it (`make run`)')
  .description(
    `Starts everything on this machine and drives it, with simulated devices until Ctrl-C, or with a file. \`make run\` builds it first.

A file is CSV with a header of time, device and quantities (docs/quantities.md), or of anything else with --map. Separator, decimal comma, encoding and the format of times
are found out, and said; the options tell them. A line that cannot be read ends the run before anything is sent, with its number, column, value and what was
expected. Files are sent as frames of the smallest firmware that holds every value, or else as JSON, which holds any decimal. docs/files.md has more.`,
  )
  .argument('[file]', 'CSV to be sent through the line and accounted for')
  .addOption(
    new Option('--map <entries>', 'which column is what: time=…,device=…,temperature=value[degF]; several times, too')
      .argParser(list('--map'))
      .default([] as readonly string[], 'time, device, then quantities by their names'),
  )
  .option('--device <id>', 'one device for all lines', text('--device'))
  .option('--zone <zone>', 'zone of times without an offset, such as Europe/Vienna', text('--zone'))
  .option(
    '--time-format <format>',
    'iso8601, unix-s, unix-ms, unix-us, unix-ns, or a pattern such as "DD.MM.YYYY HH:MM"; otherwise it is found out',
    text('--time-format'),
  )
  .addOption(
    new Option('--separator <separator>', 'between fields; otherwise it is found out').choices(['comma', 'semicolon', 'tab', 'bar']),
  )
  .addOption(new Option('--decimal <mark>', 'before decimals; otherwise it is found out').choices(['point', 'comma']))
  .addOption(
    new Option(
      '--missing <text>',
      'another text that means no reading, beside an empty field, NA, N/A, NaN, null, none and -; several times, too',
    )
      .argParser(list('--missing'))
      .default([] as readonly string[], 'none'),
  )
  .option('--from-line <line>', 'the header is in this line, from 1', positive('--from-line', 'whole'))
  .option('--no-header', 'the file has no header: columns are #1, #2, …')
  .option('--skip', 'send the lines that can be read, and count the others')
  .option('--round', 'round to what the firmware holds, and send frames')
  .addOption(
    new Option('--seed <n>', 'of the season that the simulated hives live: docs/season.md; 1 if it is not given').argParser(
      positive('--seed', 'whole'),
    ),
  )
  .addOption(CONFIG)
  .addHelpText(
    'after',
    examples(
      'millrace demo hives.csv',
      'millrace demo --map "time=Date,device=Tag number,temperature=Temp[degF]" --zone America/Montreal hives.csv',
      'millrace demo --map "time=Datum+Zeit,temperature=Temp. außen" --device garden --time-format "DD.MM.YYYY HH:MM" station.csv',
    ),
  )
  .action(exits(async (file, options) => (await import('./demo.ts')).demo(file, options)))
