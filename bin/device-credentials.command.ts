import { Argument, type Command, Option } from '@commander-js/extra-typings'
import { CONFIG, duration, examples, exits, text } from './command-line.ts'

const IDS = 'device IDs; - alone reads them from standard input, with blanks or new lines between'
const DAY_S = 86_400

/** What a device is to prove itself with. */
export const PASSWORD = new Option('--password', 'a new password for each, which is printed once: device, password').conflicts([
  'certificate',
  'csr',
])
export const CERTIFICATE = new Option('--certificate', 'a new key and a certificate for each, in --out: ID.key and ID.pem')
export const CSR = new Option(
  '--csr <path>',
  'a certificate for the key in a signing request: a file for one device, or a folder with ID.csr for each',
).argParser(text('--csr'))
export const OUT = new Option('--out <folder>', 'where certificates are written').argParser(text('--out'))

/** The commands of `millrace devices` for what devices prove themselves with. */
export function addCredentialCommands(devices: Command): void {
  devices
    .command('rotate')
    .description(
      'Gives devices new credentials, and revokes those of the same kind that they have. It also gives a device its first one. A gateway that has rules may have credentials, too.',
    )
    .addArgument(new Argument('<id...>', IDS))
    .addOption(PASSWORD)
    .addOption(CERTIFICATE)
    .addOption(CSR)
    .addOption(OUT)
    .option('--keep-old', 'the certificates that they have stay good, until `millrace devices revoke --older`')
    .addOption(CONFIG)
    .addHelpText(
      'after',
      examples(
        'millrace devices rotate --password my-hive',
        'millrace devices rotate --certificate --out new/ - < ids.txt',
        'millrace devices rotate --csr my-hive.csr --out new/ --keep-old my-hive',
      ),
    )
    .action(exits(async (ids, options) => (await import('./credentials.ts')).rotate(ids, options)))

  devices
    .command('revoke')
    .description(
      'Revokes the credentials of devices: the broker refuses them, and ends the open sessions. What the devices sent stays, and so do their assignments.',
    )
    .addArgument(new Argument('<id...>', IDS))
    .option('--older', 'of each kind all but the newest')
    .addOption(CONFIG)
    .addHelpText('after', examples('millrace devices revoke my-hive', 'millrace devices revoke --older my-hive'))
    .action(exits(async (ids, options) => (await import('./credentials.ts')).revoke(ids, options)))

  devices
    .command('credentials')
    .description(
      'Credentials that were issued, one a line, separated by tabs: device, kind, state (good, expired, revoked), issued, expires, revoked, serial number, fingerprint, who issued it.',
    )
    .addOption(
      new Option('--expiring <duration>', 'only those that are good, and expire within it').argParser(
        duration('--expiring', { least: 1, most: 36_500 * DAY_S }),
      ),
    )
    .option('--json', 'as JSON')
    .addOption(CONFIG)
    .addHelpText('after', examples('millrace devices credentials --expiring 30d'))
    .action(exits(async (options) => (await import('./credential-list.ts')).credentialList(options)))

  devices
    .command('authority')
    .description(
      'Makes the authority that signs certificates of devices, in the folder that identity.authority names, unless it is there; and tells the app database of it, from which brokers have its certificate. Keep a copy of the folder, where nobody else can read it.',
    )
    .addOption(CONFIG)
    .action(exits(async (options) => (await import('./credentials.ts')).authority(options)))

  devices
    .command('broker-files')
    .description(
      "Writes the files that a Mosquitto on this machine has its devices' passwords and certificates from, and tells it. The commands that change credentials do so too, if they run on that machine.",
    )
    .option('--follow', 'goes on, and writes them again within a second after each change')
    .addOption(CONFIG)
    .action(exits(async (options) => (await import('./broker-files.ts')).brokerFiles(options)))
}
