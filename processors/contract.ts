/**
 * What a processor is, and the ports through which it is fed. A processor is pure and synchronous: no I/O, no clock. So a
 * failure inside `handle` is permanent (a dead letter), and a failure outside it is transient (back off, keep the place).
 */

declare const brand: unique symbol
type Branded<Base, Name extends string> = Base & { readonly [brand]: Name }

/** Matches `[A-Za-z0-9][A-Za-z0-9_-]{0,63}`. */
export type DeviceId = Branded<string, 'DeviceId'>
/** Name of a Kafka topic. */
export type Topic = Branded<string, 'Topic'>
/** Name of a consumer group: the processor's folder. */
export type ConsumerName = Branded<string, 'ConsumerName'>

const DEVICE_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/

/** The text as a device ID, or undefined where it is none. */
export function parseDeviceId(text: string): DeviceId | undefined {
  return DEVICE_ID.test(text) ? (text as DeviceId) : undefined
}

/** A record as Kafka holds it. */
export interface KafkaRecord {
  readonly key: Buffer | null
  readonly value: Buffer | null
  /** Kafka's record timestamp: milliseconds since 1970, when the bridge received the frame. */
  readonly timestampMs: number
  readonly offset: bigint
}

/** A record to be sent. Records of one key keep their order. */
export interface OutgoingRecord {
  readonly topic: Topic
  readonly key: Buffer | null
  readonly value: Buffer
  /** Becomes Kafka's record timestamp. */
  readonly timestampMs: number
}

/** Why a record, or one sample of it, cannot be processed. */
export interface Rejection {
  /** One of the processor's closed list. */
  readonly reason: string
  /** The value that was refused and what was expected. */
  readonly detail: string
  /** Index of the sample within the frame; null for the whole record. */
  readonly sample: number | null
}

/** What becomes of one input. */
export type Outcome<To> =
  | {
      readonly tag: 'emit'
      readonly outputs: { readonly [Output in keyof To]?: readonly Emitted[] }
      readonly rejections?: readonly Rejection[]
    }
  | { readonly tag: 'drop'; readonly reason: string }
  | { readonly tag: 'reject'; readonly rejection: Rejection }

/** An encoded output: its key decides the partition. */
export interface Emitted {
  readonly key: Buffer
  readonly value: Buffer
}
