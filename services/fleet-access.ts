import type { BrokerAccess } from '../connectors/mqtt/dial.ts'
import { withoutCredentials } from '../processors/address.ts'
import type { Config } from './config.ts'

/** As whom simulated devices, and files that are sent for devices, connect to the broker. */
export function fleetAccess({ MQTT_URL, MQTT_CA_FILE, MQTT_FLEET_USERNAME, MQTT_FLEET_PASSWORD }: Config['env']): BrokerAccess {
  // Those in the address are the bridge's.
  const url = withoutCredentials(MQTT_URL)
  return { url, tls: { caFile: MQTT_CA_FILE }, username: MQTT_FLEET_USERNAME, password: MQTT_FLEET_PASSWORD }
}
