import type { Source } from '../contract.ts'
import { parseSubDevice } from '../contract.ts'
import { readings } from '../topics.ts'
import { FUTURE_MICROS, WORST_ACCURACY_METRES } from './limits.ts'
import type { Fix } from './track.ts'

/**
 * The fixes in the readings, those of one record oldest first: samples of a device itself that have
 * a position which can be true. Samples without a position, those of channels, 0° 0° (a receiver
 * that has no fix) and fixes that know themselves to be bad are none. Those from the future are
 * dropped: their device's clock is fast, and nobody else says so.
 */
export const fixes: Source<Fix> = {
  topic: readings.topic,
  needs: readings.needs ?? [],
  decode: (record, lookups, each, drop) => {
    const found: { readonly fix: Fix; readonly sample: number | null }[] = []
    readings.decode(record, lookups, (reading, sample) => {
      const { device_id: id, ts, time_estimated: estimated, latitude, longitude, position_accuracy: accuracy } = reading
      if (latitude === null || longitude === null || !canBeTrue(latitude, longitude, accuracy)) return
      if (parseSubDevice(id)?.channel !== null) return
      if (ts > record.timestampMs * 1000 + FUTURE_MICROS) drop?.('time-ahead')
      else found.push({ fix: { atMicros: ts, latitude, longitude, estimated }, sample })
    })
    found.sort((a, b) => a.fix.atMicros - b.fix.atMicros)
    for (const { fix, sample } of found) each(fix, sample)
  },
}

/** Whether a position (degrees) with its accuracy (metres) says anything of where a hive is. */
export function canBeTrue(latitude: number, longitude: number, accuracy: number | null): boolean {
  return (latitude !== 0 || longitude !== 0) && (accuracy === null || accuracy <= WORST_ACCURACY_METRES)
}
