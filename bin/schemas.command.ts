import { Command } from '@commander-js/extra-typings'
import { CONFIG, exits } from './command-line.ts'

export const schemas = new Command('schemas')
  .summary('check the schemas against the registry, or register them')
  .description('The schemas of this version beside those of the registry.')

schemas
  .command('check')
  .description('Says which schemas the registry would refuse. Exits with 1 if there are any.')
  .addOption(CONFIG)
  .action(exits(async (options) => (await import('./schemas.ts')).checkSchemas(options)))

schemas
  .command('register')
  .description('Registers every schema. Exits with 1 if an older one of them is not the newest again.')
  .addOption(CONFIG)
  .action(exits(async (options) => (await import('./schemas.ts')).registerSchemas(options)))
