import type { Rest, Track } from './track.ts'
import { noTrack } from './track.ts'

/** A state that was decided of an asset. */
export interface Decided {
  readonly state: 'rest' | 'transit'
  /** Microseconds since 1970. */
  readonly sinceMicros: number
  readonly latitude: number
  readonly longitude: number
}

/**
 * The track as if no fix had come from a moment on, as far as that is remembered.
 * @param before what was decided as of earlier moments, in order
 * @param undone whether something was decided as of this moment or later
 */
export function trackBefore(track: Track, atMicros: number, before: readonly Decided[], undone: boolean): Track {
  const newest = track.recent.at(-1)
  if (newest === undefined || newest.atMicros < atMicros) return track
  const recent = track.recent.filter((fix) => fix.atMicros < atMicros)
  // If no fix is left to say which ones are late, the moment says it.
  const cut = { recent, ...(recent.length === 0 ? { floorMicros: atMicros - 1 } : {}) }
  if (undone) return { ...noTrack, ...cut, ...lastDecided(before, atMicros) }
  const { rest, moving, awayMicros, candidate } = track
  return {
    ...cut,
    rest: rest === null ? null : { ...rest, lastMicros: Math.min(rest.lastMicros, atMicros) },
    moving,
    awayMicros: awayMicros !== null && awayMicros >= atMicros ? null : awayMicros,
    candidate: candidate !== null && candidate.lastMicros >= atMicros ? null : candidate,
  }
}

function lastDecided(before: readonly Decided[], atMicros: number): Pick<Track, 'rest' | 'moving'> {
  const rested = before.findLast(({ state }) => state === 'rest')
  const last = before.at(-1)
  if (rested === undefined || last === undefined) return { rest: null, moving: false }
  const { latitude, longitude, sinceMicros } = rested
  const moving = last.state === 'transit'
  const rest: Rest = { latitude, longitude, sinceMicros, lastMicros: moving ? last.sinceMicros : atMicros }
  return { rest, moving }
}
