/**
 * What a processor is, and the ports through which it is fed. A processor is pure and synchronous:
 * no I/O, no clock. So a failure inside `handle` is permanent (a dead letter), and a failure
 * outside it is transient (back off, keep the place).
 */
import type { AvroSchema } from '../schemas/avro-schema.ts'
import { isChannel } from '../schemas/channel.ts'
import type { Firmware } from '../schemas/firmware.ts'
import type { Captures } from '../schemas/topic-pattern.ts'
import type { LookupTables, RowsOf } from './lookup-table.ts'
import type { CompiledDialect } from './translate/translation.ts'

declare const brand: unique symbol
type Branded<Base, Name extends string> = Base & { readonly [brand]: Name }

/** Matches `[A-Za-z0-9][A-Za-z0-9_-]{0,63}`. */
export type DeviceId = Branded<string, 'DeviceId'>
/** Name of a Kafka topic. */
export type Topic = Branded<string, 'Topic'>
/** Name of a consumer group: the processor's folder. */
export type ConsumerName = Branded<string, 'ConsumerName'>

const DEVICE_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/

/** The text as a device ID, or undefined if it is none. */
export function parseDeviceId(text: string): DeviceId | undefined {
  return DEVICE_ID.test(text) ? (text as DeviceId) : undefined
}

/** The text as the name of a channel, or undefined if it is none. */
export function parseChannel(text: string): string | undefined {
  return isChannel(text) ? text : undefined
}

/** Whose a row of readings is: a device, or a channel of it, which is a sub-device. */
export interface SubDevice {
  readonly device: DeviceId
  /** Null for the device itself. */
  readonly channel: string | null
}

/** Takes apart the `device_id` of readings. Undefined if it is no device, and no channel of one. */
export function parseSubDevice(text: string): SubDevice | undefined {
  const slash = text.indexOf('/')
  if (slash < 0) {
    const own = parseDeviceId(text)
    return own === undefined ? undefined : { device: own, channel: null }
  }
  const device = parseDeviceId(text.slice(0, slash))
  const channel = parseChannel(text.slice(slash + 1))
  return device === undefined || channel === undefined ? undefined : { device, channel }
}

/** A header of a record. */
export interface RecordHeader {
  readonly name: string
  readonly value: Buffer | null
}

/**
 * In order; a name may come more than once. Records may share an object, which is then encoded
 * once: do not change it.
 */
export type RecordHeaders = readonly RecordHeader[]

/** A record as Kafka holds it. */
export interface KafkaRecord {
  readonly key: Buffer | null
  readonly value: Buffer | null
  /** Kafka's record timestamp: milliseconds since 1970, when the bridge received the frame. */
  readonly timestampMs: number
  readonly offset: bigint
  /**
   * Why its batch cannot be read: this record stands for all of the batch, and has neither key nor
   * value. Absent otherwise.
   */
  readonly unreadable?: string
  /** Decoded when it is read; undefined for a record without any. */
  readonly headers?: RecordHeaders | undefined
  /**
   * The part of the record that a redrive is about; the rest had its outcome before. Absent
   * otherwise.
   */
  readonly only?: RecordPart
}

/** A part of a record. */
export interface RecordPart {
  /** Indexes of samples, ascending; empty for all of the record. */
  readonly samples: readonly number[]
  /** Names of quantities; empty for whole samples. */
  readonly quantities: readonly string[]
}

/** A record to be sent. Records of one key keep their order. */
export interface OutgoingRecord {
  readonly topic: Topic
  readonly key: Buffer | null
  readonly value: Buffer
  /** Becomes Kafka's record timestamp. */
  readonly timestampMs: number
  readonly headers?: RecordHeaders | undefined
}

/** Why an input, or a part of it, cannot be processed. */
export interface Rejection {
  /** One of the processor's closed list. */
  readonly reason: string
  /** The value that was refused and what was expected. */
  readonly detail: string
  /** Indexes of the samples within the record, ascending; empty for the whole input. */
  readonly samples: readonly number[]
  /**
   * Quantities of these samples that are refused, if the others are not; absent or empty for whole
   * samples.
   */
  readonly quantities?: readonly string[]
  /**
   * Device that is refused, if the record is about others too. Then whoever sent the record does
   * not count as refused.
   */
  readonly about?: Buffer
}

/**
 * What becomes of one input. An input may have several outcomes: outputs, and rejections of parts.
 */
