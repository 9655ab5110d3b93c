import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { localDirectory } from './local-directory.ts'
import { PasswordFileError, readSecret, SECRETS } from './secret-files.ts'

/**
 * The environment, with the secrets that files hold put into their variables. Such a file has one
 * line; its line end is left out.
 * @throws PasswordFileError
 */
export function withPasswords(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const given: NodeJS.ProcessEnv = { ...env }
  for (const name of SECRETS) {
    const path = env[`${name}_FILE`]
    if (path === undefined) continue
    if (env[name] !== undefined) throw new PasswordFileError(`environment: ${name} and ${name}_FILE: expected one of the two`)
    given[name] = readSecret(`${name}_FILE`, path)
  }
  if (asksLocalBroker(given)) {
    const path = join(localDirectory(env), 'data', 'mosquitto', 'bridge.password')
    if (existsSync(path)) given.MQTT_PASSWORD = readSecret('the password of the local stack', path)
  }
  return given
}

/**
 * Whether the broker is that of the local stack: as with the addresses, what is not given is the
 * local stack's.
 */
function asksLocalBroker({ MQTT_URL, MQTT_USERNAME, MQTT_PASSWORD }: NodeJS.ProcessEnv): boolean {
  if (MQTT_PASSWORD !== undefined || MQTT_USERNAME !== undefined) return false
  if (MQTT_URL === undefined) return true
  if (!URL.canParse(MQTT_URL)) return false
  const { hostname, username } = new URL(MQTT_URL)
  return username === '' && (hostname === '127.0.0.1' || hostname === 'localhost')
}
