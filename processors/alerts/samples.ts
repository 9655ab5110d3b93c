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

/** Topic telemetry.readings, the samples of each record oldest first, with the time of receipt. */
export const samples: Source<HeardSample> = {
  ...readings,
  decode: (record, lookups, each) => {
    const found: { readonly heard: HeardSample; readonly sample: number | null }[] = []
    readings.decode(record, lookups, (reading, sample) => {
      const channel = parseSubDevice(reading.device_id)?.channel ?? ''
      found.push({ heard: { reading, channel, received: record.timestampMs * 1000 }, sample })
    })
    found.sort((a, b) => a.heard.reading.ts - b.heard.reading.ts)
    for (const { heard, sample } of found) each(heard, sample)
  },
}
