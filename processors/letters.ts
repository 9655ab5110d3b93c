import { createHash } from 'node:crypto'
import type { RecordHeaders, Rejection, Topic } from './contract.ts'
import type { DeadLetter } from './dead-letter.ts'

/** A dead letter and where it is. */
export interface FoundLetter {
  readonly topic: Topic
  readonly partition: number
  readonly offset: bigint
  readonly letter: DeadLetter
  /** Those of the record that became the letter. */
  readonly headers?: RecordHeaders | undefined
}

/** Which letters somebody asked for; what is not given does not matter. */
export interface LetterFilter {
  readonly reason?: string
  readonly device?: string
  /** Last failure, milliseconds since 1970: from, inclusive, to, exclusive. */
  readonly fromMs?: number
  readonly toMs?: number
}

export function matches({ reason, key, last_failed }: DeadLetter, filter: LetterFilter): boolean {
  return (
    (filter.reason === undefined || reason === filter.reason) &&
    (filter.device === undefined || key?.toString('utf8') === filter.device) &&
    (filter.fromMs === undefined || last_failed >= filter.fromMs) &&
    (filter.toMs === undefined || last_failed < filter.toMs)
  )
}

/**
 * The letter for something that failed once more: its bytes, its source and the time of its first failure stay. A failure of the whole
 * input is that sample's where the letter was about one sample.
 */
export function failedAgain(letter: DeadLetter, { reason, detail, sample }: Rejection, nowMs: number, version: string): DeadLetter {
  return {
    ...letter,
    sample: sample ?? letter.sample,
    reason,
    detail,
    processor_version: version,
    attempt: letter.attempt + 1,
    last_failed: nowMs,
  }
}

/**
 * Same text, same letter: a service that was killed may write one twice, for it writes before it commits. Where the source has no offsets (MQTT),
 * the same bytes on one topic in one millisecond are one message: what they would give is the same, too.
 */
export function identity({ source_topic, source_partition, source_offset, source_timestamp, value, sample, attempt }: DeadLetter): string {
  const place =
    source_offset < 0
      ? createHash('sha1')
          .update(value ?? '')
          .digest('base64')
      : `${source_partition}/${source_offset}`
  return `${source_topic} ${place} ${source_timestamp} ${sample ?? ''} ${attempt}`
}

/** Only what is about the letter's own sample: the others had their outcome when the record was first processed. */
export function ownRejections({ sample }: DeadLetter, rejections: readonly Rejection[]): readonly Rejection[] {
  if (sample === null) return rejections
  const own = rejections.find((each) => each.sample === sample || each.sample === null)
  return own === undefined ? [] : [own]
}
