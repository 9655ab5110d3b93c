/** What `movement` makes of hives of which the truth is known. */
import { NEWEST_DAYS, OLDEST_DAYS } from '../../time-bounds.ts'
import { metresBetween, type Position } from '../distance.ts'
import { FUTURE_MICROS, NEAR_METRES } from '../limits.ts'
import { type Decision, follow, noTrack, type Track } from '../track.ts'
import type { Case } from './cases.ts'
import { receive, type Stage, truthAt } from './receiver.ts'

export const HIVES = 20
/** Radius of a site. */
const SITE_METRES = 500
const START_MICROS = Date.UTC(2026, 4, 1) * 1_000
const MICROS_PER_MINUTE = 60_000_000
const MICROS_PER_DAY = 86_400_000_000

/** Of all hives of a case. */
export interface Measured {
  readonly name: string
  readonly promised: boolean
  /** Places that hives truly went to, to stay. */
  readonly moves: number
  readonly found: number
  /** From the arrival up to the decision, of each move that was found, in order. */
  readonly delayHours: readonly number[]
  readonly delayFixes: readonly number[]
  readonly falseRests: number
  readonly falseSites: number
  readonly falseTransits: number
}

interface Decided extends Decision {
  readonly minute: number
  /** Fixes received since the beginning. */
  readonly received: number
}

interface Stay {
  readonly from: number
  readonly until: number
  readonly at: Position
}

export function measure({ name, promised, stages, receiver }: Case): Measured {
  const stays = staysOf(stages)
  const delays: { readonly hours: number; readonly fixes: number }[] = []
  let [moves, falseRests, falseSites, falseTransits] = [0, 0, 0, 0]
  for (let hive = 1; hive <= HIVES; hive++) {
    const received = receive(START_MICROS, stages, receiver, hive)
    const minuteOf = (micros: number) => (micros - START_MICROS) / MICROS_PER_MINUTE
    let track: Track = noTrack
    const decided: Decided[] = []
    received.forEach(({ fix, receivedMicros }, index) => {
      if (!isTaken(fix.atMicros, receivedMicros)) return
      const { track: next, decision } = follow(track, fix)
      track = next
      if (decision !== null) decided.push({ ...decision, minute: minuteOf(receivedMicros), received: index + 1 })
    })
    falseRests += decided.filter((each) => each.state === 'rest' && stayOf(stays, each) === undefined).length
    falseTransits += decided.filter((each, index) => each.state === 'transit' && isThere(stages, each, decided[index - 1])).length
    falseSites += falseSitesOf(decided, stays)
    stays.forEach((stay, index) => {
      if (index === 0) return
      moves++
      const last = decided.filter(({ minute }) => minute < stay.from).at(-1)
      const first = last !== undefined && last.state === 'rest' && isAt(last, stay) ? undefined : arrivalAt(decided, stay)
      if (first === undefined) return
      const before = received.filter(({ receivedMicros }) => minuteOf(receivedMicros) < stay.from).length
      delays.push({ hours: (first.minute - stay.from) / 60, fixes: first.received - before })
    })
  }
  const inOrder = (values: readonly number[]) => [...values].sort((a, b) => a - b)
  return {
    name,
    promised,
    moves,
    found: delays.length,
    delayHours: inOrder(delays.map(({ hours }) => hours)),
    delayFixes: inOrder(delays.map(({ fixes }) => fixes)),
    falseRests,
    falseSites,
    falseTransits,
  }
}

/** Whether standardise and the source of fixes let a time pass. */
function isTaken(atMicros: number, receivedMicros: number): boolean {
  const ahead = atMicros - receivedMicros
  return ahead >= -OLDEST_DAYS * MICROS_PER_DAY && ahead <= NEWEST_DAYS * MICROS_PER_DAY && ahead <= FUTURE_MICROS
}

/** Stages that follow one another within a site are one stay. */
function staysOf(stages: readonly Stage[]): readonly Stay[] {
  const stays: Stay[] = []
  let from = 0
  for (const { untilMinute, at, as = 'stay' } of stages) {
    const last = stays.at(-1)
    if (at !== undefined && as === 'stay') {
      if (last !== undefined && metresBetween(last.at, at) <= SITE_METRES) stays[stays.length - 1] = { ...last, until: untilMinute }
      else stays.push({ from, until: untilMinute, at })
    }
    from = untilMinute
  }
  return stays
}

function isAt(place: Position, stay: Stay): boolean {
  return metresBetween(place, stay.at) <= SITE_METRES
}

/** The stay that a decision has found. What began long before the hive was there is none. */
function stayOf(stays: readonly Stay[], decision: Decided): Stay | undefined {
  const since = (decision.sinceMicros - START_MICROS) / MICROS_PER_MINUTE
  return stays.find((stay) => isAt(decision, stay) && stay.from <= decision.minute && stay.until > since && since > stay.from - 60)
}

function arrivalAt(decided: readonly Decided[], stay: Stay): Decided | undefined {
  return decided.find((each) => each.state === 'rest' && isAt(each, stay) && each.minute >= stay.from && each.minute < stay.until)
}

/** Whether a hive that is said to be in transit is where it was at rest. */
function isThere(stages: readonly Stage[], { minute }: Decided, rest: Decided | undefined): boolean {
  return rest !== undefined && metresBetween(truthAt(stages, minute), rest) <= NEAR_METRES
}

/** Sites that would be founded beyond one for each stay. */
function falseSitesOf(decided: readonly Decided[], stays: readonly Stay[]): number {
  const sites: Position[] = []
  for (const each of decided) if (each.state === 'rest' && !sites.some((site) => metresBetween(site, each) <= SITE_METRES)) sites.push(each)
  const real = new Set(sites.flatMap((site) => stays.findIndex((stay) => isAt(site, stay))).filter((index) => index >= 0))
  return sites.length - real.size
}
