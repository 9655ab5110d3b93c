import { Command } from '@commander-js/extra-typings'
import { CONFIG, examples, exits } from './command-line.ts'

export const schemas = new Command('schemas')
  .summary('check the schemas against the registry, or register them')
  .description('The schemas of this version, or of firmwares in files of your own, beside those of the registry.')

schemas
  .command('check')
  .description('Says which schemas the registry would refuse. Exits with 1 if there are any.')
  .argument('[file...]', 'schemas of firmwares, or folders with them (.avsc); otherwise every schema of this version')
  .addOption(CONFIG)
  .addHelpText('after', examples('millrace schemas check', 'millrace schemas check my-firmwares/hive-9.avsc'))
  .action(
    exits(async (files, options) => {
      const { checkFirmwares, checkSchemas } = await import('./schemas.ts')
      return files.length === 0 ? checkSchemas(options) : checkFirmwares(files, options)
    }),
  )

schemas
  .command('register')
  .description(
    'Registers schemas, also while everything runs: frames of a new firmware flow within seconds, and nothing is restarted. Exits with 1 if the registry would refuse one of the files that are named (then none is registered), or if an older schema is not the newest again.',
  )
  .argument('[file...]', 'schemas of firmwares, or folders with them (.avsc); otherwise every schema of this version')
  .addOption(CONFIG)
  .addHelpText('after', examples('millrace schemas register', 'millrace schemas register my-firmwares/hive-9.avsc'))
  .action(
    exits(async (files, options) => {
      const { registerFirmwares, registerSchemas } = await import('./schemas.ts')
      return files.length === 0 ? registerSchemas(options) : registerFirmwares(files, options)
    }),
  )

schemas
  .command('restore')
  .description(
    'Registers again what a registry has lost that came back empty, or from an older backup: the schemas of this version, and those of all firmwares that services have read from it (docs/recovery.md). IDs need not be the same. Exits with 1 if a subject has a newer schema than those that were read: it is left alone.',
  )
  .argument('[subject...]', 'only these; otherwise all, those too that somebody has deleted on purpose')
  .option('--dry-run', 'say what would be registered')
  .addOption(CONFIG)
  .addHelpText('after', examples('millrace schemas restore --dry-run', 'millrace schemas restore'))
  .action(exits(async (subjects, options) => (await import('./restore-schemas.ts')).restoreSchemas(subjects, options)))
