import { isMap, LineCounter, parseDocument } from 'yaml'
import { z } from 'zod'
import { type Conversion, IDENTITY, scaling } from './conversion.ts'
import { capturesOf, isPath, isSingular, type Path, parsePath, parseTemplate, type Template } from './dialect-path.ts'
import { quantities } from './generated/readings.ts'
import { parseTimePattern, type TimePattern } from './time-pattern.ts'
import { parseTopicPattern, type TopicPattern } from './topic-pattern.ts'
import { conversionOf, explainNoConversion, isUnit } from './units.ts'

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

/** A file that is longer is no dialect, but would take long to read. */
const MOST_CHARACTERS = 1_000_000
const MOST_SHOWN = 80

/**
 * Reads a dialect.
 * @param text YAML
 * @param file as messages name it
 * @throws DialectError
 */
export function parseDialect(text: string, file: string): Dialect {
  if (text.length > MOST_CHARACTERS) throw new DialectError(`${file}: expected at most ${MOST_CHARACTERS} characters, got ${text.length}`)
  const result = dialectFile.safeParse(parseYaml(text, file), { reportInput: true })
  if (!result.success) throw new DialectError(result.error.issues.map((issue) => `${file}: ${described(issue)}`).join('\n'))
  const dialect = { ...result.data, file }
  checkCaptures(dialect)
  return dialect
}

/**
 * What a site may change of a dialect: the topics are its own, and its devices have its time of
 * day.
 */
export interface Site {
  readonly topics?: readonly string[] | undefined
  readonly zone?: string | undefined
}

/**
 * The dialect as a site uses it.
 * @throws DialectError if a topic lacks what the dialect takes of topics, or the zone is none
 */
