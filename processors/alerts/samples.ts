import type { Reading } from '../../schemas/generated/readings.ts'
import { parseSubDevice, type Source } from '../contract.ts'
import { readings } from '../topics.ts'

/** A sample, and when the bridge received it. */
export interface HeardSample {
  readonly reading: Reading
  /** Empty for the device itself. */
  readonly channel: string
  /** Microseconds since 1970. */
  readonly received: number
}

/** Topic telemetry.readings, sample by sample, with the time of receipt. */
export const samples: Source<HeardSample> = {
  ...readings,
  decode: (record, lookups, each) =>
    readings.decode(record, lookups, (reading, sample) =>
      each({ reading, channel: parseSubDevice(reading.device_id)?.channel ?? '', received: record.timestampMs * 1000 }, sample),
    ),
}