export type Outcome<To, Reason extends string = string> =
  | { readonly [Name in keyof To]: Emit<Name, To[Name]> }[keyof To]
  | Drop
  | Reject<Reason>

interface Emit<Name, Target> {
  readonly tag: 'emit'
  readonly to: Name
  readonly value: Target extends Output<infer Value> ? Value : never
  /** Key of the output; absent for the input's. */
  readonly key?: Buffer
}

export interface Drop {
  readonly tag: 'drop'
  readonly reason: string
}

interface Reject<Reason extends string> extends Rejection {
  readonly tag: 'reject'
  readonly reason: Reason
}

/**
 * Sends a value to one of the declared outputs. It is encoded before the next input is handled, so
 * the value may be reused.
 * @param key device that the output is about, if the record is about several: its records keep
 *   their order. The input's key if absent
 */
export function emit<Name extends string, const Value>(
  to: Name,
  value: Value,
  key?: Buffer,
): { tag: 'emit'; to: Name; value: Value; key?: Buffer } {
  return key === undefined ? { tag: 'emit', to, value } : { tag: 'emit', to, value, key }
}

/** Leaves the input out on purpose: counted under its reason. */
export function drop(reason: string): Drop {
  return { tag: 'drop', reason }
}

/**
 * Makes the input, or a part of it, a dead letter: one for each record and reason, with all that it
 * concerns.
 * @param about device that it concerns, if the record is about several
 */
export function reject<Reason extends string>(
  reason: Reason,
  detail: string,
  samples: readonly number[] = [],
  quantities: readonly string[] = [],
  about?: Buffer,
): Reject<Reason> {
  const tag = 'reject'
  return about === undefined ? { tag, reason, detail, samples, quantities } : { tag, reason, detail, samples, quantities, about }
}

/** A topic that a processor reads, and how its records become inputs. */
export interface Source<Item> {
  readonly topic: Topic
  /** What decoding looks up. Nothing if absent. */
  readonly needs?: readonly LookupName[]
  /**
   * Hands every input of a record to `each`, with the sample's index, and the reason to `drop` for
   * each that it leaves out on purpose. What is no input is left out without a count. Throws
   * MalformedError for what cannot be decoded.
   * @param drop absent if nobody counts
   */
  readonly decode: (
    record: KafkaRecord,
    lookups: Lookups,
    each: (item: Item, sample: number | null) => void,
    drop?: (reason: string) => void,
  ) => void
}

/** A source whose inputs hold only until `each` returns. */
export interface LendingSource<Item> extends Source<Item> {
  readonly lends: true
}

/** A source whose inputs may be kept. */
export interface GivingSource<Item> extends Source<Item> {
  readonly lends?: never
}

/** A topic that a processor may emit to. */
export interface Output<Value> {
  readonly topic: Topic
  /** The schema of its records, registered as `<topic>-value`. */
  readonly schema: AvroSchema<unknown>
  /**
   * An encoder into the registry's wire format. If a value is larger than its topic takes, an
   * encoder that can split it makes several records of it. What is still too large is a dead
   * letter.
   */
  readonly encoder: (schemaId: number, mostBytes: number) => (value: Value) => Buffer | readonly Buffer[]
}

/** What a closed list of reasons says about each. */
export interface ReasonDoc {
  readonly means: string
  readonly whatToDo: string
}

/** A device's assignment over a span of time. */
export interface Assignment {
  /** Microseconds since 1970, inclusive; -Infinity if unbounded. */
  readonly fromMicros: number
  /** Exclusive; Infinity if it still holds. */
  readonly toMicros: number
  readonly accountId: number
  readonly siteId: number | null
}

/** A firmware by the schema ID of its frames. */
export type FirmwareLookup =
  | { readonly tag: 'known'; readonly firmware: Firmware }
  | { readonly tag: 'unknown'; readonly detail?: string }
  | { readonly tag: 'invalid'; readonly detail: string }

/** A dialect that takes a topic, and what its pattern took of it. */
export interface FoundDialect {
  readonly dialect: CompiledDialect
  readonly captures: Captures
}

/**
 * What a processor may look up: prepared for a whole batch before its first input is handled, so
 * every answer is at hand.
 */
