import type pg from 'pg'
import { splitFiles } from '../address-files.ts'
import { readTls } from '../tls-files.ts'

/**
 * What the driver connects with: TLS if the address names files, which are read now.
 * @throws ConnectorError if they cannot be read
 */
export function clientSettings(url: string): Pick<pg.ClientConfig, 'connectionString' | 'ssl'> {
  const { address, files } = splitFiles(url)
  if (files === undefined) return { connectionString: address }
  // The driver connects the socket itself, and gives TLS no name that is an address: without one,
  // the certificate would be compared with localhost.
  const host = URL.canParse(address) ? new URL(address).hostname.replace(/^\[(.*)\]$/, '$1') : undefined
  return { connectionString: address, ssl: { ...readTls(files), ...(host === undefined ? {} : { host }) } }
}
