/** Hives and receivers that make it hard to tell whether a hive was moved. */
import type { Position } from '../distance.ts'
import { moved } from '../traces.ts'
import * as faults from './faults.ts'
import { type Fault, type Receiver, type Stage, wrappedPosition } from './receiver.ts'

/** What is asked of hives that err in one way. */
export interface Case {
  readonly name: string
  /**
   * Whether `movement` promises to get it right. Of what it does not promise the table says what
   * happens.
   */
  readonly promised: boolean
  readonly stages: readonly Stage[]
  readonly receiver: Receiver
}

const HOUR = 60
const DAY = 24 * HOUR
const home: Position = { latitude: 51.4, longitude: 7.1 }
const orchard = away(home, 60_000)
const near = away(home, 1_200)

const every = (minutes: number) => () => minutes
const irregular = (chance: () => number) => Math.round(5 + 180 * chance() ** 2)
const good: Receiver = { interval: every(15), driftMetres: 15, correlationMinutes: 20, faults: [faults.jumps(0.02), faults.missing(0.1)] }

/** At home, and on the second day moved, by a road of so many hours. */
function migration(from: Position, to: Position, roadHours = 2, days = 8): readonly Stage[] {
  return [{ untilMinute: 3 * DAY, at: from }, { untilMinute: 3 * DAY + roadHours * HOUR }, { untilMinute: days * DAY, at: to }]
}

const still: readonly Stage[] = [{ untilMinute: 8 * DAY, at: home }]

/** On the way from home to the orchard: a stop of so many hours. */
function withStop(hours: number): readonly Stage[] {
  const halfway = away(home, 30_000)
  return [
    { untilMinute: 3 * DAY, at: home },
    { untilMinute: 3 * DAY + 2 * HOUR },
    { untilMinute: 3 * DAY + (2 + hours) * HOUR, at: halfway, as: 'stop' },
    { untilMinute: 3 * DAY + (4 + hours) * HOUR },
    { untilMinute: 9 * DAY, at: orchard },
  ]
}

/** From one place to another and back, with no road that would be seen. */
function toAndFro(a: Position, b: Position, hours: number, as: 'stay' | 'stop'): readonly Stage[] {
  const count = Math.floor((9 * 24) / hours)
  return Array.from({ length: count }, (_, index): Stage => {
    const untilMinute = 3 * DAY + index * hours * HOUR
    return index % 2 === 0 ? { untilMinute, at: a } : { untilMinute, at: b, as }
  })
}

function away(from: Position, metres: number): Position {
  return wrappedPosition(moved(from, metres, 1))
}

function erring(...more: readonly (() => Fault)[]): Receiver {
  return { ...good, faults: [...good.faults, ...more] }
}

function yard(stepMetres: number): readonly Stage[] {
  return Array.from({ length: 8 }, (_, day) => ({ untilMinute: (day + 1) * DAY, at: away(home, (day % 4) * stepMetres) }))
}

const held = (name: string, stages: readonly Stage[], receiver: Receiver = good): Case => ({ name, promised: true, stages, receiver })
const open = (name: string, stages: readonly Stage[], receiver: Receiver = good): Case => ({ name, promised: false, stages, receiver })

const moving = migration(home, orchard)
const minute: Receiver = { ...good, interval: every(1) }

