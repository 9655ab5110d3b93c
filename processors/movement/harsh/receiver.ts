/** Receivers on hives and how they err: for traces of which the truth is known. */
import type { Position } from '../distance.ts'
import { moved, randomNumbers } from '../traces.ts'
import type { Fix } from '../track.ts'

const MICROS_PER_MINUTE = 60_000_000

/** What a hive truly does until a minute of its trace. */
export interface Stage {
  readonly untilMinute: number
  /** Absent on the road: it goes in a straight line from the stage before to the one after. */
  readonly at?: Position
  /**
   * Whether it is to be found there as at rest. A `stop` is on the way, or for the day: a beekeeper
   * would not call it a deployment.
   */
  readonly as?: 'stay' | 'stop'
}

/** A fix that a receiver gave, and when the bridge received it. */
export interface Received {
  readonly fix: Fix
  readonly receivedMicros: number
}

/** What happens to the fixes of a receiver, one after the other; null if one does not come. */
export type Fault = (fix: Fix, minute: number, truth: Position, chance: () => number) => Fix | null

export interface Receiver {
  /** Minutes up to the next fix. */
  readonly interval: (chance: () => number) => number
  /**
   * Drift as a Gauss-Markov process: standard deviation to each side, and the time after which an
   * error has decayed to 1/e.
   */
  readonly driftMetres: number
  readonly correlationMinutes: number
  /** A new one for each trace, since faults may remember. */
  readonly faults: readonly (() => Fault)[]
}

/** Where a hive truly is. */
export function truthAt(stages: readonly Stage[], minute: number): Position {
  const index = stages.findIndex(({ untilMinute }) => minute < untilMinute)
  const stage = stages[index]
  if (stage?.at !== undefined) return stage.at
  const [from, to] = [stages[index - 1], stages[index + 1]]
  if (stage === undefined || from?.at === undefined || to?.at === undefined) throw new RangeError('expected a road between two places')
  const share = (minute - from.untilMinute) / (stage.untilMinute - from.untilMinute)
  return {
    latitude: from.at.latitude + share * (to.at.latitude - from.at.latitude),
    longitude: wrapped(from.at.longitude + share * wrapped(to.at.longitude - from.at.longitude)),
  }
}

/** The fixes of a hive, in the order in which they are received. */
export function receive(startMicros: number, stages: readonly Stage[], receiver: Receiver, seed: number): readonly Received[] {
  const chance = randomNumbers(seed)
  const faults = receiver.faults.map((each) => each())
  const end = stages.at(-1)?.untilMinute ?? 0
  const received: Received[] = []
  let [north, east, last] = [gauss(chance) * receiver.driftMetres, gauss(chance) * receiver.driftMetres, 0]
  for (let minute = 0; minute < end; minute += receiver.interval(chance)) {
    const kept = Math.exp(-(minute - last) / receiver.correlationMinutes)
    const fresh = receiver.driftMetres * Math.sqrt(1 - kept * kept)
    north = north * kept + gauss(chance) * fresh
    east = east * kept + gauss(chance) * fresh
    last = minute
    const truth = truthAt(stages, minute)
    const atMicros = startMicros + Math.round(minute * MICROS_PER_MINUTE)
    let fix: Fix | null = { atMicros, ...wrappedPosition(moved(moved(truth, north, 0), east, Math.PI / 2)), estimated: false }
    for (const fault of faults) {
      if (fix === null) break
      fix = fault(fix, minute, truth, chance)
    }
    if (fix !== null) received.push({ fix, receivedMicros: atMicros })
  }
  return received
}

export function wrappedPosition({ latitude, longitude }: Position): Position {
  return { latitude, longitude: wrapped(longitude) }
}

/** Normally distributed, deviation 1 (Box-Muller). */
function gauss(chance: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - chance())) * Math.cos(2 * Math.PI * chance())
}

function wrapped(degrees: number): number {
  return ((((degrees + 180) % 360) + 360) % 360) - 180
}
