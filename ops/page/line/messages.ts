/** What the tabs Line and Lag are told. Null is not known, and never 0. */

/** Feed `line`, each second. Times are milliseconds since 1970. */
export interface LineState {
  readonly at: number
  readonly hops: readonly HopState[]
  readonly links: readonly Link[]
  readonly servers: readonly ServerState[]
  readonly latency: { readonly sample: Latency | null; readonly receipt: Latency | null }
  /** What became of rows so far; null if the database does not say. */
  readonly stored: { readonly rows: number; readonly merged: number; readonly repeated: number; readonly conflicts: number } | null
  readonly deadLetters: readonly DeadLetterCount[]
}

/** A step of the line. */
export interface HopState {
  readonly name: string
  readonly kind: 'broker' | 'bridge' | 'processor' | 'process' | 'continuity' | 'store' | 'database'
  /** From left to right: everything it reads from is further left. */
  readonly column: number
  /** `silent`: it does not answer. */
  readonly health: Health
  readonly rates: readonly { readonly unit: string; readonly perSecond: number | null }[]
  /** Null for what reads nothing from Kafka. */
  readonly lag: HopLag | null
  readonly problems: readonly HopProblem[]
}

export type Health = 'well' | 'wrong' | 'silent' | 'unknown'

export interface HopLag {
  readonly records: number | null
  readonly seconds: number | null
  /** As in docs/lag.md. */
  readonly state: string
  readonly causes: readonly string[]
}

export interface HopProblem {
  readonly text: string
  /** Null if nobody says. */
  readonly since: number | null
  /** It was so already when the page first looked. */
  readonly orBefore: boolean
}

/** What goes from one hop to another. */
export interface Link {
  readonly from: string
  readonly to: string
  /** A topic; null for MQTT and SQL. */
  readonly topic: string | null
}

/** What the line depends on. */
export interface ServerState {
  readonly name: string
  readonly health: Health
  readonly problems: readonly HopProblem[]
}

/** Seconds until the commit of a record, of those of the last half a minute. */
export interface Latency {
  readonly median: number
  readonly p99: number
}

export interface DeadLetterCount {
  readonly topic: string
  /** All that were ever written. */
  readonly count: number | null
  /** Refused since the service was started, by reason. */
  readonly reasons: readonly { readonly reason: string; readonly count: number }[]
}

/** Feed `lag`, every two seconds. */
export interface LagState {
  readonly at: number
  readonly groups: readonly GroupState[]
}

export interface TrendState {
  readonly lag: number | null
  readonly timeLagSeconds: number | null
  readonly inPerSecond: number | null
  readonly outPerSecond: number | null
  readonly state: string
  readonly catchUpSeconds: number | null
}

export interface GroupState extends TrendState {
  readonly group: string
  readonly causes: readonly string[]
  readonly partitions: readonly (TrendState & { readonly topic: string; readonly partition: number })[]
}

/** GET api/line/lag-history: what was seen while somebody looked, oldest first. */
export interface LagHistory {
  readonly points: readonly LagPoint[]
}

export interface LagPoint {
  readonly at: number
  readonly groups: Readonly<Record<string, { readonly lag: number | null; readonly timeLagSeconds: number | null }>>
}
