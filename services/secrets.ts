import { withoutUserInfo } from '../processors/address.ts'
import { withReadablePasswords } from './secret-files.ts'

/** Takes secrets out of a text that somebody will read: a log line, a message, health. */
export type Redact = (text: string) => string

/** Names of variables that hold a secret, and of those that hold an address. */
const SECRET = /(PASSWORD|SECRET|TOKEN|API_?KEY)$/
const ADDRESS = /(_URL|_BROKERS)$/
/** A shorter secret would be found within words. */
const LEAST_LENGTH = 4
const HIDDEN = '…'

/**
 * Hides what stands before the `@` of an address, and the secrets of the environment, and of the
 * files that it names, in every way of writing them. A library may put them into its errors.
 */
export function createRedactor(env: NodeJS.ProcessEnv): Redact {
  const secrets = [...new Set(Object.entries(withReadablePasswords(env)).flatMap(([name, value]) => secretsOf(name, value ?? '')))]
    .filter((secret) => secret.length >= LEAST_LENGTH)
    // The longest first, since one may be part of another.
    .sort((a, b) => b.length - a.length)
  return (text) => {
    let shown = withoutUserInfo(text)
    for (const secret of secrets) if (shown.includes(secret)) shown = shown.replaceAll(secret, HIDDEN)
    return shown
  }
}

function secretsOf(name: string, value: string): readonly string[] {
  if (SECRET.test(name)) return writings(value)
  if (!ADDRESS.test(name)) return []
  const [, user = '', password] = /^(?:[a-z][a-z0-9+.-]*:\/\/)?([^:@]*):([\s\S]*)@[^@]*$/i.exec(value) ?? []
  if (password === undefined) return []
  return [...writings(password), ...[password, decoded(password)].map((each) => Buffer.from(`${user}:${each}`).toString('base64'))]
}

function writings(secret: string): readonly string[] {
  const plain = decoded(secret)
  return [secret, plain, encodeURIComponent(plain), JSON.stringify(secret).slice(1, -1), JSON.stringify(plain).slice(1, -1)]
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (cause) {
    if (cause instanceof URIError) return text
    throw cause
  }
}
