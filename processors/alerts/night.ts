import { zoneOffset } from '../../schemas/zone-offset.ts'

const MS_PER_DAY = 86_400_000

/** Hours of a night, by the clocks of a zone. It may go past midnight. */
export interface Night {
  /** IANA name. */
  readonly zone: string
  /** Milliseconds since midnight. */
  readonly fromMs: number
  /** The first moment that is not of the night. */
  readonly toMs: number
}

/**
 * Says in which night a time lies: a number that names the night (its beginning by local clocks, in
 * microseconds), undefined for a time of day. A night in which clocks change is an hour longer or
 * shorter, and remains one night.
 * @throws RangeError for a name that is no zone
 */
export function nightOf({ zone, fromMs, toMs }: Night): (ts: number) => number | undefined {
  const offsetAt = zoneOffset(zone)
  return (ts) => {
    const ms = Math.floor(ts / 1000)
    const local = ms + offsetAt(ms)
    const sinceMidnight = ((local % MS_PER_DAY) + MS_PER_DAY) % MS_PER_DAY
    const midnight = local - sinceMidnight
    if (fromMs < toMs) return sinceMidnight >= fromMs && sinceMidnight < toMs ? (midnight + fromMs) * 1000 : undefined
    if (sinceMidnight >= fromMs) return (midnight + fromMs) * 1000
    return sinceMidnight < toMs ? (midnight - MS_PER_DAY + fromMs) * 1000 : undefined
  }
}

/** Milliseconds since midnight of HH:MM or HH:MM:SS; undefined for another text. */
export function parseTimeOfDay(text: string): number | undefined {
  const [, hours, minutes, seconds = '0'] = /^([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:\.\d+)?)?$/.exec(text) ?? []
  if (hours === undefined || minutes === undefined) return undefined
  return ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000
}
