import type { IClientOptions } from 'mqtt'
import { readTls } from '../tls-files.ts'
import type { BrokerAccess } from './dial.ts'

/**
 * What MQTT.js connects with, beside the address. Files are read once, so it is for clients that do
 * not stay.
 * @throws ConnectorError that names a file that cannot be read
 */
export function clientOptions({ url, username, password, tls = {} }: BrokerAccess): IClientOptions {
  return {
    ...(url.startsWith('mqtts:') ? readTls(tls) : {}),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
  }
}
