import { avroOutput } from '../../processors/avro.ts'
import {
  type Assignment,
  defineProcessor,
  drop,
  emit,
  type Lookups,
  parseSubDevice,
  reject,
  type Topic,
} from '../../processors/contract.ts'
import { readings } from '../../processors/topics.ts'
import { frostAlertSchema } from './generated/frost-alert.ts'
import { reasons } from './reasons.ts'

const alerts = avroOutput('frost.alerts' as Topic, frostAlertSchema)

/** One alert for each sample below zero. */
export const processor = defineProcessor({
  from: readings,
  to: { alerts },
  needs: ['assignments'],
  reasons,
  metricsPort: 9470,
  handle: ({ device_id, ts, time_estimated, account_id, site_id, temperature }, lookups) => {
    if (temperature === null) return drop('no-temperature')
    if (temperature >= 0) return drop('no-frost')
    if (account_id !== null) return emit('alerts', { device_id, ts, time_estimated, temperature, account_id, site_id })
    // The device may have been assigned after the sample was standardised.
    const later = assignmentAt(lookups, device_id, ts)
    if (later === undefined) return reject('nobody-to-alert', `${device_id} had ${temperature} °C and was assigned to no account`)
    return emit('alerts', { device_id, ts, time_estimated, temperature, account_id: later.accountId, site_id: later.siteId })
  },
})

function assignmentAt(lookups: Lookups, deviceId: string, ts: number): Assignment | undefined {
  // A channel has the assignments of its device.
  const device = parseSubDevice(deviceId)?.device
  if (device === undefined) return undefined
  return lookups.assignments(device)?.find(({ fromMicros, toMicros }) => ts >= fromMicros && ts < toMicros)
}
