import { type ListedCredential, listCredentials } from '../connectors/postgres/credential-list.ts'
import { createDatabase } from '../connectors/postgres/database.ts'
import { visible } from '../processors/visible.ts'
import { loadConfig } from '../services/config.ts'
import type { ConfigOption } from './command-line.ts'

interface ListOptions extends ConfigOption {
  /** Seconds. */
  readonly expiring?: number | undefined
  readonly json?: true | undefined
}

/** `millrace devices credentials` */
export async function credentialList({ config: file, expiring, json }: ListOptions): Promise<number> {
  const { env } = loadConfig(process.env, file)
  await using database = createDatabase({ url: env.APP_DATABASE_URL, applicationName: 'millrace devices' })
  const found = await listCredentials(database, expiring === undefined ? undefined : new Date(Date.now() + expiring * 1000))
  if (json) process.stdout.write(`${JSON.stringify(found, null, 2)}\n`)
  else process.stdout.write(found.map((each) => `${line(each)}\n`).join(''))
  return 0
}

function line({ device, kind, state, issuedAt, expiresAt, revokedAt, serial, fingerprint, issuedBy }: ListedCredential): string {
  const moments = [issuedAt, expiresAt, revokedAt].map((at) => at?.toISOString() ?? '-')
  return [device, kind, state, ...moments, serial ?? '-', fingerprint ?? '-', issuedBy].map(visible).join('\t')
}
