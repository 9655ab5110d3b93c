import { z } from 'zod'

/**
 * Cumulative figures of a simulated fleet, as its `--stats-json` lines have them
 * (firmware/fleet/report.c).
 */
const fleetStats = z.object({
  /** Milliseconds since 1970. */
  t: z.number(),
  devices: z.number(),
  connected: z.number(),
  /** Samples made, those dropped included. */
  samples: z.number(),
  /** Values in samples that were not dropped. */
  readings: z.number(),
  sealed: z.number(),
  /** Frames handed to a session, resends included. */
  published: z.number(),
  acked: z.number(),
  acked_samples: z.number(),
  /** Payload of sealed frames. */
  bytes: z.number(),
  resent: z.number(),
  refused: z.number(),
  /** Samples that found the device's queue full. */
  dropped: z.number(),
  queued: z.number(),
  in_flight: z.number(),
  /** Lines of a file that were not taken. */
  line_errors: z.number(),
})
export type FleetStats = Readonly<z.infer<typeof fleetStats>>

/** Reads one line; undefined for a line that is not one of these. */
export function parseFleetStats(line: string): FleetStats | undefined {
  try {
    return fleetStats.safeParse(JSON.parse(line)).data
  } catch {
    // It is no JSON.
    return undefined
  }
}

/**
 * The figures of several fleets together. Undefined if one has none yet: a sum without it would be
 * wrong.
 */
export function sumFleetStats(all: readonly (FleetStats | undefined)[]): FleetStats | undefined {
  const known = all.filter((stats) => stats !== undefined)
  if (known.length === 0 || known.length < all.length) return undefined
  const fields = fleetStats.keyof().options
  const sums = Object.fromEntries(fields.map((field) => [field, known.reduce((sum, stats) => sum + stats[field], 0)])) as FleetStats
  return { ...sums, t: Math.max(...known.map(({ t }) => t)) }
}
