import { connect as connectTcp } from 'node:net'
import { connect as connectTls, type ConnectionOptions as TlsConnectionOptions } from 'node:tls'
import { shownAddress } from '../../processors/address.ts'
import type { Dial } from './connection.ts'

/**
 * TLS settings, as node:tls has them. The broker's certificate is always verified unless
 * `rejectUnauthorized` is false.
 */
export type TlsOptions = Pick<TlsConnectionOptions, 'ca' | 'cert' | 'key' | 'passphrase' | 'servername' | 'rejectUnauthorized'>

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
 * @throws TypeError that names the URL (without its password) and what was expected
 */
export function parseBroker(url: string, tls: TlsOptions = {}): Broker {
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
      if (!secure) return connectTcp({ ...target, onread })
      // Node documents onread for tls.connect too; its types have it for net.connect only.
      const secureTarget = { ...tls, ...serverName(host, tls), ...target, onread }
      return connectTls(secureTarget)
    },
    username: parsed.username === '' ? undefined : decodeURIComponent(parsed.username),
    password: parsed.password === '' ? undefined : decodeURIComponent(parsed.password),
    address: `${parsed.protocol}//${parsed.hostname}:${port}`,
  }
}

/**
 * The name that the certificate must have: the host's, unless the options give one. An address is
 * no name (RFC 6066, section 3).
 */
function serverName(host: string, tls: TlsOptions): { servername?: string } {
  if (tls.servername !== undefined || /^[\d.]+$|:/.test(host)) return {}
  return { servername: host }
}
