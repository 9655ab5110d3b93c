import { readFileSync } from 'node:fs'

/**
 * Variables that hold a secret, or an address with one. The same name with _FILE holds the path of
 * a file with it.
 */
export const SECRETS = [
  'MQTT_PASSWORD',
  'MQTT_WATCH_PASSWORD',
  'MQTT_FLEET_PASSWORD',
  'KAFKA_PASSWORD',
  'KAFKA_OWNER_PASSWORD',
  'KAFKA_BRIDGE_PASSWORD',
  'KAFKA_PROCESSORS_PASSWORD',
  'KAFKA_CONTINUITY_PASSWORD',
  'KAFKA_STORE_PASSWORD',
  'KAFKA_WATCH_PASSWORD',
  'REGISTRY_URL',
  'REGISTRY_PASSWORD',
  'TELEMETRY_DATABASE_URL',
  'TELEMETRY_OWNER_URL',
  'TELEMETRY_STORE_URL',
  'TELEMETRY_PROCESSES_URL',
  'TELEMETRY_WATCH_URL',
  'TELEMETRY_READER_URL',
  'APP_DATABASE_URL',
  'APP_OWNER_URL',
  'APP_STORE_URL',
  'APP_PROCESSES_URL',
  'APP_WATCH_URL',
  'APP_READER_URL',
  'APP_BROKER_URL',
  'MILLRACE_OPS_TOKEN',
] as const

/**
 * A secret cannot be read, or is given twice. The message names the variable and the file, and
 * shows nothing of what is in it.
 */
export class PasswordFileError extends Error {}

/**
 * The environment with what its files hold, as far as they can be read: for what looks for secrets
 * in a text. Whoever needs one of them gets the error.
 */
export function withReadablePasswords(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const given: NodeJS.ProcessEnv = { ...env }
  for (const name of SECRETS) {
    const path = env[`${name}_FILE`]
    if (path === undefined || path === '') continue
    try {
      given[name] ??= readSecret(`${name}_FILE`, path)
    } catch (cause) {
      if (!(cause instanceof PasswordFileError)) throw cause
    }
  }
  return given
}

/** @throws PasswordFileError */
export function readSecret(name: string, path: string): string {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new PasswordFileError(`environment: ${name}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
  const secret = text.replace(/\r?\n$/, '')
  if (secret === '' || /[\r\n]/.test(secret)) throw new PasswordFileError(`environment: ${name}: expected one line in ${path}`)
  return secret
}
