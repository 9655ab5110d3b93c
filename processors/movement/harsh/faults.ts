/** What receivers, modems and clocks do to fixes. */
import type { Position } from '../distance.ts'
import { moved } from '../traces.ts'
import type { Fix } from '../track.ts'
import type { Fault } from './receiver.ts'

const WEEK_MINUTES = 10_080
const MICROS_PER_MINUTE = 60_000_000

/** Single fixes that are 20 km off. */
export const jumps = (share: number) => (): Fault => {
  let jumped = false
  return (fix, _minute, truth, chance) => {
    jumped = !jumped && chance() < share
    return jumped ? { ...fix, ...moved(truth, 20_000, 2 * Math.PI * chance()) } : fix
  }
}

/** For so many minutes, fixes are some 20 km off, and drift there. */
export const jumpFor = (fromMinute: number, minutes: number) => (): Fault => (fix, minute) =>
  minute >= fromMinute && minute < fromMinute + minutes ? { ...fix, ...moved(fix, 20_000, 1) } : fix

/** The receiver repeats its last fix between two minutes of the trace. */
export const stuck = (fromMinute: number, untilMinute: number) => (): Fault => {
  let held: Fix | undefined
  return (fix, minute) => {
    if (minute < fromMinute || minute >= untilMinute) return fix
    held ??= fix
    return { ...held, atMicros: fix.atMicros }
  }
}

/** It repeats a fix for some hours, again and again. */
export const oftenStuck = (share: number, minutes: number) => (): Fault => {
  let held: { readonly fix: Fix; readonly until: number } | undefined
  return (fix, minute, _truth, chance) => {
    if (held !== undefined && minute < held.until) return { ...held.fix, atMicros: fix.atMicros }
    held = chance() < share ? { fix, until: minute + minutes } : undefined
    return fix
  }
}

/** It holds its position while it does not move, as many do by default. */
export const pinned = (withinMetres: number) => (): Fault => {
  let held: { readonly truth: Position; readonly fix: Fix } | undefined
  return (fix, _minute, truth) => {
    const near = held !== undefined && Math.abs(held.truth.latitude - truth.latitude) * 111_195 < withinMetres
    if (held === undefined || !near) held = { truth, fix }
    return { ...held.fix, atMicros: fix.atMicros }
  }
}

/** Positions of so many decimals, which repeat. */
export const rounded = (decimals: number) => (): Fault => (fix) => ({
  ...fix,
  latitude: Number(fix.latitude.toFixed(decimals)),
  longitude: Number(fix.longitude.toFixed(decimals)),
})

/**
 * Without a view of the sky it gives the position of the cell tower, 1 to 3 km off: always the same
 * one as long as the tower is. A share of the fixes, in runs of some minutes.
 */
export const cellTower =
  (share: number, runMinutes: number, fromMinute = 0, untilMinute = Number.POSITIVE_INFINITY) =>
  (): Fault => {
    let run: { readonly tower: boolean; readonly until: number } | undefined
    return (fix, minute, truth, chance) => {
      if (minute < fromMinute || minute >= untilMinute) return fix
      if (run === undefined || minute >= run.until) run = { tower: chance() < share, until: minute + runMinutes * (0.5 + chance()) }
      if (!run.tower) return fix
      // One tower for each 0.02 degrees.
      const cell = { latitude: Math.floor(truth.latitude * 50) / 50, longitude: Math.floor(truth.longitude * 50) / 50 }
      return { ...fix, ...moved(cell, 1_000, 0.4) }
    }
  }

/** Off on the road. Then the last known place twice, and one that settles from so far off. */
export const coldStart = (offMinute: number, onMinute: number, metres: number) => (): Fault => {
  let before: Fix | undefined
  let fixes = 0
  return (fix, minute, _truth, chance) => {
    if (minute < offMinute) {
      before = fix
      return fix
    }
    if (minute < onMinute) return null
    fixes++
    if (fixes <= 2 && before !== undefined) return { ...before, atMicros: fix.atMicros }
    return fixes <= 8 ? { ...fix, ...moved(fix, metres / 2 ** (fixes - 3), 2 * Math.PI * chance()) } : fix
  }
}

/** Only from one hour of the day to another. */
export const between = (fromHour: number, untilHour: number) => (): Fault => (fix, minute) => {
  const hour = (minute % 1_440) / 60
  return (fromHour < untilHour ? hour >= fromHour && hour < untilHour : hour >= fromHour || hour < untilHour) ? fix : null
}

export const missing = (share: number) => (): Fault => (fix, _minute, _truth, chance) => (chance() < share ? null : fix)

/** Between two minutes of the trace, the device's time is off by so many weeks. */
export const wrongTime = (fromMinute: number, untilMinute: number, weeks: number) => (): Fault => (fix, minute) =>
  minute < fromMinute || minute >= untilMinute ? fix : { ...fix, atMicros: fix.atMicros + weeks * WEEK_MINUTES * MICROS_PER_MINUTE }

/** A clock that is so many minutes fast between two minutes of the trace. */
export const fast = (fromMinute: number, untilMinute: number, minutes: number) => wrongTime(fromMinute, untilMinute, minutes / WEEK_MINUTES)

/** Several fixes of one time: the clock is read once in so many minutes. */
export const coarseTime = (minutes: number) => (): Fault => (fix) => ({
  ...fix,
  atMicros: fix.atMicros - (fix.atMicros % (minutes * MICROS_PER_MINUTE)),
})

/** The time is that of receipt, and a gateway that is away hands on all at once. */
export const gatewayTime = (everyMinutes: number) => (): Fault => {
  let last = 0
  return (fix, minute) => {
    // Away for half of the time; what waited comes within a second at the end.
    const turn = Math.floor(minute / everyMinutes)
    const away = turn % 2 === 1
    const startMicros = fix.atMicros - Math.round(minute * MICROS_PER_MINUTE)
    const wanted = away ? startMicros + (turn + 1) * everyMinutes * MICROS_PER_MINUTE - 1_000_000 : fix.atMicros
    last = Math.max(wanted, last + 1)
    return { ...fix, atMicros: last, estimated: true }
  }
}
