import { setTimeout as sleep } from 'node:timers/promises'
import { isTransient } from '../connectors/contract.ts'
import type { BrokerFiles } from '../connectors/identity/broker-files.ts'
import { credentialVersion } from '../connectors/postgres/credential-list.ts'
import { createDatabase, type Database } from '../connectors/postgres/database.ts'
import { ConfigError, loadConfig } from '../services/config.ts'
import { identityPlaces, keepBrokerFiles } from '../services/identity.ts'
import type { ConfigOption } from './command-line.ts'
import { print } from './print.ts'
import { stopSignal } from './stop-signal.ts'

const LOOK_MS = 500

/** `millrace devices broker-files` */
export async function brokerFiles({ config: file, follow }: ConfigOption & { readonly follow?: true | undefined }): Promise<number> {
  const config = loadConfig(process.env, file)
  const { brokerFiles: files } = identityPlaces(config)
  if (files === undefined) throw new ConfigError(`${config.file}: identity.broker_files: expected a folder`)
  await using database = createDatabase({
    url: config.env.APP_BROKER_URL ?? config.env.APP_DATABASE_URL,
    applicationName: 'millrace broker-files',
  })
  const written = await write(database, files)
  if (follow) await keepWriting(database, files, written)
  return 0
}

/** Until somebody stops it. While the database is away, the broker keeps what it has. */
async function keepWriting(database: Database, files: BrokerFiles, first: bigint): Promise<void> {
  const stop = new AbortController()
  void stopSignal().then(() => stop.abort())
  let written = first
  let problem: string | undefined
  while (!stop.signal.aborted) {
    try {
      if ((await credentialVersion(database)) !== written) written = await write(database, files)
      problem = undefined
    } catch (cause) {
      if (!(cause instanceof Error) || !isTransient(cause)) throw cause
      if (problem !== cause.message) print(cause.message)
      problem = cause.message
    }
    await sleep(LOOK_MS, undefined, { signal: stop.signal }).catch(() => undefined)
  }
}

/** @returns the number of the change that the broker has now */
async function write(database: Database, files: BrokerFiles): Promise<bigint> {
  const { version, told } = await keepBrokerFiles(database, files)
  print(`change ${version} in ${files.folder}, broker: ${told}`)
  return version
}