export function atSite(dialect: Dialect, site: Site): Dialect {
  const fail = (cause: unknown): never => {
    throw new DialectError(`${dialect.file}: of the site: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
  const { zone } = site
  if (zone !== undefined && !isZone(zone)) return fail(`zone: expected an IANA time zone, as in Europe/Vienna, got ${shown(zone)}`)
  const inZone = (rules: readonly TimeRule[] | undefined): readonly TimeRule[] | undefined =>
    zone === undefined ? rules : rules?.map((rule) => (rule.kind === 'value' ? { ...rule, zone } : rule))
  let topics = dialect.topics
  try {
    if (site.topics !== undefined) topics = site.topics.map(parseTopicPattern)
  } catch (cause) {
    return fail(cause)
  }
  if (topics.length === 0) return fail('topics: expected at least one')
  const samples = dialect.samples.map((rule) => ({ ...rule, time: inZone(rule.time) }))
  const changed = { ...dialect, topics, time: inZone(dialect.time), samples }
  checkCaptures(changed)
  return changed
}

function parseYaml(text: string, file: string): unknown {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const [error] = document.errors
  if (error !== undefined) {
    const { line, col } = lines.linePos(error.pos[0])
    throw new DialectError(`${file}: line ${line}, column ${col}: expected YAML: ${error.message}`)
  }
  if (!isMap(document.contents)) throw new DialectError(`${file}: expected keys such as dialect, topics and samples, got ${shown(text)}`)
  try {
    return document.toJS()
  } catch (cause) {
    // Aliases without end.
    if (!(cause instanceof ReferenceError)) throw cause
    throw new DialectError(`${file}: expected YAML: ${cause.message}`, { cause })
  }
}

function described(issue: z.core.$ZodIssue): string {
  const place = issue.path.reduce<string>((before, step) => {
    if (typeof step === 'number') return `${before}[${step}]`
    return before === '' ? String(step) : `${before}.${String(step)}`
  }, '')
  const got = issue.code === 'unrecognized_keys' || issue.message.includes(', got ') ? '' : `, got ${shown(issue.input)}`
  return `${place === '' ? '' : `${place}: `}${issue.message}${got}`
}

function shown(value: unknown): string {
  if (value === undefined) return 'nothing'
  const text = JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? String(each) : each)) ?? 'nothing'
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text
}

// What follows are the schemas of the file's parts, from small to large.

/** An object with these keys and no others. */
function keys<const Shape extends z.core.$ZodShape>(shape: Shape) {
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `expected only the keys ${Object.keys(shape).join(', ')}, got ${issue.keys.join(', ')}`
        : issue.code === 'invalid_type'
          ? `expected an object with ${Object.keys(shape).join(', ')}`
          : undefined,
  })
}

/** One of several kinds, told by how the value looks, so that an error is about what was meant. */
function choose<Out>(pick: (value: unknown) => z.ZodType<Out>): z.ZodType<Out> {
  return z.unknown().transform((value, context) => {
    const result = pick(value).safeParse(value, { reportInput: true })
    if (result.success) return result.data
    for (const issue of result.error.issues)
      context.issues.push({ code: 'custom', path: [...issue.path], message: issue.message, input: issue.input })
    return z.NEVER
  })
}

/** What `parse` makes of a text; what it throws says what was expected. */
function text<Out>(parse: (text: string) => Out, expected = 'expected text'): z.ZodType<Out> {
  return z.string({ error: expected }).transform((value, context) => {
    try {
      return parse(value)
    } catch (cause) {
      if (!(cause instanceof RangeError || cause instanceof Error)) throw cause
      context.issues.push({ code: 'custom', message: cause.message, input: value })
      return z.NEVER
    }
  })
}

/** One, or a list of them. */
function several<Out>(one: z.ZodType<Out>): z.ZodType<readonly Out[]> {
  const list = z.array(one).min(1, { error: 'expected at least one' })
  return choose((value) => (Array.isArray(value) ? list : one.transform((only): readonly Out[] => [only])))
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const scalar = z.union([z.string(), z.number(), z.boolean()], { error: 'expected text, a number, true or false' })
const path = text(parsePath, 'expected a path, as in $.temperature')
const paths = several(path)
const template = text(parseTemplate, 'expected text, as in "{device}"')
const nonEmpty = z.string({ error: 'expected text' }).min(1, { error: 'expected text of at least one character' })
const decimal = z
  .string({ error: 'expected a decimal in quotes, as in "0.01", so that it stays exact' })
  .regex(/^[+-]?\d{1,20}(?:\.\d{1,20})?(?:[eE][+-]?\d{1,2})?$/, { error: 'expected a decimal in quotes, as in "0.01"' })
const ucum = z
  .string({ error: 'expected a UCUM code, as in Cel or mV' })
  .refine(isUnit, { error: 'expected a UCUM code (case counts), as in Cel, mV, "[degF]" or "%"' })
const count = z.int({ error: 'expected an integer' }).min(0, { error: 'expected an integer from 0 on' })

/** Keys of any name, in their order. `z.record` would leave out `__proto__`. */
function mapOf<Out>(value: z.ZodType<Out>): z.ZodType<ReadonlyMap<string, Out>> {
  return z
    .custom<Record<string, unknown>>(isObject, { error: 'expected an object, as in { on: 1, off: 0 }' })
    .transform((given, context) => {
      const map = new Map<string, Out>()
      for (const [key, each] of Object.entries(given)) {
        const result = value.safeParse(each, { reportInput: true })
        if (result.success) map.set(key, result.data)
        else
          for (const issue of result.error.issues)
            context.issues.push({ code: 'custom', path: [key, ...issue.path], message: issue.message, input: issue.input })
      }
      return map
    })
}

const changeKeys = {
  split: keys({ by: nonEmpty, part: count }).optional(),
  remove_prefix: several(nonEmpty).optional(),
  remove_suffix: several(nonEmpty).optional(),
  replace: mapOf(z.string({ error: 'expected text' })).optional(),
}

function changeOf(given: {
  split?: { by: string; part: number } | undefined
  remove_prefix?: readonly string[] | undefined
  remove_suffix?: readonly string[] | undefined
  replace?: ReadonlyMap<string, string> | undefined
}): TextChange {
  return {
    split: given.split,
    removePrefix: given.remove_prefix ?? [],
    removeSuffix: given.remove_suffix ?? [],
    replace: [...(given.replace ?? [])].filter(([from]) => from !== ''),
  }
}

const NO_CHANGE = changeOf({})

function originOf(given: { path?: readonly Path[] | undefined; text?: Template | undefined }): Origin | undefined {
  if (given.path !== undefined && given.text === undefined) return { kind: 'paths', paths: given.path }
  return given.text !== undefined && given.path === undefined ? { kind: 'text', template: given.text } : undefined
}

const ONE_ORIGIN = 'expected either path or text'

const textObject: z.ZodType<TextRule[number]> = keys({ path: paths.optional(), text: template.optional(), ...changeKeys }).transform(
  (given, context) => {
    const origin = originOf(given)
    if (origin !== undefined) return { origin, change: changeOf(given) }
    context.issues.push({ code: 'custom', message: ONE_ORIGIN, input: given })
    return z.NEVER
  },
)
const textRule: z.ZodType<TextRule> = several(
  choose<TextRule[number]>((value) => {
    if (typeof value !== 'string') return textObject
    return isPath(value)
      ? path.transform((only) => ({ origin: { kind: 'paths', paths: [only] }, change: NO_CHANGE }))
      : template.transform((made) => ({ origin: { kind: 'text', template: made }, change: NO_CHANGE }))
  }),
)

const hexBytes = text((value) => {
  if (!/^(?:[0-9a-fA-F]{2})+$/.test(value)) throw new RangeError('expected bytes in hexadecimal, as in FF9904')
  return Buffer.from(value, 'hex')
}, 'expected bytes in hexadecimal and in quotes, as in "FF9904"')

const bytesRule: z.ZodType<BytesRule> = keys({
  encoding: z.enum(['hex', 'base64'], { error: 'expected hex or base64' }),
  after: hexBytes.optional(),
  at: z.int({ error: 'expected an integer' }).default(0),
  type: z.enum(byteTypes as unknown as readonly [string], { error: `expected one of ${byteTypes.join(', ')}` }),
  shift: count.max(63, { error: 'expected at most 63' }).default(0),
  mask: z.int({ error: 'expected an integer' }).min(1, { error: 'expected an integer from 1 on' }).optional(),
}).transform(({ type, mask, ...given }, context) => {
  const [, kind = '', bits = '', little] = /^(uint|int|float)(\d+)(le)?$/.exec(type) ?? []
  if (kind === 'float' && (mask !== undefined || given.shift > 0))
    context.issues.push({ code: 'custom', message: 'expected no shift and no mask of a float', input: type })
  return {
    encoding: given.encoding,
    after: given.after,
    at: given.at,
    shift: given.shift,
    mask: mask === undefined ? undefined : BigInt(mask),
    kind: kind as BytesRule['kind'],
    size: Number(bits) / 8,
    littleEndian: little !== undefined,
  }
})

const condition: z.ZodType<Condition> = keys({
  path: paths.optional(),
  text: template.optional(),
  bytes: bytesRule.optional(),
  equals: scalar.optional(),
  in: z.array(scalar, { error: 'expected a list' }).min(1, { error: 'expected at least one' }).optional(),
  exists: z.boolean({ error: 'expected true or false' }).optional(),
  matches: several(z.string({ error: 'expected text, in which * stands for anything' })).optional(),
  type: several(z.enum(conditionTypes, { error: `expected one of ${conditionTypes.join(', ')}` })).optional(),
  not: z.boolean({ error: 'expected true or false' }).default(false),
}).transform((given, context) => {
  const origin = originOf(given)
  const { bytes, equals, exists, matches, type, not } = given
  if (origin === undefined) context.issues.push({ code: 'custom', message: ONE_ORIGIN, input: given })
  if ([equals, given.in, exists, matches, type].every((test) => test === undefined))
    context.issues.push({ code: 'custom', message: 'expected one of equals, in, exists, matches and type', input: given })
  return origin === undefined ? z.NEVER : { origin, bytes, equals, in: given.in, exists, matches, type, not }
})
const conditions = several(condition)

const MICROS: Readonly<Record<string, number>> = { us: 1, ms: 1e3, s: 1e6, m: 6e7, min: 6e7, h: 3.6e9 }
const duration = text((value) => {
  const [, number, unit = ''] = /^(\d{1,9})(us|ms|s|m|min|h)$/.exec(value) ?? []
  const micros = Number(number) * (MICROS[unit] ?? 0)
  if (!(micros > 0 && micros <= 8.64e10)) throw new RangeError('expected a duration of at most a day, as in 1s, 500ms or 10min')
  return micros
}, 'expected a duration, as in 1s')

const date = text((value) => {
  const isDate = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2})?Z)?$/.test(value)
  const ms = isDate ? Date.parse(value) : Number.NaN
  if (Number.isNaN(ms)) throw new RangeError('expected a date, as in 2024-01-01')
  return ms * 1000
}, 'expected a date, as in 2024-01-01')

const zone = z
  .string({ error: 'expected an IANA time zone, as in Europe/Vienna' })
  .refine(isZone, { error: 'expected an IANA time zone, as in Europe/Vienna' })

function isZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }) !== undefined
  } catch (cause) {
    if (cause instanceof RangeError) return false
    throw cause
  }
}

const receiptRule: z.ZodType<TimeRule> = keys({
  receipt: z.literal(true, { error: 'expected true' }),
  floor: duration.optional(),
}).transform(({ floor }) => ({ kind: 'receipt', floorMicros: floor ?? 1 }))
const timeValueRule: z.ZodType<TimeRule> = keys({
  path: paths.optional(),
  text: template.optional(),
  format: several(
    choose<TimeFormat>((value) =>
      typeof value === 'string' && value.includes('%')
        ? text(parseTimePattern)
        : z.enum(timeFormats, { error: `expected one of ${timeFormats.join(', ')}, or a pattern as in "%d.%m.%Y %H:%M:%S"` }),
    ),
  ),
  zone: zone.optional(),
  earliest: date.optional(),
}).transform((given, context) => {
  const origin = originOf(given)
  if (origin === undefined) {
    context.issues.push({ code: 'custom', message: `${ONE_ORIGIN}, or receipt: true`, input: given })
    return z.NEVER
  }
  return { kind: 'value', origin, formats: given.format, zone: given.zone, earliestMicros: given.earliest ?? 0 }
})
const time = several(choose((value) => (typeof value === 'object' && value !== null && 'receipt' in value ? receiptRule : timeValueRule)))

/** A unit before the quantity is known that it converts to. */
type GivenUnit = { readonly kind: 'code'; readonly code: string } | (Extract<UnitRule, { kind: 'told' }> & { readonly kind: 'told' })

const unit: z.ZodType<GivenUnit> = choose((value) =>
  isObject(value)
    ? keys({
        path: paths.optional(),
        text: template.optional(),
        map: mapOf(ucum).optional(),
        otherwise: z.union([z.literal('same'), ucum], { error: 'expected same or a UCUM code' }).optional(),
      }).transform((given, context): GivenUnit => {
        const origin = originOf(given)
        if (origin === undefined) context.issues.push({ code: 'custom', message: ONE_ORIGIN, input: given })
        if (given.map === undefined && given.otherwise !== 'same')
          context.issues.push({ code: 'custom', message: 'expected a map, or otherwise: same if the message has UCUM codes', input: given })
        return origin === undefined ? z.NEVER : { kind: 'told', origin, map: given.map ?? new Map(), otherwise: given.otherwise }
      })
    : ucum.transform((code): GivenUnit => ({ kind: 'code', code })),
)

const quantityObject = keys({
  path: paths.optional(),
  named: several(nonEmpty).optional(),
  when: conditions.optional(),
  unit: unit.optional(),
  scale: decimal.optional(),
  offset: decimal.optional(),
  missing: several(scalar).optional(),
  map: mapOf(z.number({ error: 'expected a number' })).optional(),
  bytes: bytesRule.optional(),
  ...changeKeys,
}).transform((given, context) => {
  const fail = (message: string): void => {
    context.issues.push({ code: 'custom', message, input: given })
  }
  if ((given.path === undefined) === (given.named === undefined)) fail('expected either path or named')
  if (given.unit !== undefined && (given.scale ?? given.offset) !== undefined) fail('expected either unit or scale and offset')
  if (given.scale !== undefined && scaling(given.scale).numerator === 0n) fail('expected a scale other than 0')
  return given
})
type GivenQuantity = z.output<typeof quantityObject>

const oneQuantity: z.ZodType<GivenQuantity> = choose((value) =>
  typeof value === 'string' ? path.transform((only): GivenQuantity => ({ path: [only] })) : quantityObject,
)
const quantity: z.ZodType<readonly GivenQuantity[]> = several(oneQuantity)

const INDEXES = new Map<string, number>(quantities.map(({ name }, index) => [name, index]))
const STANDARD = quantities.map(({ name }) => name).join(', ')

const sampleRule: z.ZodType<SampleRule> = keys({
  each: paths.optional(),
  when: conditions.optional(),
  device: textRule.optional(),
  channel: textRule.optional(),
  time: time.optional(),
  name: textRule.optional(),
  value: paths.optional(),
  unit: unit.optional(),
  missing: several(scalar).optional(),
  quantities: choose<'standard' | ReadonlyMap<string, readonly GivenQuantity[]>>((value) =>
    typeof value === 'string'
      ? z.literal('standard', { error: 'expected standard, or an object with quantities as its keys' })
      : mapOf(quantity),
  ),
}).transform((given, context) => {
  const fail = (message: string, place: PropertyKey[] = [], input: unknown = given): void => {
    context.issues.push({ code: 'custom', message, path: place, input })
  }
  if ((given.name === undefined) !== (given.value === undefined)) fail('expected both name and value, or neither')
  const rules: QuantityRule[] = []
  if (given.quantities !== 'standard') {
    if (given.quantities.size === 0) fail('expected at least one quantity', ['quantities'])
    for (const [name, alternatives] of given.quantities) {
      const index = INDEXES.get(name)
      if (index === undefined) fail(`expected one of ${STANDARD}`, ['quantities', name], name)
      else
        for (const each of alternatives)
          rules.push(quantityRule(name, index, each, given, (message, place = []) => fail(message, ['quantities', name, ...place], each)))
    }
  } else if (given.name !== undefined || given.unit !== undefined)
    fail('expected no name, value and unit: these are of quantities that are given one by one', ['quantities'])
  return {
    each: given.each ?? [parsePath('$')],
    when: given.when ?? [],
    device: given.device,
    channel: given.channel,
    time: given.time,
    name: given.name,
    value: given.value ?? [],
    quantities: given.quantities === 'standard' ? 'standard' : rules,
  }
})

function quantityRule(
  name: string,
  index: number,
  given: GivenQuantity,
  rule: { readonly name?: unknown; readonly unit?: GivenUnit | undefined; readonly missing?: readonly Scalar[] | undefined },
  fail: (message: string, place?: PropertyKey[]) => void,
): QuantityRule {
  if (given.named !== undefined && rule.name === undefined) fail('expected the rule to have name and value', ['named'])
  const to = quantities[index]?.unit ?? ''
  const unitRule = (): UnitRule => {
    if (given.scale !== undefined || given.offset !== undefined)
      return { kind: 'fixed', conversion: scaling(given.scale ?? '1', given.offset ?? '0') }
    const from = given.unit ?? rule.unit
    if (from === undefined) return { kind: 'fixed', conversion: IDENTITY }
    const codes = from.kind === 'code' ? [from.code] : from.otherwise === undefined || from.otherwise === 'same' ? [] : [from.otherwise]
    for (const code of codes)
      if (conversionOf(code, to) === undefined) fail(`expected a unit of ${name}: ${explainNoConversion(code, to)}`, ['unit'])
    return from.kind === 'code' ? { kind: 'fixed', conversion: conversionOf(from.code, to) ?? IDENTITY } : from
  }
  return {
    quantity: name,
    index,
    paths: given.path ?? [],
    named: given.named ?? [],
    when: given.when ?? [],
    change: changeOf(given),
    bytes: given.bytes,
    missing: [...(rule.missing ?? []), ...(given.missing ?? [])],
    map: given.map,
    unit: unitRule(),
  }
}

const payload = z.enum(payloadCodecs, { error: `expected one of ${payloadCodecs.join(', ')}` })
const rejectOrIgnore = z.enum(['reject', 'ignore'], { error: 'expected reject or ignore' })
const topic = text(parseTopicPattern, 'expected an MQTT topic, as in devices/{device}/telemetry')

const dialectFile = keys({
  dialect: z
    .string({ error: 'expected the name of the dialect' })
    .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, { error: 'expected a name of small letters, digits and -' }),
  version: z.int({ error: 'expected an integer' }).min(1, { error: 'expected an integer from 1 on' }),
  payload: payload.default('json'),
  topics: several(topic),
  key: textRule.optional(),
  ignore: several(
    choose<readonly Condition[]>((value) => (Array.isArray(value) ? conditions : condition.transform((only) => [only]))),
  ).optional(),
  device: textRule.optional(),
  channel: textRule.optional(),
  time: time.optional(),
  samples: several(sampleRule),
  otherwise: rejectOrIgnore.default('reject'),
  unknown_devices: rejectOrIgnore.default('reject'),
  status: keys({
    topic,
    payload: payload.optional(),
    path: paths.optional(),
    text: template.optional(),
    device: textRule.optional(),
    map: mapOf(z.enum(['ready', 'sleeping', 'lost'], { error: 'expected ready, sleeping or lost' })),
  }).optional(),
}).transform((given): Omit<Dialect, 'file'> => {
  const byTopic: TextRule = [{ origin: { kind: 'text', template: parseTemplate('{device}') }, change: NO_CHANGE }]
  const device = given.device ?? byTopic
  return {
    name: given.dialect,
    version: given.version,
    payload: given.payload,
    topics: given.topics,
    key: given.key,
    ignore: given.ignore ?? [],
    device,
    channel: given.channel,
    time: given.time,
    samples: given.samples,
    otherwise: given.otherwise,
    unknownDevices: given.unknown_devices,
    status: given.status && {
      topic: given.status.topic,
      payload: given.status.payload ?? given.payload,
      device: given.status.device ?? (given.status.topic.names.includes('device') ? byTopic : device),
      origin: originOf(given.status) ?? { kind: 'paths', paths: [parsePath('$')] },
      map: given.status.map,
    },
  }
})

/**
 * Every capture that is used must be one of a topic or of the rule's records, and a path to one
 * value must lead to one place.
 * @throws DialectError
 */
function checkCaptures(dialect: Dialect): void {
  const ofTopics = new Set(dialect.topics.flatMap(({ names }) => names))
  const check = new CaptureCheck(dialect.file)
  check.text('key', dialect.key, ofTopics, '')
  for (const [index, list] of dialect.ignore.entries()) check.conditions(`ignore[${index}]`, list, ofTopics, '$')
  for (const [index, rule] of dialect.samples.entries()) {
    const place = `samples[${index}]`
    const bound = new Set(ofTopics)
    for (const path of rule.each) {
      if (path.from === '@') check.fail(`${place}.each`, `expected a path from the message ($), got ${path.text}`)
      for (const name of capturesOf(path)) bound.add(name)
    }
    check.conditions(`${place}.when`, rule.when, bound, '$@')
    check.text(rule.device === undefined ? 'device' : `${place}.device`, rule.device ?? dialect.device, bound, '$@')
    check.text(rule.channel === undefined ? 'channel' : `${place}.channel`, rule.channel ?? dialect.channel, bound, '$@')
    check.text(`${place}.name`, rule.name, bound, '$@')
    check.paths(`${place}.value`, rule.value, bound, '$@')
    for (const [at, each] of (rule.time ?? dialect.time ?? []).entries())
      if (each.kind === 'value') check.origin(rule.time === undefined ? `time[${at}]` : `${place}.time[${at}]`, each.origin, bound, '$@')
    if (rule.quantities === 'standard') continue
    for (const each of rule.quantities) {
      const where = `${place}.quantities.${each.quantity}`
      check.paths(`${where}.path`, each.paths, bound, '$@')
      check.conditions(`${where}.when`, each.when, bound, '$@')
      if (each.unit.kind === 'told') check.origin(`${where}.unit`, each.unit.origin, bound, '$@')
    }
  }
  if (dialect.status === undefined) return
  const ofStatus = new Set(dialect.status.topic.names)
  // Whoever may publish on the topic speaks for its device, and for no other.
  check.text('status.device', dialect.status.device, ofStatus, '')
  check.origin('status', dialect.status.origin, ofStatus, '$')
}

class CaptureCheck {
  private readonly file: string

  constructor(file: string) {
    this.file = file
  }

  fail(place: string, message: string): never {
    throw new DialectError(`${this.file}: ${place}: ${message}`)
  }

  text(place: string, rule: TextRule | undefined, bound: ReadonlySet<string>, from: string): void {
    for (const { origin } of rule ?? []) this.origin(place, origin, bound, from)
  }

  conditions(place: string, list: readonly Condition[], bound: ReadonlySet<string>, from: string): void {
    for (const [index, { origin }] of list.entries()) this.origin(`${place}[${index}]`, origin, bound, from)
  }

  origin(place: string, origin: Origin, bound: ReadonlySet<string>, from: string): void {
    if (origin.kind === 'paths') this.paths(place, origin.paths, bound, from)
    else
      for (const part of origin.template.parts) {
        if ('capture' in part) this.capture(place, part.capture, bound)
        else if ('path' in part) this.paths(place, [part.path], bound, from)
      }
  }

  paths(place: string, paths: readonly Path[], bound: ReadonlySet<string>, from: string): void {
    for (const path of paths) {
      if (!from.includes(path.from))
        this.fail(
          place,
          from === '' ? `expected text of the topic alone, got ${path.text}` : `expected a path from the message ($), got ${path.text}`,
        )
      for (const name of capturesOf(path)) this.capture(place, name, bound)
      if (!isSingular(path, bound))
        this.fail(place, `expected a path to one place, without * (records are what \`each\` is for), got ${path.text}`)
    }
  }

  private capture(place: string, name: string, bound: ReadonlySet<string>): void {
    if (bound.has(name)) return
    const known = [...bound].map((each) => `{${each}}`).join(', ')
    this.fail(place, `expected a capture of the topic or of each (${known === '' ? 'there is none' : known}), got {${name}}`)
  }
}
