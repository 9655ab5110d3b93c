import { medianPosition, metresBetween, type Position } from './distance.ts'
import {
  AGREE_METRES,
  CANDIDATE_FIXES,
  CANDIDATE_WINDOW,
  FORGET_MICROS,
  GAP_MICROS,
  KEPT_FIXES,
  LEAVE_FIXES,
  LEAVE_METRES,
  LEAVE_MICROS,
  LEAVE_PLACES,
  LEAVE_WINDOW,
  NEAR_METRES,
  NEAR_REST_MICROS,
  REPEATED_NEAR_REST_MICROS,
  REPEATED_REST_MICROS,
  REST_FIXES,
  REST_MICROS,
} from './limits.ts'

/** A position of a device. */
export interface Fix extends Position {
  /** Time of the sample, in microseconds since 1970. */
  readonly atMicros: number
  /** Whether the device did not know the time of day. */
  readonly estimated: boolean
}

/** A place where a device may have come to rest. */
interface Candidate extends Position {
  readonly sinceMicros: number
  /** Last fix that agreed. */
  readonly lastMicros: number
  readonly last: Position
  readonly agreeing: number
  /** The agreeing fixes whose time is estimated. */
  readonly estimated: number
  /** Fixes since then that did not agree. */
  readonly others: number
  /** Time between fixes that agree; of a gap GAP_MICROS at most. */
  readonly restedMicros: number
  /** Agreeing fixes that do not repeat the one before; the time up to the last of them. */
  readonly fresh: number
  readonly freshMicros: number
}

export interface Rest extends Position {
  readonly sinceMicros: number
  /** Last fix that was there. */
  readonly lastMicros: number
}

/** What is remembered of a device: plain data, kept as JSON. */
export interface Track {
  /** The latest fixes, in order of time. */
  readonly recent: readonly Fix[]
  /** Where it is at rest or, while it moves, last was; null if it never was. */
  readonly rest: Rest | null
  readonly moving: boolean
  /** First fix away from `rest` since the last one there. */
  readonly awayMicros: number | null
  readonly candidate: Candidate | null
  /** While there is no fix: those up to here, in microseconds since 1970, are late. */
  readonly floorMicros?: number
}

/** A change of a device's state. */
export interface Decision extends Position {
  readonly state: 'rest' | 'transit'
  /** The first fix that says so. */
  readonly sinceMicros: number
  /** Share of the fixes since then that say so; those of estimated time count half. */
  readonly confidence: number
  /** The latest of them. */
  readonly fixes: readonly Fix[]
}

export const noTrack: Track = { recent: [], rest: null, moving: false, awayMicros: null, candidate: null }

/**
 * Takes the next fix. One that is not later than the last is ignored, so repeats and late samples
 * change nothing.
 */
export function follow(track: Track, fix: Fix): { readonly track: Track; readonly decision: Decision | null } {
  const last = track.recent.at(-1)
  if (fix.atMicros <= (last?.atMicros ?? track.floorMicros ?? Number.NEGATIVE_INFINITY)) return { track, decision: null }
  const forgotten = last !== undefined && fix.atMicros - last.atMicros > FORGET_MICROS
  return followed(forgotten ? { ...track, recent: [], awayMicros: null, candidate: null } : track, fix)
}

function followed(track: Track, fix: Fix): { readonly track: Track; readonly decision: Decision | null } {
  const recent = [...track.recent, fix].slice(-KEPT_FIXES)
  const { rest, moving } = track
  if (rest !== null && !moving && metresBetween(fix, rest) <= LEAVE_METRES)
    return {
      // One fix at the old place is enough to say that it was not left for good.
      track: { moving, recent, rest: { ...rest, lastMicros: fix.atMicros }, awayMicros: null, candidate: null },
      decision: null,
    }
  const awayMicros = moving || rest === null ? null : (track.awayMicros ?? fix.atMicros)
  const candidate = nextCandidate(track, recent, fix)
  const next: Track = { recent, rest, moving, awayMicros, candidate }
  if (candidate !== null && isAtRest(candidate, next)) return arrive(next, candidate)
  return left(next) ? leave(next) : { track: next, decision: null }
}

function nextCandidate(track: Track, recent: readonly Fix[], fix: Fix): Candidate | null {
  const { candidate } = track
  if (candidate === null) return newCandidate(track, recent)
  if (metresBetween(fix, candidate) <= AGREE_METRES) return agreed(candidate, fix)
  const elsewhere = recent.slice(-CANDIDATE_WINDOW).filter((each) => metresBetween(each, candidate) > LEAVE_METRES)
  if (elsewhere.length >= CANDIDATE_WINDOW - 1) return newCandidate(track, recent)
  return { ...candidate, others: candidate.others + 1 }
}

