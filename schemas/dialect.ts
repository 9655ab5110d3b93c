import type { Conversion } from './conversion.ts'
import type { Path, Template } from './dialect-path.ts'
import type { TimePattern } from './time-pattern.ts'
import type { TopicPattern } from './topic-pattern.ts'

/** A dialect: how the messages of a firmware or gateway become samples in standard quantities. */
export interface Dialect {
  /** As messages name it: a path. */
  readonly file: string
  readonly name: string
  readonly version: number
  readonly payload: PayloadCodec
  readonly topics: readonly TopicPattern[]
  readonly key: TextRule | undefined
  /** Any of these lists of conditions, all of which hold, makes a message no telemetry. */
  readonly ignore: readonly (readonly Condition[])[]
  readonly device: TextRule
  readonly channel: TextRule | undefined
  readonly time: readonly TimeRule[] | undefined
  readonly samples: readonly SampleRule[]
  readonly otherwise: 'reject' | 'ignore'
  readonly unknownDevices: 'reject' | 'ignore'
  readonly status: StatusRule | undefined
}

export const payloadCodecs = ['json', 'text', 'cbor', 'senml', 'sparkplug-b', 'line-protocol'] as const
export type PayloadCodec = (typeof payloadCodecs)[number]

/** Where a value comes from: the first of the paths that has one, or the topic. */
export type Origin = { readonly kind: 'paths'; readonly paths: readonly Path[] } | { readonly kind: 'text'; readonly template: Template }

/**
 * A text that is made of a value: device, channel, name, key. The first that can be made counts.
 */
export type TextRule = readonly {
  readonly origin: Origin
  readonly change: TextChange
}[]

/** In this order. */
export interface TextChange {
  readonly split: { readonly by: string; readonly part: number } | undefined
  /** The first of these that it begins with, or ends in, is cut off. */
  readonly removePrefix: readonly string[]
  readonly removeSuffix: readonly string[]
  readonly replace: readonly (readonly [from: string, to: string])[]
}

export type Scalar = string | number | boolean

export const conditionTypes = ['object', 'array', 'number', 'text', 'boolean', 'null'] as const

export interface Condition {
  readonly origin: Origin
  readonly bytes: BytesRule | undefined
  readonly equals: Scalar | undefined
  readonly in: readonly Scalar[] | undefined
  readonly exists: boolean | undefined
  /** Patterns in which `*` stands for anything. */
  readonly matches: readonly string[] | undefined
  readonly type: readonly (typeof conditionTypes)[number][] | undefined
  readonly not: boolean
}

export const timeFormats = ['iso8601', 'unix-s', 'unix-ms', 'unix-us', 'unix-ns'] as const
export type NamedTimeFormat = (typeof timeFormats)[number]
/** One that has a name, or a pattern. */
export type TimeFormat = NamedTimeFormat | TimePattern

export type TimeRule =
  | { readonly kind: 'receipt'; readonly floorMicros: number }
  | {
      readonly kind: 'value'
      readonly origin: Origin
      readonly formats: readonly TimeFormat[]
      /** IANA name, for local time without an offset. */
      readonly zone: string | undefined
      /** Microseconds since 1970: a time before it is none, since the clock is not set. */
      readonly earliestMicros: number
    }

export interface SampleRule {
  /** The records: all that these lead to. */
  readonly each: readonly Path[]
  readonly when: readonly Condition[]
  readonly device: TextRule | undefined
  readonly channel: TextRule | undefined
  readonly time: readonly TimeRule[] | undefined
  readonly name: TextRule | undefined
  readonly value: readonly Path[]
  /** Every standard quantity by its own name, or these. */
  readonly quantities: 'standard' | readonly QuantityRule[]
}

export interface QuantityRule {
  readonly quantity: string
  /** By which it is found in `quantities` of schemas/generated/readings.ts. */
  readonly index: number
  readonly paths: readonly Path[]
  /** In place of paths: patterns of the record's name. */
  readonly named: readonly string[]
  readonly when: readonly Condition[]
  readonly change: TextChange
  readonly bytes: BytesRule | undefined
  readonly missing: readonly Scalar[]
  readonly map: ReadonlyMap<string, number> | undefined
  readonly unit: UnitRule
}

/** How a value becomes one in the standard unit of its quantity. */
export type UnitRule =
  | { readonly kind: 'fixed'; readonly conversion: Conversion }
  | {
      readonly kind: 'told'
      readonly origin: Origin
      /** What the message calls a unit → UCUM code. */
      readonly map: ReadonlyMap<string, string>
      /** UCUM code if the map has not what the message says; `same` if that is a code itself. */
      readonly otherwise: string | undefined
    }

export const byteTypes = [
  ...['uint8', 'int8'],
  ...['uint16', 'int16', 'uint24', 'int24', 'uint32', 'int32', 'uint64', 'int64', 'float32', 'float64'].flatMap((type) => [
    type,
    `${type}le`,
  ]),
] as const

/** A number in bytes that are written as text. */
export interface BytesRule {
  readonly encoding: 'hex' | 'base64'
  /**
   * The place is counted from the end of the first of these bytes; undefined: from the beginning.
   */
  readonly after: Buffer | undefined
  /** Negative: from the end. */
  readonly at: number
  readonly kind: 'uint' | 'int' | 'float'
  readonly size: number
  readonly littleEndian: boolean
  readonly shift: number
  readonly mask: bigint | undefined
}

export interface StatusRule {
  readonly topic: TopicPattern
  readonly payload: PayloadCodec
  readonly device: TextRule
  readonly origin: Origin
  readonly map: ReadonlyMap<string, 'ready' | 'sleeping' | 'lost'>
}

/**
 * A file that is no dialect. Each line of the message names the file, the place and what was
 * expected.
 */
export class DialectError extends Error {
  readonly code = 'DIALECT'
  readonly transient = false
}
