/** Names of parameters that carry a secret, as in `?password=`. */
const SECRET_PARAMETER = /([?&;][^=&;\s]*(?:pass|secret|token|key|auth|credential)[^=&;\s]*=)[^&;\s"'`]*/gi

/**
 * An address as it may be shown: without user, password and secret parameters. The address need not
 * be valid: a password with a `#` or a `/` makes an invalid one, and the error must show it.
 */
export function shownAddress(address: string): string {
  return hideParameters(address.replace(/^([a-z][a-z0-9+.-]*:\/\/)?.*@/is, (_found, scheme: string | undefined) => `${scheme ?? ''}…@`))
}

/** The text, with each address in it as it may be shown. */
export function withoutUserInfo(text: string): string {
  return hideParameters(text.replace(/([a-z][a-z0-9+.-]*:\/\/)[^\s"'`<>]*@/gi, '$1…@'))
}

/**
 * The address without user and password: for a client that has a name of its own there, and for a
 * command line, which everybody on the machine can read.
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
