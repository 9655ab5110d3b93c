import { splitFiles } from '../address-files.ts'

/** An address as psql and the other programs of libpq read it. */
export interface LibpqAddress {
  /** Without the password: a command line is everybody's to read. */
  readonly address: string
  /** For PGPASSWORD; undefined if the address has none. */
  readonly password: string | undefined
}

/** The address of one server or several; files for TLS go by libpq's names. */
export function libpqAddress(url: string): LibpqAddress {
  const { address, files } = splitFiles(url)
  const [, scheme = '', user, password, rest = ''] = /^([a-z]+:\/\/)(?:([^:@/]*)(?::([^@/]*))?@)?([\s\S]*)$/i.exec(address) ?? []
  const [place = '', query] = rest.split('?', 2)
  const parameters = new URLSearchParams(query)
  const tls = { sslrootcert: files?.caFile, sslcert: files?.certFile, sslkey: files?.keyFile }
  if (files !== undefined) parameters.set('sslmode', 'verify-full')
  for (const [name, path] of Object.entries(tls)) if (path !== undefined) parameters.set(name, path)
  return {
    address: `${scheme}${user === undefined ? '' : `${user}@`}${place}${parameters.size === 0 ? '' : `?${parameters}`}`,
    password: password === undefined ? undefined : decodeURIComponent(password),
  }
}
