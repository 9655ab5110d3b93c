import { metresBetween, type Position } from '../../../processors/movement/distance.ts'
import { moved } from '../../../processors/movement/traces.ts'

/** Where something is at a minute of the season. */
export interface Waypoint {
  readonly minute: number
  readonly at: Position
}

/** Waypoints in order of time. Between two of them it goes in a straight line, evenly. */
export type Way = readonly Waypoint[]

/** Numbers from 0 up to 1. */
export type Chance = () => number

const BEND_METRES = 8_000
/** How far a road strays from the straight line. */
const STRAY_METRES = 2_000
/** What a truck with hives goes on country roads and motorways, stretch by stretch. */
const SLOWEST_KMH = 45
const FASTEST_KMH = 80
/** A driver rests on a way longer than this, for less than a hive must stand to be at rest. */
const BREAK_BEYOND_METRES = 100_000
const SHORTEST_BREAK = 30
const LONGEST_BREAK = 90

/** Where it is: before the first waypoint there, and after the last one. */
export function positionAt(way: Way, minute: number): Position {
  const index = way.findIndex((point) => point.minute > minute)
  // -1: after the last one.
  const to = way.at(index)
  if (to === undefined) throw new RangeError('expected a way with at least one waypoint')
  const from = index > 0 ? way[index - 1] : undefined
  if (from === undefined) return to.at
  const share = (minute - from.minute) / (to.minute - from.minute)
  return {
    latitude: from.at.latitude + share * (to.at.latitude - from.at.latitude),
    longitude: from.at.longitude + share * (to.at.longitude - from.at.longitude),
  }
}

/** The way of a truck from one place to another: bends, changing speed, a break if it is far. */
export function drive(chance: Chance, from: Position, to: Position, startMinute: number): Way {
  const metres = metresBetween(from, to)
  const stretches = Math.max(2, Math.round(metres / BEND_METRES))
  const breakAfter = metres > BREAK_BEYOND_METRES ? Math.floor(stretches / 2) : undefined
  const way: Waypoint[] = [{ minute: startMinute, at: from }]
  for (let stretch = 1; stretch <= stretches; stretch++) {
    const before = way.at(-1) as Waypoint
    const straight = positionAt(
      [
        { minute: 0, at: from },
        { minute: stretches, at: to },
      ],
      stretch,
    )
    const at = stretch === stretches ? to : moved(straight, STRAY_METRES * chance(), 2 * Math.PI * chance())
    const kmh = SLOWEST_KMH + (FASTEST_KMH - SLOWEST_KMH) * chance()
    const minute = before.minute + (metresBetween(before.at, at) / 1000 / kmh) * 60
    way.push({ minute, at })
    if (stretch === breakAfter) way.push({ minute: minute + SHORTEST_BREAK + (LONGEST_BREAK - SHORTEST_BREAK) * chance(), at })
  }
  return way
}
