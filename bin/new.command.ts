import { Command } from '@commander-js/extra-typings'
import { CONFIG, examples, exits } from './command-line.ts'

const WHERE =
  "In Millrace's sources it is a folder of processors/; elsewhere it is a package in the current directory, which depends on this Millrace. Nothing that is there is overwritten."

// Named so because `new` is a word of the language.
export const newFolder = new Command('new')
  // Of two commands that have --config, the one that it stands behind gets it.
  .enablePositionalOptions()
  .summary('create a processor or a business process')
  .description('Creates the folder of a processor or a business process of your own, which runs and passes its test (docs/processors.md).')

newFolder
  .command('processor')
  .summary('create a processor')
  .description(`Creates a processor: readings in, records of an Avro schema out. ${WHERE}`)
  .argument('<name>', 'of its folder and its consumer group, as in frost-watch')
  .addOption(CONFIG)
  .addHelpText('after', examples('millrace new processor frost-watch'))
  .action(exits(async (name, options) => (await import('./new.ts')).create('processor', name, options)))

newFolder
  .command('process')
  .summary('create a business process')
  .description(`Creates a business process: readings in, changes of the app database out. ${WHERE}`)
  .argument('<name>', 'of its folder and its consumer group, as in frost-log')
  .addOption(CONFIG)
  .addHelpText('after', examples('millrace new process frost-log'))
  .action(exits(async (name, options) => (await import('./new.ts')).create('process', name, options)))

export const generate = new Command('generate')
  .summary("write the types of a package's Avro schemas")
  .description(
    'Writes the TypeScript types of every .avsc file of a package, to generated/ beside it. With --check it writes nothing, and exits with 1 if a file is not current.',
  )
  .argument('[folder]', 'of the package; otherwise the current one')
  .option('--check', 'only name the files that are not current')
  .addHelpText('after', examples('millrace generate', 'millrace generate ./frost-watch --check'))
  .action(exits(async (folder, options) => (await import('./new.ts')).generateTypes(folder, options)))
