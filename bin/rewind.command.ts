import { Command, Option } from '@commander-js/extra-typings'
import { MOMENT_EXPECTED, parseMoment } from '../processors/when.ts'
import { CONFIG, examples, exits, UsageError } from './command-line.ts'

/** Where to go back to. A time is milliseconds since 1970. */
function place(
  given: string,
): { readonly tag: 'time'; readonly ms: number } | { readonly tag: 'offset'; readonly offset: bigint } | { readonly tag: 'beginning' } {
  if (given === 'beginning') return { tag: 'beginning' }
  if (/^\d{1,18}$/.test(given)) return { tag: 'offset', offset: BigInt(given) }
  const ms = parseMoment(given, Date.now())
  if (ms === undefined || ms < 0) throw new UsageError(`--to: ${MOMENT_EXPECTED}, or an offset, or beginning; got ${JSON.stringify(given)}`)
  return { tag: 'time', ms }
}

function partition(given: string): number {
  if (!/^\d{1,6}$/.test(given)) throw new UsageError(`--partition: expected the number of a partition, got ${JSON.stringify(given)}`)
  return Number(given)
}

export const rewind = new Command('rewind')
  .summary('make a stopped processor, process or store read its topic again from an earlier place')
  .description(
    'Moves the place of a stopped consumer back, and says how many records it will read again, and what that repeats: docs/rewind.md. It refuses while the consumer runs. It never goes forward: that would leave records out. Exits with 1 if nothing was moved.',
  )
  .argument('<name>', 'a processor, a business process, continuity or store')
  .addOption(
    new Option(
      '--to <place>',
      'a time of receipt with its zone (2026-11-23T04:00:00Z), an age (90s, 15m, 2h, 3d), an offset (with --partition), or beginning',
    )
      .argParser(place)
      .makeOptionMandatory(),
  )
  .addOption(new Option('--partition <n>', 'only this partition').argParser(partition))
  .option('--dry-run', 'say what would be done')
  .addOption(CONFIG)
  .addHelpText(
    'after',
    examples(
      'millrace rewind movement --to 2026-11-23T04:00Z --dry-run',
      'millrace rewind standardise --to 2h',
      'millrace rewind store --to 41200 --partition 3',
    ),
  )
  .action(exits(async (name, options) => (await import('./rewind.ts')).rewind(name, options)))