/** A place that enough of the latest fixes agree upon, the last of them too. */
function newCandidate({ rest, moving }: Track, recent: readonly Fix[]): Candidate | null {
  const after = moving || rest === null ? Number.NEGATIVE_INFINITY : rest.lastMicros
  const seen = recent.slice(-CANDIDATE_WINDOW).filter(({ atMicros }) => atMicros > after)
  const [first, ...others] = seen
  if (first === undefined) return null
  const rough = medianPosition([first, ...others])
  const [nearest, ...near] = seen.filter((fix) => metresBetween(fix, rough) <= AGREE_METRES)
  if (nearest === undefined) return null
  // Fixes of the road pull the middle of all to the edge of those that agree.
  const centre = medianPosition([nearest, ...near])
  const agreeing = seen.filter((fix) => metresBetween(fix, centre) <= AGREE_METRES)
  const [oldest, ...later] = agreeing
  if (oldest === undefined || agreeing.at(-1) !== recent.at(-1) || agreeing.length < CANDIDATE_FIXES) return null
  const begun: Candidate = {
    ...centre,
    sinceMicros: oldest.atMicros,
    lastMicros: oldest.atMicros,
    last: { latitude: oldest.latitude, longitude: oldest.longitude },
    agreeing: 1,
    estimated: oldest.estimated ? 1 : 0,
    others: seen.filter(({ atMicros }) => atMicros >= oldest.atMicros).length - agreeing.length,
    restedMicros: 0,
    fresh: 1,
    freshMicros: 0,
  }
  return later.reduce(agreed, begun)
}

/** With one more fix that agrees. */
function agreed(candidate: Candidate, fix: Fix): Candidate {
  const { latitude, longitude, atMicros } = fix
  const restedMicros = candidate.restedMicros + Math.min(GAP_MICROS, atMicros - candidate.lastMicros)
  const repeats = latitude === candidate.last.latitude && longitude === candidate.last.longitude
  return {
    ...candidate,
    lastMicros: atMicros,
    last: { latitude, longitude },
    agreeing: candidate.agreeing + 1,
    estimated: candidate.estimated + (fix.estimated ? 1 : 0),
    restedMicros,
    fresh: candidate.fresh + (repeats ? 0 : 1),
    freshMicros: repeats ? candidate.freshMicros : restedMicros,
  }
}

function isAtRest(candidate: Candidate, { rest, moving, recent }: Track): boolean {
  if (candidate.lastMicros !== recent.at(-1)?.atMicros) return false
  const metres = rest === null ? Number.POSITIVE_INFINITY : metresBetween(candidate, rest)
  // Back where it was: nothing to found, nothing to wait for.
  if (moving && metres <= LEAVE_METRES) return true
  const near = metres <= NEAR_METRES
  if (candidate.fresh >= REST_FIXES && candidate.freshMicros >= (near ? NEAR_REST_MICROS : REST_MICROS)) return true
  return (
    candidate.agreeing >= REST_FIXES && candidate.restedMicros >= (near || rest === null ? REPEATED_NEAR_REST_MICROS : REPEATED_REST_MICROS)
  )
}

function arrive({ recent }: Track, candidate: Candidate): { readonly track: Track; readonly decision: Decision } {
  const { latitude, longitude, sinceMicros, lastMicros, agreeing, estimated, others } = candidate
  const rest: Rest = { latitude, longitude, sinceMicros, lastMicros }
  return {
    track: { recent, rest, moving: false, awayMicros: null, candidate: null },
    decision: {
      state: 'rest',
      latitude,
      longitude,
      sinceMicros,
      confidence: (agreeing - estimated / 2) / (agreeing + others),
      fixes: recent.filter((fix) => fix.atMicros >= sinceMicros && metresBetween(fix, candidate) <= AGREE_METRES),
    },
  }
}

function left({ rest, moving, recent, awayMicros }: Track): boolean {
  if (rest === null || moving || awayMicros === null) return false
  const away = awayFixes(rest, recent)
  if (away.length < LEAVE_FIXES || (away.at(-1)?.atMicros ?? 0) - awayMicros < LEAVE_MICROS) return false
  return new Set(away.map(({ latitude, longitude }) => `${latitude},${longitude}`)).size >= LEAVE_PLACES
}

function awayFixes(rest: Rest, recent: readonly Fix[]): readonly Fix[] {
  return recent.slice(-LEAVE_WINDOW).filter((fix) => fix.atMicros > rest.lastMicros && metresBetween(fix, rest) > NEAR_METRES)
}

function leave(track: Track): { readonly track: Track; readonly decision: Decision | null } {
  const { rest, recent, awayMicros } = track
  const newest = recent.at(-1)
  if (rest === null || newest === undefined || awayMicros === null) return { track, decision: null }
  const fixes = awayFixes(rest, recent)
  const since = recent.filter(({ atMicros }) => atMicros >= awayMicros).slice(-LEAVE_WINDOW)
  const estimated = fixes.filter((fix) => fix.estimated).length
  return {
    track: { ...track, moving: true, awayMicros: null },
    decision: {
      state: 'transit',
      latitude: newest.latitude,
      longitude: newest.longitude,
      sinceMicros: awayMicros,
      confidence: (fixes.length - estimated / 2) / Math.max(since.length, fixes.length),
      fixes,
    },
  }
}
