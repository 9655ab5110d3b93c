import { CHANNEL_EXPECTED, isChannel } from './channel.ts'
import { parseDecimal } from './decimal.ts'
import { canonicalForm, schemaFingerprint } from './fingerprint.ts'
import { isObject } from './json.ts'

/** How a metric's array is written: differences of ints or longs, or absolute doubles. */
export type MetricKind = 'int' | 'long' | 'double'

/** One metric of a firmware: which standard quantity it measures, and how to convert it. */
export interface Metric {
  readonly name: string
  /**
   * Name of the quantity in `quantities` (schemas/generated/readings.ts). Null for a field that
   * frames carry and nobody reads, as `"standard": null` says.
   */
  readonly standard: string | null
  /**
   * Channel of the device that it measures: its values are rows of `device/channel`. Null for the
   * device itself.
   */
  readonly channel: string | null
  readonly kind: MetricKind
  /** Decimal text, as the schema has it. */
  readonly scale: string
  readonly offset: string
  /**
   * value = (raw × numerator + addend) / denominator. Only the division rounds, and it rounds
   * correctly.
   */
  readonly numerator: number
  readonly addend: number
  readonly denominator: number
  /** The raw value that means no reading; NaN for doubles. */
  readonly missing: number
  /** Raw code → value, in place of the scale. */
  readonly map: ReadonlyMap<number, number> | undefined
}

/** A metric that measures a standard quantity. */
export type Measuring = Metric & { readonly standard: string }

export function isMeasuring(metric: Metric): metric is Measuring {
  return metric.standard !== null
}

/** A metric's quantity as dead letters and columns of files name it: `brood/temperature`. */
export function quantityOf({ standard, channel }: Pick<Measuring, 'standard' | 'channel'>): string {
  return channel === null ? standard : `${channel}/${standard}`
}

/**
 * Values of a frame's `clock`: the time of day, time since boot, and the time of day as the bridge
 * estimated it.
 */
export const clocks = { synced: 0, uptime: 1, estimated: 2 } as const

/** A firmware, as its Avro schema declares it (docs/firmware-schema.md). */
export interface Firmware {
  /** Model and version: the schema file's name, as in `hive-1`. */
  readonly id: string
  /** Avro full name, as in `millrace.firmware.hive.V1`. */
  readonly fullName: string
  readonly metrics: readonly Metric[]
  /**
   * What `base` and `dt` count, in microseconds: 1000, or 1 if the schema says `"time_unit": "us"`.
   */
  readonly tickMicros: 1 | 1000
  /** How `dt` is written. */
  readonly dtKind: 'int' | 'long'
  /**
   * How many of `clocks` its frames may have. It is 3 if the bridge may have given them their time.
   */
  readonly clockCount: 2 | 3
  /** CRC-64-AVRO of the canonical form, 8 bytes, little-endian: what a frame's header carries. */
  readonly fingerprint: Buffer
  readonly canonical: string
}

/** A schema that is not one of a firmware. The message names the field and what was expected. */
export class FirmwareSchemaError extends Error {
  readonly code = 'FIRMWARE_SCHEMA'
  readonly transient = false
}

const NAMESPACE = 'millrace.firmware.'
const CLOCK = '{"name":"NAMESPACE.Clock","type":"enum","symbols":["SYNCED","UPTIME"]}'
const CLOCK_WITH_ESTIMATE = '{"name":"NAMESPACE.Clock","type":"enum","symbols":["SYNCED","UPTIME","ESTIMATED"]}'
const INTS = '{"type":"array","items":"int"}'
const LONGS = '{"type":"array","items":"long"}'
/**
 * The fields before the metrics, and the types that each may have. Only the bridge writes the
 * second types.
 */
const HEAD: readonly (readonly [name: string, type: string, other?: string])[] = [
  ['boot', '"int"'],
  ['seq', '"int"'],
  ['clock', CLOCK, CLOCK_WITH_ESTIMATE],
  ['base', '"long"'],
  ['dropped', '"int"'],
  ['dt', INTS, LONGS],
]

/**
 * Reads a firmware's schema.
 * @param schema the parsed JSON of an .avsc file
 * @param quantities names of the standard quantities that this build knows
 * @throws FirmwareSchemaError
 */
