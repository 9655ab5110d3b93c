import { connect as connectTcp, Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { shownAddress } from '../../processors/address.ts'
import { readTls, type TlsContext, type TlsFiles } from '../tls-files.ts'
import type { Dial } from './connection.ts'

/** Where a broker is, and as whom to connect, as it is configured. */
export interface BrokerAccess {
  /** mqtt://host[:port] or mqtts://… */
  readonly url: string
  /** Otherwise that of the URL, if it has one. */
  readonly username?: string | undefined
  readonly password?: string | undefined
  /** For mqtts; read at each connection. */
  readonly tls?: TlsFiles
}

/** Where a broker is, and as whom to connect. */
export interface Broker {
  readonly dial: Dial
  readonly username: string | undefined
  readonly password: string | undefined
  /** The address without credentials, for logs. */
  readonly address: string
}

const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'mqtt:': 1883, 'mqtts:': 8883 }

/**
 * Reads a broker's URL: mqtt://[user:password@]host[:port] or mqtts://….
 * @param files for mqtts; read at each connection
 * @throws TypeError that names the URL (without its password) and what was expected
 */
export function parseBroker(url: string, files: TlsFiles = {}): Broker {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  const port = parsed && (parsed.port === '' ? DEFAULT_PORTS[parsed.protocol] : Number(parsed.port))
  const secure = parsed?.protocol === 'mqtts:'
  if (!parsed || !port || parsed.hostname === '' || !(parsed.protocol in DEFAULT_PORTS)) {
    throw new TypeError(`MQTT URL must be mqtt://host:port or mqtts://host:port, not ${JSON.stringify(shownAddress(url))}`)
  }
  // A URL puts brackets around an IPv6 address, a socket does not.
  const host = parsed.hostname.replace(/^\[(.*)\]$/, '$1')
  const target = { host, port, noDelay: true }
  return {
    dial(onread) {
      const reading = onread === undefined ? {} : { onread }
      if (!secure) return connectTcp({ ...target, ...reading })
      let context: TlsContext
      try {
        context = readTls(files)
      } catch (cause) {
        // As any other connection that cannot be made: it is tried again.
        return new Socket().destroy(cause instanceof Error ? cause : new Error(String(cause)))
      }
      // Node documents onread for tls.connect too; its types have it for net.connect only.
      const secureTarget = { ...context, ...serverName(host), ...target, ...reading }
      return connectTls(secureTarget)
    },
    username: parsed.username === '' ? undefined : decodeURIComponent(parsed.username),
    password: parsed.password === '' ? undefined : decodeURIComponent(parsed.password),
    address: `${parsed.protocol}//${parsed.hostname}:${port}`,
  }
}

/**
 * The name that the certificate must have: the host's. An address is no name (RFC 6066, section 3),
 * and is compared as what it is.
 */
function serverName(host: string): { servername?: string } {
  if (/^[\d.]+$|:/.test(host)) return {}
  return { servername: host }
}
