import { serversOf, TARGET_PARAMETER, TARGETS } from '../connectors/postgres/servers.ts'

/** How an address of one kind must be. */
export interface AddressKind {
  /** Schemes, the first as the example. */
  readonly schemes: readonly string[]
  /** As in mqtt://host:port, for messages. */
  readonly example: string
  /** Whether a path may follow, as a database's name. */
  readonly path: boolean
  /** Whether it may name files for TLS (connectors/address-files.ts). */
  readonly files?: boolean
  /** Whether it may be of several servers, with commas between (connectors/postgres/servers.ts). */
  readonly several?: boolean
}

const ESCAPES = 'write #, /, ?, @ and % of a user name or password as %23, %2F, %3F, %40 and %25'

/**
 * What is wrong with an address, in words that do not repeat it; undefined if nothing is. It is
 * stricter than the URL standard. There a `#` ends a password, and the text before it becomes host
 * and port: a service would wait for a host that nobody meant.
 */
export function addressFault(address: string, kind: AddressKind): string | undefined {
  const { schemes, example, path, files = false, several = false } = kind
  const expected = `expected ${example}`
  const [, scheme, authority = '', rest = ''] = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)([\s\S]*)$/i.exec(address) ?? []
  if (scheme === undefined || !schemes.includes(scheme.toLowerCase())) return expected
  if (/[\s\p{Cc}]/u.test(address)) return `${expected}, without blanks`
  if (rest.includes('@')) return `${expected}: ${ESCAPES}`
  const userInfo = authority.includes('@') ? authority.slice(0, authority.lastIndexOf('@')) : ''
  if (!isEscaped(userInfo)) return `${expected}: a % must be followed by two hexadecimal digits of UTF-8; ${ESCAPES}`
  if (rest.includes('#')) return `${expected}, without a #`
  const { urls, target } = several ? serversOf(address) : { urls: [address], target: undefined }
  const places = urls.map((url) => (URL.canParse(url) ? new URL(url) : undefined))
  const [first] = places
  if (first === undefined || places.some((place) => place === undefined || place.hostname === '' || place.port === '0')) return expected
  const { username, password, pathname, search } = first
  if (password !== '' && username === '') return `${expected}: a password needs a user name`
  if (!path && ((pathname !== '' && pathname !== '/') || search !== '')) return `${expected}, with nothing behind`
  const asked = new URLSearchParams(/\?(.*)$/s.exec(rest)?.[1]).get(TARGET_PARAMETER)
  if (several && asked !== null && target === undefined) return `${expected}, with ${TARGET_PARAMETER} one of ${TARGETS.join(', ')}`
  if (several && asked === null && urls.length > 1)
    return `${expected}: of several servers, ${TARGET_PARAMETER} says which one is meant, as ?${TARGET_PARAMETER}=read-write`
  if (!files) return undefined
  const { searchParams } = first
  const tls = [...searchParams.keys()].find((name) => DRIVERS_TLS.test(name))
  // The driver's own settings would count in place of ours, and sslmode=require verifies nothing.
  if (tls !== undefined) return `${expected}, without ${tls}: ca_file=PATH in its place turns TLS on (docs/security.md)`
  const [cert, key] = ['cert_file', 'key_file'].map((name) => searchParams.get(name) ?? '')
  if ((cert === '') !== (key === '')) return `${expected}, with both cert_file and key_file, or neither`
  return undefined
}

/** Parameters of an address by which libpq and the driver set TLS up. */
const DRIVERS_TLS = /^(ssl.*|gssencmode|channel_binding|uselibpqcompat)$/i

function isEscaped(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch (cause) {
    if (cause instanceof URIError) return false
    throw cause
  }
}

/**
 * What is wrong with a list of brokers: host:port, or [address]:port for IPv6, with commas between.
 */
export function brokersFault(brokers: string): string | undefined {
  const good = brokers.split(',').every((broker) => {
    const [, address, port] = /^(\[[0-9a-f:.]+\]|[^\s\p{Cc},:@/?#[\]]+):(\d{1,5})$/iu.exec(broker) ?? []
    if (address === undefined || Number(port) < 1 || Number(port) > 65_535) return false
    return !address.startsWith('[') || URL.canParse(`http://${address}`)
  })
  return good ? undefined : 'expected host:port, or [IPv6 address]:port, or several with commas between'
}
