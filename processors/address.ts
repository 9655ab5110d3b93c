/** Names of parameters that carry a secret, as in `?password=`. */
const SECRET_PARAMETER = /([?&;][^=&;\s]*(?:pass|secret|token|key|auth|credential)[^=&;\s]*=)[^&;\s"'`]*/gi

/**
 * An address as it may be shown: without user, password and secret parameters. It need not be a
 * good one: a password with a `#` or a `/` makes an address that nobody can read, and that must be
 * shown for that.
 */
export function shownAddress(address: string): string {
  return hideParameters(address.replace(/^([a-z][a-z0-9+.-]*:\/\/)?.*@/is, (_found, scheme: string | undefined) => `${scheme ?? ''}…@`))
}

/** Text that may have addresses in it, each as it may be shown. */
export function withoutUserInfo(text: string): string {
  return hideParameters(text.replace(/([a-z][a-z0-9+.-]*:\/\/)[^\s"'`<>]*@/gi, '$1…@'))
}

/**
 * The address without user and password, for who has a name of its own there, and for a command
 * line that everybody on the machine can read.
 */
export function withoutCredentials(address: string): string {
  const parsed = new URL(address)
  if (parsed.username === '' && parsed.password === '') return address
  parsed.username = ''
  parsed.password = ''
  return parsed.href
}

function hideParameters(text: string): string {
  return text.replace(SECRET_PARAMETER, '$1…')
}
