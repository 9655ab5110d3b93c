import type { Source } from '../../../processors/contract.ts'
import { businessProcess as movement } from '../../../processors/movement/process.ts'
import type { Fix } from '../../../processors/movement/track.ts'
import type { BusinessProcess } from '../../../processors/process.ts'
import { readingFrames } from '../../../processors/topics.ts'

/** What each device of a batch costs beside what movement does. */
const SLOWER_SECONDS = 0.1
/** Frames of the bench have no position: each is a fix at one place. */
const PLACE = { latitude: 51.4, longitude: 7.1, estimated: false } as const

const fixes: Source<Fix> = {
  topic: readingFrames.topic,
  needs: readingFrames.needs ?? [],
  decode: (record, lookups, each) =>
    readingFrames.decode(record, lookups, ({ ts, count }) => {
      if (count > 0) each({ ...PLACE, atMicros: ts[count - 1] as number }, null)
    }),
}

// Each device by itself: it could not be slower together.
const { together: _, ...each } = movement as BusinessProcess<Fix>

/** Movement, 100 ms slower for each device. For the bench only: it must not slow anything else. */
export const businessProcess: BusinessProcess<Fix> = {
  ...each,
  from: fixes,
  handle: async (device, items, tx, lookups) => {
    await tx.query('SELECT pg_sleep($1)', [SLOWER_SECONDS])
    return movement.handle(device, items, tx, lookups)
  },
}
