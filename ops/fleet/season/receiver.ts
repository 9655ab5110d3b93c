import type { Position } from '../../../processors/movement/distance.ts'
import { moved } from '../../../processors/movement/traces.ts'
import type { Chance } from './way.ts'

/** What surrounds the receiver. */
export type Sky = 'open' | 'trees' | 'road'

/** A position as a receiver gives it. */
export interface ReceivedFix extends Position {
  /** Metres in which the receiver believes itself. It may be wrong. */
  readonly accuracy: number
}

/** A GPS receiver. Asked at every sample; null if it has no fix then. */
export type Receiver = (truth: Position, sky: Sky) => ReceivedFix | null

/** Farthest that a fix is from the truth. */
export const FARTHEST_METRES = 20_000
const NEAREST_JUMP_METRES = 1_000
/** Share of the fixes that are far off for no reason that the receiver knows. */
const JUMPS = 0.012
/** Share of the error that is still there at the next fix: it drifts, it does not jitter. */
const CORRELATED = 0.85
/** Standard deviation of the drift to each side, and most of it. */
const DRIFT_METRES = { open: 9, trees: 20, road: 9 } as const
const MOST_DEVIATIONS = 3
const MISSING = { open: 0.02, trees: 0.08, road: 0.05 } as const
/** Samples that a cold start takes: without a fix, or with one that knows itself to be poor. */
const COLD_SAMPLES = 3
const MISSING_COLD = 0.5
/** After so many samples without a fix the next is a cold start. */
const LOST_SAMPLES = 3

/**
 * A receiver that errs as real ones do: drift of 10 to 30 m that lasts for hours, more under trees;
 * single fixes that are up to 20 km off, never two in a row; no fix now and then; cold starts.
 */
export function createReceiver(chance: Chance): Receiver {
  let [north, east] = [0, 0]
  let cold = COLD_SAMPLES
  let without = 0
  let jumped = false

  return (truth, sky) => {
    const deviation = DRIFT_METRES[sky]
    north = drifted(north, deviation, chance)
    east = drifted(east, deviation, chance)
    const [missing, far, direction, share] = [chance(), chance(), chance() * 2 * Math.PI, chance()]
    const starting = cold > 0
    if (starting) cold--
    if (missing < (starting ? MISSING_COLD : MISSING[sky])) {
      if (++without === LOST_SAMPLES) cold = COLD_SAMPLES
      return null
    }
    without = 0
    if (starting) {
      const error = 50 + 1_500 * share
      return { ...moved(truth, error, direction), accuracy: Math.round(350 + 1.5 * error) }
    }
    jumped = !jumped && far < JUMPS
    if (jumped)
      return {
        ...moved(truth, NEAREST_JUMP_METRES + (FARTHEST_METRES - NEAREST_JUMP_METRES) * share, direction),
        accuracy: Math.round(8 + 30 * missing),
      }
    return { ...moved(moved(truth, north, 0), east, Math.PI / 2), accuracy: Math.round(deviation * (0.6 + 2 * share)) }
  }
}

/** The next error to one side: a first-order autoregressive process. */
function drifted(before: number, deviation: number, chance: Chance): number {
  const normal = Math.sqrt(-2 * Math.log(1 - chance())) * Math.cos(2 * Math.PI * chance())
  const next = CORRELATED * before + Math.sqrt(1 - CORRELATED ** 2) * deviation * normal
  return Math.max(-MOST_DEVIATIONS * deviation, Math.min(MOST_DEVIATIONS * deviation, next))
}
