import { join } from 'node:path'
import { libpqAddress } from '../../connectors/postgres/libpq-address.ts'
import { serversOf } from '../../connectors/postgres/servers.ts'

/**
 * The command that opens a database of the local stack. A secured one has a password for each user
 * in a file, which is named and not shown.
 */
export function psqlHint(url: string, local: string): string {
  const { address, password } = libpqAddress(url)
  const command = address.includes('?') ? `psql '${address}'` : `psql ${address}`
  if (password === undefined) return command
  const { username } = new URL(serversOf(url).urls[0] ?? url)
  return `PGPASSWORD=$(cat ${join(local, 'passwords', `postgres-${username}`)}) ${command}`
}
