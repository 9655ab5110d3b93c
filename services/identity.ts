import { dirname, resolve } from 'node:path'
import { type Authority, openAuthority } from '../connectors/identity/authority.ts'
import { type BrokerFiles, type Told, writeBrokerFiles } from '../connectors/identity/broker-files.ts'
import { brokerState, credentialVersion } from '../connectors/postgres/credential-list.ts'
import type { Database } from '../connectors/postgres/database.ts'
import { type Config, ConfigError } from './config.ts'

/** The folder of the authority, and a broker's files, by whole paths. */
export interface IdentityPlaces {
  readonly authority: string | undefined
  readonly brokerFiles: BrokerFiles | undefined
}

export function identityPlaces({ file, identity }: Pick<Config, 'file' | 'identity'>): IdentityPlaces {
  const place = (given: string | undefined): string | undefined => (given === undefined ? undefined : resolve(dirname(file), given))
  const folder = place(identity.broker_files)
  return {
    authority: place(identity.authority),
    brokerFiles:
      folder === undefined ? undefined : { folder, users: place(identity.broker_users), pidFile: place(identity.broker_pid_file) },
  }
}

/** The configured authority; undefined if there is none. */
export function configuredAuthority(config: Config): Authority | undefined {
  const { authority } = identityPlaces(config)
  return authority === undefined ? undefined : openAuthority(authority, () => new Date())
}

/** @throws ConfigError if none is configured */
export function neededAuthority(config: Config): Authority {
  const authority = configuredAuthority(config)
  if (authority === undefined)
    throw new ConfigError(
      `${config.file}: identity.authority: expected a folder with ca.pem and ca.key (\`millrace devices authority\` makes one)`,
    )
  return authority
}

/**
 * Writes a broker's files until they are those of the last change: somebody may make one meanwhile,
 * and write what is newer first.
 */
export async function keepBrokerFiles(database: Database, files: BrokerFiles): Promise<{ readonly version: bigint; readonly told: Told }> {
  for (;;) {
    const state = await brokerState(database)
    const told = writeBrokerFiles(files, state)
    if ((await credentialVersion(database)) === state.version) return { version: state.version, told }
  }
}
