/**
 * Cumulative figures of a simulated fleet, as its `--stats-json` lines have them
 * (firmware/fleet/report.c).
 */
export interface FleetStats {
  /** Milliseconds since 1970. */
  readonly t: number
  readonly devices: number
  readonly connected: number
  /** Samples made, those dropped included. */
  readonly samples: number
  /** Values in samples that were not dropped. */
  readonly readings: number
  readonly sealed: number
  /** Frames handed to a session, resends included. */
  readonly published: number
  readonly acked: number
  readonly acked_samples: number
  /** Payload of sealed frames. */
  readonly bytes: number
  readonly resent: number
  readonly refused: number
  /** Samples that found the device's queue full. */
  readonly dropped: number
  readonly queued: number
  readonly in_flight: number
  /** Lines of a file that were not taken. */
  readonly line_errors: number
}

const FIELDS = [
  't',
  'devices',
  'connected',
  'samples',
  'readings',
  'sealed',
  'published',
  'acked',
  'acked_samples',
  'bytes',
  'resent',
  'refused',
  'dropped',
  'queued',
  'in_flight',
  'line_errors',
] as const satisfies readonly (keyof FleetStats)[]

/** Reads one line; undefined for a line that is not one of these. */
export function parseFleetStats(line: string): FleetStats | undefined {
  let parsed: unknown
  try {
    parsed = JSON.parse(line)
  } catch {
    return undefined
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined
  const given = parsed as Record<string, unknown>
  if (!FIELDS.every((field) => Number.isFinite(given[field]))) return undefined
  return Object.fromEntries(FIELDS.map((field) => [field, given[field]])) as unknown as FleetStats
}

/**
 * The figures of several fleets together. Undefined if one has none yet: a sum without it would be
 * wrong.
 */
export function sumFleetStats(all: readonly (FleetStats | undefined)[]): FleetStats | undefined {
  const known = all.filter((stats) => stats !== undefined)
  if (known.length === 0 || known.length < all.length) return undefined
  const sums = Object.fromEntries(
    FIELDS.map((field) => [field, known.reduce((sum, stats) => sum + stats[field], 0)]),
  ) as unknown as FleetStats
  return { ...sums, t: Math.max(...known.map(({ t }) => t)) }
}
