/** Traces of GPS receivers on hives, of which the truth is known: for tests and simulations. */
import type { Position } from './distance.ts'
import type { Fix } from './track.ts'

const MICROS_PER_MINUTE = 60_000_000
const METRES_PER_DEGREE = 111_195

/** Where the hive is until a minute of the trace. */
export interface Leg {
  readonly untilMinute: number
  /** Absent on the road: it goes in a straight line from the leg before to the one after. */
  readonly at?: Position
}

/** How the receiver errs. */
export interface Errors {
  readonly seed: number
  readonly intervalMinutes: number
  /** Standard deviation to each side. */
  readonly driftMetres: number
  /** Share of the fixes that are 20 km off; never two in a row. */
  readonly jumps: number
  /** Share of the fixes that are missing. */
  readonly missing: number
}

/** The fixes that a receiver would give on its way, in order of time. */
export function trace(startMicros: number, legs: readonly Leg[], errors: Errors): readonly Fix[] {
  const chance = randomNumbers(errors.seed)
  const fixes: Fix[] = []
  let jumped = false
  for (let minute = 0; minute < (legs.at(-1)?.untilMinute ?? 0); minute += errors.intervalMinutes) {
    const truth = whereAt(legs, minute)
    jumped = !jumped && chance() < errors.jumps
    const direction = 2 * Math.PI * chance()
    const metres = jumped ? 20_000 : errors.driftMetres * Math.sqrt(-2 * Math.log(1 - chance()))
    if (chance() < errors.missing) continue
    fixes.push({ atMicros: startMicros + minute * MICROS_PER_MINUTE, ...moved(truth, metres, direction), estimated: false })
  }
  return fixes
}

/** The position so many metres from another, for distances far below the Earth's radius. */
export function moved({ latitude, longitude }: Position, metres: number, direction: number): Position {
  const scale = METRES_PER_DEGREE * Math.cos((latitude * Math.PI) / 180)
  return {
    latitude: latitude + (metres * Math.cos(direction)) / METRES_PER_DEGREE,
    longitude: longitude + (metres * Math.sin(direction)) / scale,
  }
}

function whereAt(legs: readonly Leg[], minute: number): Position {
  const index = legs.findIndex(({ untilMinute }) => minute < untilMinute)
  const leg = legs[index]
  if (leg?.at !== undefined) return leg.at
  const [from, to] = [legs[index - 1], legs[index + 1]]
  if (leg === undefined || from?.at === undefined || to?.at === undefined) throw new RangeError('expected a road between two places')
  const share = (minute - from.untilMinute) / (leg.untilMinute - from.untilMinute)
  return {
    latitude: from.at.latitude + share * (to.at.latitude - from.at.latitude),
    longitude: from.at.longitude + share * (to.at.longitude - from.at.longitude),
  }
}

/** Numbers from 0 up to 1 that follow from a seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