export const cases: readonly Case[] = [
  held('moved 60 km: drift 15 m, 2 % jumps', moving),
  held('the same, drift of 30 m over an hour', moving, { ...good, driftMetres: 30, correlationMinutes: 60 }),
  held('the same under trees or between houses: 50 m over an hour', moving, { ...good, driftMetres: 50, correlationMinutes: 60 }),
  open('the same in a canyon: 100 m over two hours', moving, { ...good, driftMetres: 100, correlationMinutes: 120 }),
  held('stands still, 50 m over an hour', still, { ...good, driftMetres: 50, correlationMinutes: 60 }),
  open('stands still in a canyon: 100 m over two hours', still, { ...good, driftMetres: 100, correlationMinutes: 120 }),
  held('a fix each minute', migration(home, orchard, 2, 4), minute),
  held('stands still, a fix each minute, 20 km off for eight of them', [{ untilMinute: 3 * DAY, at: home }], {
    ...minute,
    faults: [faults.jumpFor(2 * DAY, 8)],
  }),
  held('stands still, 20 km off for 45 minutes', still, { ...good, faults: [faults.jumpFor(3 * DAY, 45)] }),
  open('stands still, 20 km off for two hours', still, erring(faults.jumpFor(3 * DAY, 2 * HOUR))),
  held('a fix every 4 hours', moving, { ...good, interval: every(4 * HOUR) }),
  held('a fix a day', migration(home, orchard, 2, 20), { ...good, interval: every(DAY), faults: [] }),
  held('irregular: 5 minutes to 3 hours', moving, { ...good, interval: irregular }),
  held('fixes only at night', moving, erring(faults.between(22, 4))),
  held('stuck: home is repeated for 6 hours of the trip and after it', moving, erring(faults.stuck(3 * DAY - 30, 3 * DAY + 6 * HOUR))),
  held('stuck on the road: one place of it is repeated for 8 hours', moving, erring(faults.stuck(3 * DAY + HOUR, 3 * DAY + 9 * HOUR))),
  held('stands still, a jump of 20 km is repeated for 8 hours', still, {
    ...good,
    faults: [faults.jumpFor(3 * DAY, 15), faults.stuck(3 * DAY, 3 * DAY + 8 * HOUR)],
  }),
  held('stuck for 3 hours, again and again', moving, erring(faults.oftenStuck(0.05, 3 * HOUR))),
  held('pinned: one position as long as it does not move', migration(home, orchard, 2, 9), erring(faults.pinned(50))),
  held('positions of four decimals', moving, erring(faults.rounded(4))),
  held('stands still, half of the fixes are of a cell tower, for hours', still, erring(faults.cellTower(0.5, 4 * HOUR))),
  held('moved, every second fix is of a cell tower', moving, erring(faults.cellTower(0.5, 15))),
  held('moved, half of the fixes are of a cell tower, for hours', migration(home, orchard, 2, 10), erring(faults.cellTower(0.5, 3 * HOUR))),
  held('stands still, a day and a half long only a cell tower', still, erring(faults.cellTower(1, DAY, 3 * DAY, 4.5 * DAY))),
  held(
    'off on the road, then home twice, then 2 km off and settling',
    moving,
    erring(faults.coldStart(3 * DAY, 3 * DAY + 2 * HOUR, 2_000)),
  ),
  held('times repeat: the clock is read each half hour', moving, erring(faults.coarseTime(30))),
  held('times of 1980 for a day', moving, erring(faults.wrongTime(2 * DAY, 3 * DAY, -2_420))),
  held('times of 2036 at first, for a day', moving, erring(faults.wrongTime(0, DAY, 520))),
  held('week rollover: 1024 weeks back from the trip on, for a day', moving, erring(faults.wrongTime(3 * DAY, 4 * DAY, -1_024))),
  held('a year back for the first two hours', moving, erring(faults.wrongTime(0, 2 * HOUR, -52))),
  open('a year back for the first day', moving, erring(faults.wrongTime(0, DAY, -52))),
  held('9 minutes fast for a day, then right', moving, erring(faults.fast(2 * DAY, 3 * DAY + HOUR, 9))),
  open('times of receipt, by a gateway that is away for 6 of 12 hours', moving, erring(faults.gatewayTime(6 * HOUR))),
  held('moved by 60 m within the yard, each day', yard(60)),
  held('a day trip of 4 km each day', toAndFro(home, away(home, 4_000), 12, 'stop')),
  held('to and fro by 1.2 km every 12 hours', toAndFro(home, near, 12, 'stop')),
  held('to and fro by 1.2 km, three days each', toAndFro(home, near, 72, 'stay')),
  held('moved 3 km', migration(home, away(home, 3_000), 0.5)),
  held('moved 4.9 km', migration(home, away(home, 4_900), 0.5)),
  held('moved 6 km', migration(home, away(home, 6_000), 0.5)),
  held('2 hours at a motorway service', withStop(2)),
  held('2 hours at a motorway service, a fix each minute', withStop(2), minute),
  open('12 hours at the place of another beekeeper', withStop(12)),
  open('a truck that stands for the night, 9 hours', withStop(9)),
  held('over the 180th meridian', migration({ latitude: -17, longitude: 179.8 }, away({ latitude: -17, longitude: 179.8 }, 60_000))),
  held('on the 180th meridian', [{ untilMinute: 8 * DAY, at: { latitude: -17, longitude: 180 } }]),
  held('at 78 degrees north', migration({ latitude: 78, longitude: 15 }, away({ latitude: 78, longitude: 15 }, 60_000))),
]
