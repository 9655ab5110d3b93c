import { readFileSync } from 'node:fs'
import { type ConnectionOptions, createSecureContext } from 'node:tls'
import { ConnectorError } from './contract.ts'

/** Paths of PEM files for a TLS connection. */
export interface TlsFiles {
  /** Certificates of the authorities that count; otherwise those of the system. */
  readonly caFile?: string | undefined
  /** The client's own certificate, if the server wants one, and its key. */
  readonly certFile?: string | undefined
  readonly keyFile?: string | undefined
}

/** What node:tls connects with. The server's certificate and its name are verified. */
export type TlsContext = Pick<ConnectionOptions, 'secureContext'>

/**
 * Reads the files. It is called for each connection, so new certificates count from the next one
 * on, and those that are open stay.
 * @throws ConnectorError that names the file, transient: files are just being replaced, or a
 *   certificate came before its key
 */
export function readTls({ caFile, certFile, keyFile }: TlsFiles): TlsContext {
  const files = { ca: caFile, cert: certFile, key: keyFile }
  const pems: { ca?: Buffer; cert?: Buffer; key?: Buffer } = {}
  try {
    for (const part of ['ca', 'cert', 'key'] as const) {
      const path = files[part]
      if (path !== undefined) pems[part] = readFileSync(path)
    }
    return { secureContext: createSecureContext(pems) }
  } catch (cause) {
    const named = Object.values(files).filter((path) => path !== undefined)
    throw new ConnectorError('TLS_FILES', true, `reading the certificates in ${named.join(', ')}`, cause)
  }
}
