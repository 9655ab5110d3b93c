import type { Topic } from '../processors/contract.ts'
import type { DeadLetterCodec } from '../processors/dead-letter.ts'
import { DeadLetterBudget } from '../processors/dead-letter-budget.ts'
import { createDeadLetterWriter, type DeadLetterCounters, type DeadLetterWriter } from '../processors/dead-letter-writer.ts'
import { topics } from '../processors/topics.ts'
import type { Config } from './config.ts'
import { version } from './version.ts'

export interface ServiceDeadLettersOptions {
  readonly config: Config
  /** Whose dead letters they are. */
  readonly processor: string
  /** Topic of the records. */
  readonly source: Topic
  readonly codec: DeadLetterCodec
  /** Largest dead letter that its topic takes. */
  readonly deadLetterBytes: number
  readonly counters: DeadLetterCounters
}

const MILLIS_PER_MINUTE = 60_000
/**
 * First bytes to keep of a record, by its topic: enough to read the number of a frame, or of the
 * frame that readings came from (processors/continuity/heads.ts). Records of other topics have no
 * such number.
 */
const HEAD_BYTES: ReadonlyMap<Topic, number> = new Map([
  [topics.frames, 36],
  [topics.readings, 192],
])

/** The writer of a service's dead letters, within the bounds that the configuration sets. */
export function serviceDeadLetters({
  config,
  processor,
  source,
  codec,
  deadLetterBytes,
  counters,
}: ServiceDeadLettersOptions): DeadLetterWriter {
  return createDeadLetterWriter({
    processor,
    version,
    codec,
    deadLetterBytes,
    budget: new DeadLetterBudget(deadLetterLimits(config)),
    headBytes: HEAD_BYTES.get(source) ?? 0,
    counters,
  })
}

/** How many dead letters keep their record whole. */
export function deadLetterLimits({ dead_letters: limits }: Config): ConstructorParameters<typeof DeadLetterBudget>[0] {
  return {
    deadLetters: limits.per_device,
    bytes: limits.per_device_bytes,
    totalBytes: limits.total_bytes,
    windowMs: limits.window_minutes * MILLIS_PER_MINUTE,
  }
}
