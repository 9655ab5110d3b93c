/** What the tab Continuity is told: feed `continuity`, every half a minute. */
export interface ContinuityState {
  readonly at: number
  /** Null if it cannot be told; `why` says why. */
  readonly answer: ContinuityFigures | null
  readonly why: string | null
}

export interface ContinuityFigures {
  readonly frames: FrameFigures
  /** Whether numbered = stored + dead-lettered + in flight + missing. */
  readonly addsUp: boolean
  readonly devices: number
  /** Devices with something to look at. */
  readonly remarkable: number
  /** The first of them, by name. */
  readonly listed: readonly DeviceFigures[]
  /** Frames that came under names that are no devices: they are in no sum. */
  readonly strangers: number
  /** Records that Kafka deleted before the ledger had read them. */
  readonly lost: number
}

export interface FrameFigures {
  readonly numbered: number
  readonly stored: number
  readonly deadLettered: number
  readonly inFlight: number
  readonly missing: number
}

export interface DeviceFigures extends FrameFigures {
  readonly device: string
  /** Samples that the device says it discarded. */
  readonly dropped: number
  /** Frames with single samples that became dead letters. */
  readonly partlyDead: number
  /** Frames that contradict others: two devices use the ID. */
  readonly conflicts: number
}
