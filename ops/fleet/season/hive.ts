import type { DeviceId } from '../../../processors/contract.ts'
import type { Position } from '../../../processors/movement/distance.ts'
import { moved } from '../../../processors/movement/traces.ts'
import type { Hive, Place, Stay } from './season.ts'
import type { Chance, Way, Waypoint } from './way.ts'

/** A hive whose season is being planned, in order of time. */
export interface HiveBuilder {
  readonly device: DeviceId
  /** It is carried along a way, and stands at a place from its end on. */
  carry(way: Way, to: Place): void
  /** The same, by somebody who leaves the scale. */
  steal(way: Way, to: Place): void
  /** It is carried to a place, but its tag stays in the truck and goes back. */
  forgetTag(way: Way, to: Place, back: Way, home: Place): void
  /** It is somewhere near for some hours, and comes back. */
  trip(chance: Chance, from: number, until: number, metres: number): void
  fallSilent(minute: number): void
  buffer(buffered: NonNullable<Hive['buffered']>): void
  /** When it left or arrived. */
  moves(): readonly number[]
  finish(): Hive
}

/** @param spots gives where a hive stands at a place */
export function createHive(device: DeviceId, yard: Place, spots: () => (place: Place) => Position): HiveBuilder {
  let stand = spots()(yard)
  const way: Waypoint[] = [{ minute: 0, at: stand }]
  const tagStays: Stay[] = [{ place: yard, fromMinute: 0, untilMinute: Number.POSITIVE_INFINITY }]
  const hiveStays: Stay[] = [...tagStays]
  let remark: string | undefined
  let silentFrom = Number.POSITIVE_INFINITY
  let scaleUntil = Number.POSITIVE_INFINITY
  let buffered: Hive['buffered']

  function move(along: Way, to: Place): { readonly left: number; readonly arrived: number } {
    const left = along[0]?.minute ?? 0
    const arrived = along.at(-1)?.minute ?? 0
    way.push({ minute: left, at: stand }, ...along)
    stand = spots()(to)
    way.push({ minute: arrived, at: stand })
    return { left, arrived }
  }
  function stayed(stays: Stay[], left: number, place: Place, arrived: number): void {
    const last = stays.pop()
    if (last !== undefined) stays.push({ ...last, untilMinute: left })
    stays.push({ place, fromMinute: arrived, untilMinute: Number.POSITIVE_INFINITY })
  }
  function carry(along: Way, to: Place): void {
    const { left, arrived } = move(along, to)
    // Nobody hears from a tag that is silent.
    if (left < silentFrom) stayed(tagStays, left, to, arrived)
    stayed(hiveStays, left, to, arrived)
  }

  return {
    device,
    carry,
    steal(along, to) {
      carry(along, to)
      scaleUntil = along[0]?.minute ?? 0
    },
    forgetTag(along, to, back, home) {
      const out = move(along, to)
      const returned = move(back, home)
      stayed(tagStays, out.left, home, returned.arrived)
      stayed(hiveStays, out.left, to, out.arrived)
      scaleUntil = out.left
      remark = 'its tag was left in the truck, which is back at the yard'
    },
    trip(chance, from, until, metres) {
      const away = moved(stand, metres, 2 * Math.PI * chance())
      way.push({ minute: from, at: stand }, { minute: from + 10, at: away }, { minute: until - 10, at: away }, { minute: until, at: stand })
    },
    fallSilent(minute) {
      silentFrom = minute
      remark = 'its tag fell silent before it was moved'
    },
    buffer(later) {
      buffered = later
    },
    moves: () => tagStays.flatMap(({ fromMinute, untilMinute }) => [fromMinute, untilMinute]),
    finish: () => ({ device, way, tagStays, hiveStays, remark, silentFrom, scaleUntil, buffered }),
  }
}
