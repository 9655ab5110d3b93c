import { existsSync } from 'node:fs'
import { hostname, userInfo } from 'node:os'
import { join } from 'node:path'
import { makeAuthority } from '../connectors/identity/authority.ts'
import {
  announceAuthority,
  CredentialError,
  type Issued,
  issueCredentials,
  type RevokedCredential,
  revokeCredentials,
} from '../connectors/postgres/credentials.ts'
import type { Database } from '../connectors/postgres/database.ts'
import type { DeviceId } from '../processors/contract.ts'
import { type Config, ConfigError, loadConfig } from '../services/config.ts'
import { endSessions } from '../services/end-sessions.ts'
import { configuredAuthority, identityPlaces, keepBrokerFiles, neededAuthority } from '../services/identity.ts'
import { type ConfigOption, UsageError } from './command-line.ts'
import { type CredentialOptions, createMaker, sayBeside, type WantedCredential, wantedCredential } from './credential-secrets.ts'
import { namedDevices, openDevices } from './devices.ts'
import { print } from './print.ts'

const DAY_MS = 86_400_000
/**
 * Devices of one transaction. Certificates for 20,000 take ten seconds to make, in which a
 * transaction would be idle for longer than it may.
 */
const AT_ONCE = 1_000
/** Names of the broker's other users: no device may have them. */
const RESERVED = /^millrace-/i

interface RotateOptions extends ConfigOption, CredentialOptions {
  readonly keepOld?: true | undefined
}

/** `millrace devices rotate` */
export async function rotate(names: readonly string[], options: RotateOptions): Promise<number> {
  const wanted = wantedCredential(options)
  if (wanted === undefined) throw new UsageError('expected --password, --certificate or --csr')
  if (options.keepOld && wanted.kind === 'password')
    throw new UsageError('--keep-old: expected --certificate or --csr with it; a broker knows one password of a device')
  const config = loadConfig(process.env, options.config)
  const devices = await namedDevices(names)
  await using database = openDevices(config)
  return await issue(config, database, devices, wanted, options.keepOld ? 'keep' : 'revoke')
}

/** `millrace devices revoke` */
export async function revoke(names: readonly string[], options: ConfigOption & { readonly older?: true | undefined }): Promise<number> {
  const config = loadConfig(process.env, options.config)
  const devices = await namedDevices(names)
  const which = options.older ? 'older' : 'all'
  await using database = openDevices(config)
  const revoked = await refusing(() => revokeCredentials(database, { devices, authority: configuredAuthority(config) }, which))
  print(`${devices.length} devices: ${revoked.length} credentials revoked`)
  return await settle(config, database, print, revoked, which === 'all' ? 'discard' : 'keep')
}

/** `millrace devices authority` */
export async function authority({ config: file }: ConfigOption): Promise<number> {
  const config = loadConfig(process.env, file)
  const { authority: folder } = identityPlaces(config)
  if (folder !== undefined && !existsSync(join(folder, 'ca.pem'))) {
    makeAuthority(folder, new Date())
    print(`made an authority in ${folder}`)
  }
  const it = neededAuthority(config)
  await using database = openDevices(config)
  await announceAuthority(database, it)
  print(`authority of devices with fingerprint ${it.fingerprint}`)
  return await settle(config, database, print, [], 'keep')
}

/**
 * Issues credentials, hands them over, and sees to it that the broker knows.
 * @returns the exit code
 */
export async function issue(
  config: Config,
  database: Database,
  devices: readonly DeviceId[],
  wanted: WantedCredential,
  present: 'leave' | 'revoke' | 'keep',
): Promise<number> {
  const reserved = devices.find((device) => RESERVED.test(device))
  if (reserved !== undefined)
    throw new ConfigError(`${reserved}: expected a device ID that does not begin with millrace-, as the broker's other users do`)
  const signer = wanted.kind === 'certificate' ? neededAuthority(config) : configuredAuthority(config)
  const until = new Date(Date.now() + config.identity.certificate_days * DAY_MS)
  const maker = createMaker(wanted, devices, until, signer)
  const say = (line: string): void => sayBeside(wanted, line)
  const done: Issued[] = []
  for (let first = 0; first < devices.length; first += AT_ONCE) {
    const some = devices.slice(first, first + AT_ONCE)
    const change = { devices: some, kind: wanted.kind, by: whoAsks(), present, authority: signer, make: maker.make }
    done.push(await refusing(() => issueCredentials(database, change), first))
    maker.handOver()
  }
  const [issued, left] = [total(done, 'issued'), total(done, 'left')]
  const revoked = done.flatMap((each) => each.revoked)
  say(
    `${issued} ${wanted.kind}s issued${wanted.kind === 'certificate' ? ` in ${wanted.out}, good until ${until.toISOString()}` : ''}${left === 0 ? '' : `; ${left} devices have one already: rotate`}${revoked.length === 0 ? '' : `; ${revoked.length} older revoked`}`,
  )
  return settle(config, database, say, revoked, 'keep')
}

/** Sees to it that brokers know what was changed, as far as they can be reached from here. */
async function settle(
  config: Config,
  database: Database,
  say: (line: string) => void,
  revoked: readonly RevokedCredential[],
  queued: 'keep' | 'discard',
): Promise<number> {
  const { brokerFiles } = identityPlaces(config)
  if (brokerFiles !== undefined) {
    const { told } = await keepBrokerFiles(database, brokerFiles)
    say(`wrote the broker's files in ${brokerFiles.folder}${TOLD[told]}`)
  }
  const signer = configuredAuthority(config)
  if (revoked.length === 0 || signer === undefined || config.identity.brokers.length === 0) return 0
  const { brokers } = config.identity
  const left = await endSessions({ brokers, caFile: config.env.MQTT_CA_FILE, authority: signer, revoked, queued })
  if (left.length === 0) {
    say(`sessions ended at ${brokers.join(', ')}`)
    return 0
  }
  for (const { broker, devices, because } of left) say(`${broker}: ${devices} sessions may still be open: ${because}`)
  return 1
}

const TOLD = {
  told: ', and told it',
  'not-running': '; it does not run',
  nobody: '; tell it to read them: identity.broker_pid_file is not set',
} as const

function total(done: readonly Issued[], what: 'issued' | 'left'): number {
  return done.reduce((sum, each) => sum + each[what].length, 0)
}

/** @param before devices whose credentials have been changed already */
async function refusing<Value>(work: () => Promise<Value>, before = 0): Promise<Value> {
  try {
    return await work()
  } catch (cause) {
    if (!(cause instanceof CredentialError)) throw cause
    throw new ConfigError(`${cause.message}; ${before === 0 ? 'nothing was changed' : `the ${before} devices before have theirs`}`, {
      cause,
    })
  }
}

function whoAsks(): string {
  return `${userInfo().username}@${hostname()}`
}
