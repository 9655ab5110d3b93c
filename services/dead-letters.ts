import type { Topic } from '../processors/contract.ts'
import type { DeadLetterCodec } from '../processors/dead-letter.ts'
import { LetterBudget } from '../processors/letter-budget.ts'
import { createLetterWriter, type LetterCounters, type LetterWriter } from '../processors/letter-writer.ts'
import { topics } from '../processors/topics.ts'
import type { Config } from './config.ts'
import { version } from './version.ts'

export interface ServiceLettersOptions {
  readonly config: Config
  /** Whose letters they are. */
  readonly processor: string
  /** Topic of the records. */
  readonly source: Topic
  readonly deadLetters: DeadLetterCodec
  /** Largest letter that its topic takes. */
  readonly letterBytes: number
  readonly counters: LetterCounters
}

const MILLIS_PER_MINUTE = 60_000
/** Enough to read the number of a frame, or of the frame that readings came from (processors/continuity/heads.ts). Other topics have none. */
const HEAD_BYTES: ReadonlyMap<Topic, number> = new Map([
  [topics.frames, 36],
  [topics.readings, 192],
])

/** What writes a service's dead letters, within the bounds that the configuration sets. */
export function serviceLetters({ config, processor, source, deadLetters, letterBytes, counters }: ServiceLettersOptions): LetterWriter {
  return createLetterWriter({
    processor,
    version,
    deadLetters,
    letterBytes,
    budget: new LetterBudget(letterLimits(config)),
    headBytes: HEAD_BYTES.get(source) ?? 0,
    counters,
  })
}

/** How many letters keep their record whole. */
export function letterLimits({ dead_letters: limits }: Config): ConstructorParameters<typeof LetterBudget>[0] {
  return {
    letters: limits.per_device,
    bytes: limits.per_device_bytes,
    totalBytes: limits.total_bytes,
    windowMs: limits.window_minutes * MILLIS_PER_MINUTE,
  }
}
