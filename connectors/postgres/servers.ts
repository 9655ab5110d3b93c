/** What a server must be, by the names of libpq's target_session_attrs. */
export const TARGETS = ['any', 'read-write', 'read-only', 'primary', 'standby', 'prefer-standby'] as const
export type Target = (typeof TARGETS)[number]

/** The parameter of an address that says it. */
export const TARGET_PARAMETER = 'target_session_attrs'

/** The servers of an address. */
export interface Servers {
  /** An address of one server each, in the order given, without the parameter. */
  readonly urls: readonly string[]
  /** Undefined if the address does not say, or says what is not known. */
  readonly target: Target | undefined
}

/**
 * The servers of postgres://user:password@host:port,host:port/database?target_session_attrs=primary
 * as libpq reads it: user, password, database and parameters are those of all servers.
 */
export function serversOf(address: string): Servers {
  const [, scheme = '', authority = '', path = '', query] =
    /^([a-z][a-z0-9+.-]*:\/\/)?([^/?#]*)([^?#]*)(?:\?([\s\S]*))?$/i.exec(address) ?? []
  const parameters = new URLSearchParams(query)
  const asked = parameters.get(TARGET_PARAMETER)
  const end = authority.lastIndexOf('@') + 1
  const hosts = authority.slice(end).split(',')
  if (hosts.length === 1 && asked === null) return { urls: [address], target: undefined }
  parameters.delete(TARGET_PARAMETER)
  const rest = parameters.size === 0 ? path : `${path}?${parameters}`
  return {
    urls: hosts.map((host) => `${scheme}${authority.slice(0, end)}${host}${rest}`),
    target: TARGETS.find((target) => target === asked),
  }
}
