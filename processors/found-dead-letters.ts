import { createHash } from 'node:crypto'
import { isSingleObject, singleObjectFingerprint } from '../schemas/single-object.ts'
import type { RecordHeaders, Rejection, Topic } from './contract.ts'
import type { DeadLetter } from './dead-letter.ts'
import { narrowed } from './rejections.ts'

/** A dead letter and where it is. */
export interface FoundDeadLetter {
  readonly topic: Topic
  readonly partition: number
  readonly offset: bigint
  readonly deadLetter: DeadLetter
  /** Headers of the record that became the dead letter. */
  readonly headers?: RecordHeaders | undefined
}

/** Which dead letters are asked for. A field that is absent does not restrict. */
export interface DeadLetterFilter {
  readonly reason?: string
  readonly device?: string
  /** Last failure, milliseconds since 1970: from, inclusive, to, exclusive. */
  readonly fromMs?: number
  readonly toMs?: number
  /**
   * In the header of a frame as a device sent it: 8 bytes, the lowest first, as 16 hexadecimal
   * digits in small letters.
   */
  readonly fingerprint?: string
}

export function matches({ reason, key, value, last_failed }: DeadLetter, filter: DeadLetterFilter): boolean {
  return (
    (filter.reason === undefined || reason === filter.reason) &&
    (filter.device === undefined || key?.toString('utf8') === filter.device) &&
    (filter.fromMs === undefined || last_failed >= filter.fromMs) &&
    (filter.toMs === undefined || last_failed < filter.toMs) &&
    (filter.fingerprint === undefined || (value !== null && fingerprintIn(value) === filter.fingerprint))
  )
}

/** Of a frame as a device sent it; undefined if the bytes are none. */
export function fingerprintIn(value: Buffer): string | undefined {
  return isSingleObject(value) ? singleObjectFingerprint(value) : undefined
}

/**
 * The dead letter for something that failed once more, as `ownRejections` says: its bytes, its
 * source and the time of its first failure stay.
 */
export function failedAgain(
  deadLetter: DeadLetter,
  { reason, detail, samples, quantities = [] }: Rejection,
  nowMs: number,
  version: string,
): DeadLetter {
  return {
    ...deadLetter,
    samples,
    quantities,
    reason,
    detail,
    processor_version: version,
    attempt: deadLetter.attempt + 1,
    last_failed: nowMs,
  }
}

/**
 * A text that is the same for two dead letters if they are the same: a service or a redrive that
 * was killed may write one twice, for it writes before it commits.
 * MQTT has no offsets. So each dead letter of the bridge for a first failure is one by itself: two
 * messages of a device may have the same bytes and the same millisecond, and they give two rows if
 * they have no time. Dead letters of the bridge that a redrive wrote are the same if topic, time
 * and bytes are.
 */
export function identity({ topic, partition, offset, deadLetter }: FoundDeadLetter): string {
  if (deadLetter.source_offset < 0 && deadLetter.attempt === 1) return `${topic}/${partition}/${offset}`
  const { source_topic, source_partition, source_offset, source_timestamp, value, samples, quantities, reason, attempt } = deadLetter
  const place = source_offset < 0 ? digest(value ?? '') : `${source_partition}/${source_offset}`
  const others =
    deadLetter.records.length === 0 ? '' : digest(deadLetter.records.map(({ offset, timestamp }) => `${offset} ${timestamp}`).join())
  // Many samples are digested: a million of these texts are remembered.
  const which = samples.length > 8 ? digest(samples.join()) : samples.join()
  return `${source_topic} ${place} ${source_timestamp} ${which} ${quantities.join()} ${reason} ${attempt} ${others}`
}

/**
 * The rejections of the dead letter's own part of its record. The rest had its outcome when the
 * record was first processed.
 */
export function ownRejections(deadLetter: DeadLetter, rejections: readonly Rejection[]): readonly Rejection[] {
  return rejections.flatMap((rejection) => narrowed(rejection, deadLetter) ?? [])
}

function digest(text: Buffer | string): string {
  return createHash('sha1').update(text).digest('base64')
}
