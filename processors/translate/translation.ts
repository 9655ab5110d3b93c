import type { Captures, TopicPattern } from '../../schemas/topic-pattern.ts'
import type { IgnoreReason, Reason } from './reasons.ts'

/** A message as it came over MQTT. */
export interface RawMessage {
  readonly topic: string
  readonly payload: Buffer
  /** Microseconds since 1970. */
  readonly receivedMicros: number
  /**
   * Whether it came out of the broker's store of retained messages: then the moment of receipt says
   * nothing about when it was measured.
   */
  readonly retained: boolean
}

/** What one message says about one device, or channel of a device, at one time. */
export interface DialectSample {
  /** A device ID, or what would be one: whoever looks it up decides. */
  readonly device: string
  /** One of several of a kind on the device; null for the device itself. */
  readonly channel: string | null
  /**
   * Whether the device is named by the topic alone, and the dialect gives no key of its own: then
   * the broker's access list has decided who may speak for it.
   */
  readonly fromTopic: boolean
  /** Microseconds since 1970, an integer below 2^52. */
  readonly micros: number
  /** Whether the time was derived from the moment of receipt. */
  readonly estimated: boolean
  /** In standard units, by index of `quantities`; NaN if there is none. At least one is there. */
  readonly values: number[]
  /** Its number within the message, as dead letters name it. */
  readonly index: number
}

/** A part of a message that cannot be taken. */
export interface DialectRejection {
  readonly reason: Reason
  /** The field, the value there and what was expected. Empty if others of its kind say it. */
  readonly detail: string
  /** Indexes of samples; empty for the whole message. */
  readonly samples: readonly number[]
  /** Names of quantities; empty for whole samples. */
  readonly quantities: readonly string[]
}

/** All that comes of one message: at least one of the three. */
export interface Translation {
  readonly samples: readonly DialectSample[]
  readonly rejections: readonly DialectRejection[]
  /** Why it was left out on purpose, if nothing else came of it. */
  readonly ignored: IgnoreReason | null
}

/** State of a device, as a status message gives it. */
export interface DialectState {
  readonly device: string
  readonly state: 'ready' | 'sleeping' | 'lost'
}

/** The status messages of a dialect. */
export interface DialectStatus {
  readonly topic: TopicPattern
  /**
   * Undefined for an empty payload: somebody cleared what was retained.
   * @throws CodecError that says what was expected if it is no status that the dialect knows
   */
  read(payload: Buffer, captures: Captures): DialectState | undefined
}

/**
 * A dialect, compiled once. It translates one message after the other: it is not reentrant.
 */
export interface CompiledDialect {
  readonly name: string
  readonly version: number
  readonly unknownDevices: 'reject' | 'ignore'
  /** The site's own topics if the site gave some. */
  readonly topics: readonly TopicPattern[]
  /** Captures of the first of its topics that takes this one; undefined if none does. */
  match(topic: string): Captures | undefined
  /**
   * The identity that the topic gives to the message: key of the raw record, so that messages of
   * one identity keep their order.
   */
  key(topic: string, captures: Captures): string
  /**
   * Never throws on account of a message.
   * @param explain is told step by step what is found
   */
  translate(message: RawMessage, captures: Captures, explain?: (step: string) => void): Translation
  /** Undefined if the dialect has none. Ask it before `match`: a topic may be taken by both. */
  readonly status: DialectStatus | undefined
}
