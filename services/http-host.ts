import { isIPv6 } from 'node:net'

/**
 * Names by which a machine calls itself. A web page from elsewhere cannot have one of them as its
 * own, so a browser never sends them for such a page.
 */
const LOOPBACK: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '::1'])

/** Where a request came in. */
export interface Asked {
  /** The request's Host header; undefined if it has none, as HTTP/1.0 may. */
  readonly host: string | undefined
  /** Address of our end of the connection. */
  readonly localAddress: string | undefined
}

/**
 * Whether a request is meant for this server: its Host is a loopback name, the address that was
 * dialled, or one of the names given. If an attacker lets the name of a web page point here (DNS
 * rebinding), the browser sends that name.
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
 * The name in lower case, without brackets, without the final dot of a full name, and without the
 * prefix that a dual-stack socket puts before an IPv4 address.
 */
function bare(name: string): string {
  return name
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/^::ffff:(?=\d+\.)/, '')
    .replace(/\.$/, '')
}
