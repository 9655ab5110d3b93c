import { Command } from '@commander-js/extra-typings'
import { CONFIG, examples, exits, several, text, UsageError } from './command-line.ts'

/** Port of the page if none is given. */
export const OPS_PORT = 9480

export const ops = new Command('ops')
  .summary('serve the page that shows the line in a browser')
  .description(
    `Serves a page for operators until SIGINT or SIGTERM: the line with its rates and health, lag and its causes,
dead letters, continuity, storage (docs/ops-page.md). It reads as the reader of the databases. What changes
something needs the token of MILLRACE_OPS_TOKEN; without one, the page is read-only.`,
  )
  .option('--port <port>', 'port to listen on', port, OPS_PORT)
  .option('--host <address>', 'address to listen on; 0.0.0.0 or :: for all of this machine', text('--host'), '127.0.0.1')
  .option('--host-name <name>', 'a name under which browsers reach it, beside its addresses (repeatable)', several('--host-name'), [])
  .addOption(CONFIG)
  .addHelpText(
    'after',
    examples('millrace ops', 'MILLRACE_OPS_TOKEN_FILE=/etc/millrace/ops-token millrace ops --host 0.0.0.0 --host-name ops.example'),
  )
  .action(exits(async (options) => (await import('./ops.ts')).ops(options)))

function port(given: string): number {
  const value = /^\d{1,5}$/.test(given) ? Number(given) : Number.NaN
  if (!(value >= 0 && value <= 65_535))
    throw new UsageError(`--port: expected a port from 0 (any that is free) to 65535, got ${JSON.stringify(given)}`)
  return value
}