export function parseFirmware(schema: unknown, quantities: ReadonlySet<string>): Firmware {
  if (!isObject(schema)) throw new FirmwareSchemaError('a firmware schema must be a record')
  const { name, namespace } = schema
  if (typeof name !== 'string' || !/^V\w+$/.test(name)) {
    throw new FirmwareSchemaError(`name must be V<version>, not ${JSON.stringify(name)}`)
  }
  if (typeof namespace !== 'string' || !namespace.startsWith(NAMESPACE)) {
    throw new FirmwareSchemaError(`namespace must be ${NAMESPACE}<model>, not ${JSON.stringify(namespace)}`)
  }
  const canonical = canonicalForm(schema)
  const shape = (JSON.parse(canonical) as { fields: { name: string; type: unknown }[] }).fields
  const found = HEAD.map((_, index) => JSON.stringify(shape[index]?.type)?.replaceAll(namespace, 'NAMESPACE'))
  HEAD.forEach(([field, ...types], index) => {
    if (shape[index]?.name === field && types.includes(found[index] ?? '')) return
    const expected = types.map((type) => type?.replace('NAMESPACE', namespace)).join(' or ')
    throw new FirmwareSchemaError(`field ${index} must be "${field}" of type ${expected}, not ${JSON.stringify(shape[index])}`)
  })
  const { time_unit: timeUnit = 'ms' } = schema
  if (timeUnit !== 'ms' && timeUnit !== 'us')
    throw new FirmwareSchemaError(`"time_unit" must be "ms" or "us", not ${JSON.stringify(timeUnit)}`)
  const fields: readonly unknown[] = Array.isArray(schema.fields) ? schema.fields : []
  const metrics = fields.slice(HEAD.length).map((field) => parseMetric(field, quantities))
  if (!metrics.some(isMeasuring)) throw new FirmwareSchemaError('a firmware needs at least one metric that measures a quantity')
  refuseRepeated(metrics.filter(isMeasuring))
  return {
    id: `${namespace.slice(NAMESPACE.length)}-${name.slice(1)}`,
    fullName: `${namespace}.${name}`,
    metrics,
    tickMicros: timeUnit === 'us' ? 1 : 1000,
    dtKind: found.includes(LONGS) ? 'long' : 'int',
    clockCount: found.includes(CLOCK_WITH_ESTIMATE) ? 3 : 2,
    fingerprint: schemaFingerprint(schema),
    canonical,
  }
}

/** One quantity of one device and time is one value of one row. */
function refuseRepeated(metrics: readonly Measuring[]): void {
  const measured = new Map<string, string>()
  for (const { name, standard, channel } of metrics) {
    const row = `${channel ?? ''}/${standard}`
    const before = measured.get(row)
    if (before !== undefined) {
      const where = channel === null ? 'without a "channel"' : `on channel ${channel}`
      throw new FirmwareSchemaError(`two metrics measure ${standard} ${where}, ${before} and ${name}: give them different channels`)
    }
    measured.set(row, name)
  }
}

function parseMetric(field: unknown, quantities: ReadonlySet<string>): Metric {
  if (!isObject(field)) throw new FirmwareSchemaError(`a metric must be an object, not ${JSON.stringify(field)}`)
  const { name, type, standard, channel = null, scale = '1', offset = '0', missing } = field
  const fail = (message: string): never => {
    throw new FirmwareSchemaError(`metric ${String(name)}: ${message}`)
  }
  if (typeof name !== 'string') return fail('needs a "name"')
  const kind = isObject(type) && type.type === 'array' ? type.items : undefined
  if (kind !== 'int' && kind !== 'long' && kind !== 'double') {
    return fail(`type must be an array of int, long or double, not ${JSON.stringify(type)}`)
  }
  // A field without "standard" is more likely a mistake than one that is left out on purpose.
  if (standard !== null && (typeof standard !== 'string' || !quantities.has(standard))) {
    return fail(
      `"standard" must be a quantity of readings.avsc or of the configuration's \`quantities\`, or null for a field that is left out, not ${JSON.stringify(standard)}`,
    )
  }
  if (standard === null && channel !== null) return fail('with "standard": null it must have no "channel"')
  if (channel !== null && !(typeof channel === 'string' && isChannel(channel))) {
    return fail(`"channel" must be ${CHANNEL_EXPECTED}, not ${JSON.stringify(channel)}`)
  }
  if (typeof scale !== 'string' || typeof offset !== 'string') {
    return fail('"scale" and "offset" must be decimals in quotes, so that they stay exact')
  }
  const none = kind === 'double' && missing === 'NaN' ? Number.NaN : missing
  if (typeof none !== 'number' || (kind !== 'double' && !Number.isSafeInteger(none))) {
    return fail(`"missing" must be an integer ("NaN" for doubles), not ${JSON.stringify(missing)}`)
  }
  const conversion = exactConversion(kind, scale, offset, fail)
  return { name, standard, channel, kind, scale, offset, ...conversion, missing: none, map: parseMap(field.map, fail) }
}

type Fail = (message: string) => never

function exactConversion(
  kind: MetricKind,
  scale: string,
  offset: string,
  fail: Fail,
): Pick<Metric, 'numerator' | 'addend' | 'denominator'> {
  const factor = parseDecimal(scale)
  const summand = parseDecimal(offset)
  if (factor.numerator === 0) return fail(`"scale" must not be ${scale}`)
  const denominator = Math.max(factor.denominator, summand.denominator)
  const numerator = factor.numerator * (denominator / factor.denominator)
  const addend = summand.numerator * (denominator / summand.denominator)
  const largest = kind === 'int' ? 2 ** 31 * Math.abs(numerator) + Math.abs(addend) : Math.abs(numerator) + Math.abs(addend)
  if (largest > Number.MAX_SAFE_INTEGER) return fail(`scale ${scale} and offset ${offset} cannot be applied exactly to an int`)
  return { numerator, addend, denominator }
}

function parseMap(map: unknown, fail: Fail): ReadonlyMap<number, number> | undefined {
  if (map === undefined) return undefined
  if (!isObject(map)) return fail(`"map" must be an object, not ${JSON.stringify(map)}`)
  return new Map(
    Object.entries(map).map(([code, value]) => {
      if (!/^-?\d+$/.test(code) || typeof value !== 'number') {
        return fail(`"map" must give a number for an integer code, not ${JSON.stringify({ [code]: value })}`)
      }
      return [Number(code), value] as const
    }),
  )
}
