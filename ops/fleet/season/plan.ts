import { moved, randomNumbers } from '../../../processors/movement/traces.ts'
import { deviceIds } from '../device-ids.ts'
import { createHive, type HiveBuilder } from './hive.ts'
import { DAY, type Incident, type Loss, type Place, type Season } from './season.ts'
import { type Chance, drive, type Way } from './way.ts'

export interface SeasonOptions {
  /** The same seed gives the same season. */
  readonly seed: number
  /** Milliseconds since 1970: midnight, UTC. */
  readonly startMs: number
  readonly endMinute: number
  /** At least 12. */
  readonly hives: number
  /** Of the device IDs. */
  readonly prefix: string
}

/** Who is where: storage on a heath in northern Germany, orchards up to 210 km away. */
const YARD = { latitude: 53.05, longitude: 10.0 }
const WEST = { latitude: 53.52, longitude: 9.65 }
const EAST = { latitude: 52.38, longitude: 12.93 }
const SOUTH = { latitude: 52.1, longitude: 11.4 }
/** Each season they are somewhere within this. */
const ABOUT_METRES = 4_000
/** Hives of a site stand within this of its middle. */
const STAND_METRES = 40
const HIDEOUT_METRES = 35_000
const UNLOADING = 60
const LATE_HOURS = 6
/** Nothing is buffered so near to a move: a move that nobody heard of would be no one's fault. */
const CLEAR_OF_MOVES = 8 * 60

/**
 * The season: two loads leave the yard for two orchards, one goes on to a third, some come back.
 * One hive is stolen, one tag is left in the truck, one falls silent, some hives are away for a
 * day. It freezes in an orchard, a hive overheats, two are robbed, honey is taken by day.
 */
export function planSeason({ seed, startMs, endMinute, hives: count, prefix }: SeasonOptions): Season {
  if (count < 12) throw new RangeError(`expected at least 12 hives, got ${count}`)
  const chance = randomNumbers(seed)
  const place = (name: string, about: typeof YARD, kind: Place['kind'], trees: boolean): Place => ({
    name,
    at: moved(about, ABOUT_METRES * chance(), 2 * Math.PI * chance()),
    kind,
    trees,
  })
  const yard = place('the yard', YARD, 'storage', false)
  const west = place('the western orchard', WEST, 'orchard', true)
  const east = place('the eastern orchard', EAST, 'orchard', false)
  const south = place('the southern orchard', SOUTH, 'orchard', true)
  const hideout: Place = {
    name: "the thief's garden",
    at: moved(east.at, HIDEOUT_METRES, 2 * Math.PI * chance()),
    kind: 'orchard',
    trees: true,
  }
  const hives = deviceIds({ prefix, devices: count }).map((device) => createHive(device, yard, () => spot(chance)))
  const [westLoad, eastLoad, home] = loads(hives)

  carry(chance, westLoad, yard, west, at(1, 20))
  const returning = carry(chance, eastLoad.slice(1), yard, east, at(2, 19.5))
  const [inTruck] = eastLoad as [HiveBuilder]
  const way = drive(chance, yard.at, east.at, at(2, 19.5))
  inTruck.forgetTag(way, east, drive(chance, east.at, yard.at, endOf(way) + UNLOADING), yard)

  const [westTrip, westRobbed, silent] = westLoad as [HiveBuilder, HiveBuilder, HiveBuilder]
  westTrip.trip(chance, at(3, 9), at(3, 15), 1_600)
  const [homeTrip, hot, homeRobbed] = home as [HiveBuilder, HiveBuilder, HiveBuilder]
  homeTrip.trip(chance, at(4, 8), at(4, 16.5), 2_500)
  homeTrip.trip(chance, at(7, 9), at(7, 18), 3_800)
  const [stolen, ...others] = returning as [HiveBuilder, ...HiveBuilder[]]
  stolen.steal(drive(chance, east.at, hideout.at, at(5, 2)), hideout)
  silent.fallSilent(at(4, 11))
  carry(chance, westLoad, west, south, at(6, 20))
  carry(chance, others.slice(0, Math.ceil(others.length / 2)), east, yard, at(9, 18))

  const robberies: readonly Loss[] = [
    { device: homeRobbed.device, fromMinute: at(3, 23), kilograms: 7 },
    { device: westRobbed.device, fromMinute: at(5, 22.5), kilograms: 6 },
  ]
  const honey = [homeTrip, hot].map(({ device }): Loss => ({ device, fromMinute: at(8, 16), kilograms: 12 }))
  const incidents: readonly Incident[] = [
    // The frost is over when the sun is up: the last hours of the fourth night.
    ...returning.map(({ device }): Incident => ({ rule: 'frost', device, fromMinute: at(4, 1), untilMinute: at(4, 5) })),
    ...[5, 8].map((day): Incident => ({ rule: 'too-hot', device: hot.device, fromMinute: at(day, 12), untilMinute: at(day, 15) })),
    ...robberies.map(({ device, fromMinute }): Incident => ({ rule: 'robbed', device, fromMinute, untilMinute: nightEnd(fromMinute) })),
  ]
  const concerned = new Set([...incidents, ...honey].map(({ device }) => device))
  for (const [index, hive] of hives.entries()) if (index % 4 === 1 && !concerned.has(hive.device)) bufferSome(chance, hive)
  return {
    seed,
    startMs,
    endMinute,
    places: [yard, west, east, south, hideout],
    hives: hives.map((hive) => hive.finish()),
    incidents,
    losses: [...robberies, ...honey],
  }
}

/** Two hives of five go west, three of ten east, the others stay at home. */
function loads(hives: readonly HiveBuilder[]): readonly [readonly HiveBuilder[], readonly HiveBuilder[], readonly HiveBuilder[]] {
  const west = Math.floor(0.4 * hives.length)
  const east = west + Math.floor(0.3 * hives.length)
  return [hives.slice(0, west), hives.slice(west, east), hives.slice(east)]
}

/** A truck takes hives, all at once. Returns them. */
function carry(chance: Chance, hives: readonly HiveBuilder[], from: Place, to: Place, minute: number): readonly HiveBuilder[] {
  const way = drive(chance, from.at, to.at, minute)
  for (const hive of hives) hive.carry(way, to)
  return hives
}

/** Some hours of samples that the tag sends after newer ones. */
function bufferSome(chance: Chance, hive: HiveBuilder): void {
  for (let attempt = 0; attempt < 20; attempt++) {
    const from = DAY * (2 + 8 * chance())
    const until = from + LATE_HOURS * 60
    const sentAt = until + 60 + 120 * chance()
    if (hive.moves().some((minute) => minute > from - CLEAR_OF_MOVES && minute < sentAt + CLEAR_OF_MOVES)) continue
    hive.buffer({ from, until, sentAt })
    return
  }
}

function spot(chance: Chance): (place: Place) => Place['at'] {
  const [metres, direction] = [STAND_METRES * Math.sqrt(chance()), 2 * Math.PI * chance()]
  return (place) => moved(place.at, metres, direction)
}

function at(day: number, hour: number): number {
  return day * DAY + hour * 60
}

function endOf(way: Way): number {
  return way.at(-1)?.minute ?? 0
}

/** Five in the morning in Berlin, in winter. */
function nightEnd(minute: number): number {
  return (Math.floor(minute / DAY) + 1) * DAY + 4 * 60
}