export interface Lookups {
  /** The fingerprint decides if there is one: an ID may be handed out twice. */
  firmware(schemaId: number, fingerprint?: Buffer): FirmwareLookup
  /**
   * In order of time, without overlaps; empty for a known device without one; undefined for an
   * unknown device.
   */
  assignments(device: DeviceId): readonly Assignment[] | undefined
  /**
   * Whether a rule of the app database lets a gateway speak for a device, known or not. The gateway
   * is the identity of its messages: the key of the record as text.
   */
  speaksFor(gateway: string, device: DeviceId): boolean
  /**
   * When a boot of a device without time of day began, in microseconds since 1970; NaN if it gets
   * no anchor because its device has too many.
   */
  anchor(device: DeviceId, boot: number): number
  /** The dialect that takes an MQTT topic; undefined if none does. */
  dialect(topic: string): FoundDialect | undefined
  /** Schema that a record was written with; undefined if the registry does not know the ID. */
  schema(schemaId: number, fingerprint?: Buffer): unknown
  /** How old samples may be when they are received; OLDEST_DAYS if it is not given. */
  readonly oldestDays?: number
}

/** Names of lookups that need preparing. */
export type LookupName = Exclude<keyof Lookups, 'oldestDays'>

/**
 * What a processor may look up, with the tables that it declares: their rows as they were when the
 * batch was prepared.
 */
export type LookupsWith<Tables extends LookupTables> = Lookups & { readonly table: RowsOf<Tables> }

/** No table is declared. */
export type NoTables = Readonly<Record<never, never>>

type Outputs = { readonly [name: string]: Output<never> }
type Reasons = Readonly<Record<string, ReasonDoc>>

/**
 * A processor: its folder's name is its consumer group, its metric label and the prefix of its
 * dead-letter topic.
 */
export interface Processor<Item, To extends Outputs> {
  readonly from: Source<Item>
  /** All its outputs. */
  readonly to: To
  /** Its own look-ups and those of its source. */
  readonly needs: readonly LookupName[]
  /** Tables of the app database that `handle` looks up. None if absent. */
  readonly tables?: LookupTables
  /** Closed list: an outcome with another reason is a defect. */
  readonly reasons: Reasons
  /**
   * Port of its metrics on a machine that runs several services, if the configuration names none.
   */
  readonly metricsPort?: number
  /** Takes look-ups that have its tables, if it declares any. */
  readonly handle: (item: Item, lookups: Lookups) => Outcome<To> | readonly Outcome<To>[]
}

/** What a processor declares. */
export interface ProcessorDeclaration<Item, To extends Outputs, Own extends Reasons, Tables extends LookupTables = NoTables> {
  readonly from: Source<Item>
  /** All outputs. `handle` may not emit to another. */
  readonly to: To
  /** What `handle` looks up. Nothing if absent. */
  readonly needs?: readonly LookupName[]
  /** Tables of the app database that `handle` looks up, by the names that it has for them. */
  readonly tables?: Tables
  /** The reasons for which `handle` may reject. It may give no other. None if absent. */
  readonly reasons?: Own
  /**
   * Port of its metrics on a machine that runs several services, if the configuration names none.
   */
  readonly metricsPort?: number
  /**
   * Pure and synchronous. What it throws is a defect: the record becomes a dead letter, and nothing
   * of it is emitted. An empty list leaves the input out without a count.
   */
  readonly handle: (
    item: Item,
    lookups: LookupsWith<Tables>,
  ) => Outcome<To, keyof Own & string> | readonly Outcome<To, keyof Own & string>[]
}

/**
 * Declares a processor. The types tie its outcomes to its outputs and reasons, and the values to
 * the schemas of the outputs.
 */
export function defineProcessor<
  Item,
  const To extends Outputs,
  const Own extends Reasons = Record<never, ReasonDoc>,
  const Tables extends LookupTables = NoTables,
>(declaration: ProcessorDeclaration<Item, To, Own, Tables>): Processor<Item, To> {
  const { from, needs = [], reasons = {} } = declaration
  // Whoever runs it prepares the tables that it declares.
  const handle = declaration.handle as Processor<Item, To>['handle']
  return { ...declaration, handle, needs: withNeedsOf(from, needs), reasons }
}

/** Without repeats. */
export function withNeedsOf(from: Pick<Source<unknown>, 'needs'>, needs: readonly LookupName[]): readonly LookupName[] {
  return [...new Set([...(from.needs ?? []), ...needs])]
}
