/** What a simulated season of a beekeeper consists of: the truth that Millrace is compared with. */
import type { DeviceId } from '../../../processors/contract.ts'
import type { Position } from '../../../processors/movement/distance.ts'
import type { Way } from './way.ts'

export interface Place {
  readonly name: string
  readonly at: Position
  /** The yard is known before the season; the others nobody told the system about. */
  readonly kind: 'storage' | 'orchard'
  readonly trees: boolean
}

/** From when until when something stands at a place, in minutes of the season. */
export interface Stay {
  readonly place: Place
  readonly fromMinute: number
  /** Infinity: to the end. */
  readonly untilMinute: number
}

/** A hive and the tag that is, as a rule, on it. */
export interface Hive {
  readonly device: DeviceId
  /** The way of the tag. */
  readonly way: Way
  /** Where the tag stood long enough to be at rest there. Trips of a day are not in it. */
  readonly tagStays: readonly Stay[]
  /** Where the hive stood. */
  readonly hiveStays: readonly Stay[]
  /** Why the two differ, in words. */
  readonly remark: string | undefined
  /** From here on the tag sends nothing. */
  readonly silentFrom: number
  /** From here on the hive is not on a scale. */
  readonly scaleUntil: number
  /** Samples of these minutes are sent only when `sentAt` has come, after newer ones. */
  readonly buffered: { readonly from: number; readonly until: number; readonly sentAt: number } | undefined
}

export const RULES = ['frost', 'too-hot', 'robbed'] as const
export type RuleName = (typeof RULES)[number]

/** Something that must open one alert, and close it. */
export interface Incident {
  readonly rule: RuleName
  readonly device: DeviceId
  readonly fromMinute: number
  /** When what opened it is over; of a robbery, when the night is. */
  readonly untilMinute: number
}

/** Weight that is gone from a moment on. */
export interface Loss {
  readonly device: DeviceId
  readonly fromMinute: number
  readonly kilograms: number
}

export interface Season {
  readonly seed: number
  /** Milliseconds since 1970: midnight, UTC. */
  readonly startMs: number
  /** Samples are made up to here. */
  readonly endMinute: number
  readonly places: readonly Place[]
  readonly hives: readonly Hive[]
  readonly incidents: readonly Incident[]
  /** Robberies, and honey that was taken by day. */
  readonly losses: readonly Loss[]
}

export const DAY = 1_440
/** What happens is over by the end of the eleventh day. */
export const SEASON_DAYS = 12
const MS_PER_DAY = 86_400_000

/** When a season that ends now began. */
export function seasonStart(nowMs: number): number {
  return Math.floor(nowMs / MS_PER_DAY) * MS_PER_DAY - SEASON_DAYS * MS_PER_DAY
}
