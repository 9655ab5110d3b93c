/** What the tab Dead letters is told. Null is not known, and never 0. */

/** Feed `dead-letters`, every few seconds. */
export interface DeadLettersState {
  readonly at: number
  readonly topics: readonly DeadTopicState[]
}

export interface DeadTopicState {
  readonly topic: string
  /** Whose dead letters these are; null if the configuration has no such service. */
  readonly processor: string | null
  /** How many of its newest dead letters are looked at. */
  readonly lookedAt: number
  /** It has older ones too. */
  readonly more: boolean
  /** Records that are no dead letters. */
  readonly unreadable: number
  readonly reasons: readonly ReasonState[]
}

export interface ReasonState {
  readonly reason: string
  readonly deadLetters: number
  /** Not settled by a redrive; null if the database does not say. */
  readonly open: number | null
  readonly devices: number
  /** When one of them last failed: the first and the last time, milliseconds since 1970. */
  readonly oldest: number
  readonly newest: number
  /** The most of any. */
  readonly attempts: number
}

/** GET api/dead-letters/newest?topic=&reason= */
export interface NewestDeadLetters {
  readonly deadLetters: readonly DeadLetterEntry[]
}

export interface DeadLetterEntry {
  readonly partition: number
  /** As text: it may be larger than a number of JavaScript. */
  readonly offset: string
  readonly device: string | null
  readonly detail: string
  readonly lastFailed: number
  readonly attempt: number
  readonly open: boolean | null
}

/** GET api/dead-letters/letter?topic=&partition=&offset= */
export interface DeadLetterView {
  readonly fields: readonly (readonly [name: string, text: string])[]
  /** Lines of its original, as far as it can be decoded. */
  readonly original: readonly string[]
}

/** What a redrive is about. */
export interface RedriveRequest {
  readonly processor: string
  readonly reason: string | null
  readonly device: string | null
  readonly dryRun: boolean
}

/** Feed `redrive`: the newest run of this page, and whether it is over. */
export interface RedriveState {
  readonly run: RedriveRunState | null
}

export interface RedriveRunState extends RedriveRequest {
  readonly began: number
  readonly ended: number | null
  /** Dead letters that the processor has seen again. */
  readonly seen: number
  /** Once it is over: what it did, in lines; or why it failed. */
  readonly lines: readonly string[]
  readonly problem: string | null
}
