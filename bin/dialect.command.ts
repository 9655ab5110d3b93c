import { Command, Option } from '@commander-js/extra-typings'
import { CONFIG, examples, exits, moment, positive, text } from './command-line.ts'

export const dialect = new Command('dialect')
  .summary('try, check and learn what translates the messages of other firmware')
  .description('Dialects: how messages of devices with firmware of others become readings (docs/dialects.md).')

dialect
  .command('try')
  .description(
    'Says step by step what would come of a message. Asks no service, so whether the device is known is not told. Exits with 1 if the message, or a part of it, would be rejected.',
  )
  .argument('<dialect>', 'a file, or the name of a dialect that Millrace comes with or the configuration lists')
  .addOption(new Option('--topic <topic>', 'on which the message is published').argParser(text('--topic')).makeOptionMandatory())
  .addOption(new Option('--payload <text>', 'the message; - reads it from standard input').conflicts(['payloadFile', 'payloadHex']))
  .addOption(new Option('--payload-file <file>', 'the message, as it is in a file').conflicts(['payload', 'payloadHex']))
  .addOption(new Option('--payload-hex <digits>', 'the message in hexadecimal').conflicts(['payload', 'payloadFile']))
  .addOption(
    new Option(
      '--received <time>',
      'when it was received: a time with its zone (2026-11-23T04:00:00Z) or an age (90s, 15m, 2h, 3d); without it, now',
    ).argParser(moment('--received')),
  )
  .option('--retained', "as if it came out of the broker's store of retained messages")
  .option('--json', 'as JSON')
  .addOption(CONFIG)
  .addHelpText(
    'after',
    examples(
      `millrace dialect try tasmota --topic tele/plug/SENSOR --payload '{"Time":"2026-11-29T04:30:04","ENERGY":{"Power":37}}'`,
      'mosquitto_sub -C 1 -t tele/plug/SENSOR | millrace dialect try ./dialects/plug.yaml --topic tele/plug/SENSOR --payload -',
    ),
  )
  .action(exits(async (given, options) => (await import('./dialect.ts')).tryDialect(given, options)))

dialect
  .command('check')
  .description(
    'Reads dialects, and compares what they make of the examples beside them, in a folder examples, with what must come of them. Exits with 1 if one differs.',
  )
  .argument('[path...]', 'files or folders; otherwise those that Millrace comes with, and those of the configuration')
  .addOption(CONFIG)
  .addHelpText('after', examples('millrace dialect check', 'millrace dialect check ./dialects'))
  .action(exits(async (paths, options) => (await import('./dialect.ts')).checkDialects(paths, options)))

dialect
  .command('learn')
  .description(
    "Listens on the broker, and writes a draft of a dialect from what it saw, with examples beside it. What it guessed is marked. It connects as a client of its own, and never as the bridge's user. Exits with 1 if the draft would reject one of the messages.",
  )
  .addOption(new Option('--topic <filter>', "MQTT filter, as in 'tele/#'").argParser(text('--topic')).makeOptionMandatory())
  .addOption(new Option('--seconds <n>', 'how long').argParser(positive('--seconds', 'any')).default(60))
  .addOption(
    new Option('--out <file>', 'a file that is not there yet; examples/ is made beside it. Otherwise standard output').argParser(
      text('--out'),
    ),
  )
  .addOption(new Option('--name <name>', 'of the dialect; otherwise that of the file, or of the filter').argParser(text('--name')))
  .addOption(
    new Option('--username <name>', "at the broker, not the bridge's; the password is in $MILLRACE_LEARN_PASSWORD").argParser(
      text('--username'),
    ),
  )
  .addOption(CONFIG)
  .addHelpText('after', examples("millrace dialect learn --topic 'tele/#' --out ./dialects/plugs.yaml"))
  .action(exits(async (options) => (await import('./dialect.ts')).learnDialect(options)))
