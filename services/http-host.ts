import { isIPv6 } from 'node:net'

/**
 * Names of this machine to itself. A page from elsewhere cannot have one of them as its own, so a
 * browser never sends them for it.
 */
const LOOPBACK: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '::1'])

/** Where a request came in. */
export interface Asked {
  /** The request's Host header; undefined if it has none, as HTTP/1.0 may. */
  readonly host: string | undefined
  /** Address of the connection's own end. */
  readonly localAddress: string | undefined
}

/**
 * Whether a request means this server: its Host is a name of this machine to itself, the address
 * that was dialled, or one of the names given. A page whose name an attacker lets point here (DNS
 * rebinding) sends that name.
 */
export function meansUs({ host, localAddress }: Asked, names: readonly string[]): boolean {
  if (host === undefined) return true
  const name = hostName(host)
  if (name === undefined) return false
  return LOOPBACK.has(name) || name === bare(localAddress ?? '') || names.some((each) => bare(each) === name)
}

/** The name or address in a Host header, without port and brackets; undefined if it is none. */
function hostName(host: string): string | undefined {
  const parts = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/@[\]]+))(?::\d{1,5})?$/.exec(host)
  const name = parts?.[1] ?? parts?.[2]
  if (parts?.[1] !== undefined && !isIPv6(parts[1])) return undefined
  return name === undefined ? undefined : bare(name)
}

/**
 * In lower case, without brackets, without the final dot of a full name, and without what a socket
 * for both protocols puts before an IPv4 address.
 */
function bare(name: string): string {
  return name
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/^::ffff:(?=\d+\.)/, '')
    .replace(/\.$/, '')
}
