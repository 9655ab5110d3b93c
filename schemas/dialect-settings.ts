import { z } from 'zod'
import { IDENTITY, scaling } from './conversion.ts'
import {
  type BytesRule,
  byteTypes,
  type Condition,
  conditionTypes,
  type Dialect,
  type Origin,
  payloadCodecs,
  type QuantityRule,
  type SampleRule,
  type Scalar,
  type TextChange,
  type TextRule,
  type TimeFormat,
  type TimeRule,
  timeFormats,
  type UnitRule,
} from './dialect.ts'
import { isPath, type Path, parsePath, parseTemplate, type Template } from './dialect-path.ts'
import { choose, count, decimal, keys, mapOf, nonEmpty, path, paths, scalar, several, template, text, ucum } from './dialect-values.ts'
import { quantities } from './generated/readings.ts'
import { isObject } from './json.ts'
import { parseTimePattern } from './time-pattern.ts'
import { parseTopicPattern } from './topic-pattern.ts'
import { conversionOf, explainNoConversion } from './units.ts'

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

/** Whether it is the name of a time zone. */
export function isZone(name: string): boolean {
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

/** A dialect as its file gives it, without the file's name. */
export const dialectSettings = keys({
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
