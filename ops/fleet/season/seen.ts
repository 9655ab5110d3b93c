/** What Millrace has of an account, as the app database says it. */

export interface SeenSite {
  readonly id: number
  readonly name: string
  readonly kind: 'storage' | 'orchard'
  readonly latitude: number
  readonly longitude: number
  /** Created because hives came to rest there. */
  readonly founded: boolean
  /** Hives that are assigned to it now. */
  readonly hives: number
}

/** A change of a hive's state. Times in milliseconds since 1970. */
export interface SeenMovement {
  readonly device: string
  readonly state: 'rest' | 'transit'
  readonly sinceMs: number
  readonly siteId: number | null
  /** Time of the last fix that said so. */
  readonly decidedByMs: number
}

export interface SeenAlert {
  readonly rule: string
  readonly device: string
  readonly openedMs: number
  /** Null while it is open. */
  readonly closedMs: number | null
}

export interface SeenSeason {
  readonly sites: readonly SeenSite[]
  readonly movements: readonly SeenMovement[]
  readonly alerts: readonly SeenAlert[]
  /** The site of each device now, if it has one. */
  readonly present: ReadonlyMap<string, number>
}
