import type { TlsFiles } from './tls-files.ts'

/** Parameters of an address that name files, by what they are. */
const PARAMETERS: Readonly<Record<keyof TlsFiles, string>> = { caFile: 'ca_file', certFile: 'cert_file', keyFile: 'key_file' }

/** An address without its parameters for TLS, and the files that these named. */
export interface AddressWithFiles {
  readonly address: string
  /** Undefined if the address names none. */
  readonly files: TlsFiles | undefined
}

/**
 * Takes ca_file, cert_file and key_file out of an address, as in
 * postgres://user@host/database?ca_file=/etc/millrace/ca.pem. Each user may have a certificate of
 * its own in this way.
 */
export function splitFiles(address: string): AddressWithFiles {
  const [base = '', query] = address.split('?', 2)
  if (query === undefined) return { address, files: undefined }
  const others = new URLSearchParams(query)
  const files: Partial<Record<keyof TlsFiles, string>> = {}
  for (const [part, name] of Object.entries(PARAMETERS) as [keyof TlsFiles, string][]) {
    const path = others.get(name)
    if (path !== null && path !== '') files[part] = path
    others.delete(name)
  }
  return { address: others.size === 0 ? base : `${base}?${others}`, files: Object.keys(files).length === 0 ? undefined : files }
}

/** The address with files, unless it names some itself. */
export function withFiles(address: string, files: TlsFiles): string {
  if (splitFiles(address).files !== undefined) return address
  const [base, query] = address.split('?', 2)
  const parameters = new URLSearchParams(query)
  for (const [part, name] of Object.entries(PARAMETERS) as [keyof TlsFiles, string][]) {
    const path = files[part]
    if (path !== undefined) parameters.set(name, path)
  }
  return parameters.size === 0 ? address : `${base}?${parameters}`
}
