import { depthOf } from '../../processors/bridge/json-text.ts'
import { repeatedNames } from '../../processors/bridge/repeated-names.ts'
import { avroType } from '../../schemas/avro-type.ts'
import type { Raw } from '../../schemas/generated/raw.ts'
import { isSingleObject, SINGLE_OBJECT_BYTES, singleObjectFingerprint } from '../../schemas/single-object.ts'
import { hasWireHeader, schemaIdOf, WIRE_BYTES } from '../../schemas/wire-format.ts'

/** A schema of the registry. */
export interface KnownSchema {
  readonly subject: string
  readonly json: unknown
}

/**
 * The registry's schemas, by their ID and by their fingerprint (8 bytes, little-endian, as
 * hexadecimal).
 */
export interface KnownSchemas {
  byId(id: number): KnownSchema | undefined
  byFingerprint(hex: string): KnownSchema | undefined
}

const BYTES_PER_LINE = 16
const MOST_DUMPED = 4096
/** JSON that is nested deeper is shown as bytes. */
const MOST_DEPTH = 100
/** Full name of schemas/raw.avsc. */
const RAW = 'millrace.Raw'
const MICROS_PER_MILLI = 1000

/**
 * Lines that show bytes as far as they can be decoded: Avro by its schema, JSON as it is,
 * everything else as a hex dump.
 */
export function originalOf(bytes: Buffer | null, schemas: KnownSchemas): readonly string[] {
  if (bytes === null) return ['original: no bytes']
  const size = `${bytes.length} bytes`
  if (isSingleObject(bytes)) {
    const fingerprint = singleObjectFingerprint(bytes)
    return datum(bytes, SINGLE_OBJECT_BYTES, schemas.byFingerprint(fingerprint), `${size}, a frame with fingerprint ${fingerprint}`)
  }
  if (hasWireHeader(bytes)) {
    const id = schemaIdOf(bytes)
    return datum(bytes, WIRE_BYTES, schemas.byId(id), `${size}, Avro with schema ${id}`)
  }
  const json = jsonLines(bytes)
  if (json !== undefined) return [`original: ${size} of JSON`, ...json]
  return [`original: ${size}, neither a frame nor JSON`, ...hexDump(bytes)]
}

function datum(bytes: Buffer, start: number, schema: KnownSchema | undefined, what: string): readonly string[] {
  if (schema === undefined) return [`original: ${what}, which the registry does not know`, ...hexDump(bytes)]
  try {
    const type = avroType(schema.json)
    // It refuses trailing bytes.
    const decoded: unknown = type.fromBuffer(bytes.subarray(start))
    const head = `original: ${what}, ${schema.subject}`
    if (type.name === RAW) return [head, ...rawLines(decoded as Raw)]
    return [head, ...JSON.stringify(decoded, shortened, 2).split('\n')]
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    return [`original: ${what}, ${schema.subject}, which it is not: ${why}`, ...hexDump(bytes)]
  }
}

/** A message of MQTT, with its payload as far as it is text. */
function rawLines({ topic, payload, received, retained }: Raw): readonly string[] {
  const [first = '', ...lines] = payloadLines(payload)
  return [
    `topic: ${topic}`,
    `received: ${new Date(received / MICROS_PER_MILLI).toISOString()}${retained ? ', the broker had retained it' : ''}`,
    `payload: ${first}`,
    ...lines,
  ]
}

/** What it is, and its lines. */
function payloadLines(bytes: Buffer): readonly string[] {
  const size = `${bytes.length} bytes`
  const json = jsonLines(bytes)
  if (json !== undefined) return [`${size} of JSON`, ...json]
  return [`${size}, no JSON`, ...hexDump(bytes)]
}

/** Columns of numbers on one line. */
function shortened(_key: string, value: unknown): unknown {
  return Array.isArray(value) && value.every((each) => typeof each === 'number') ? value.join(' ') : value
}

/**
 * Undefined if it is no JSON, or nested too deep: reading JSON has no limit, but writing it again
 * has that of the stack.
 */
function jsonLines(bytes: Buffer): readonly string[] | undefined {
  const text = bytes.toString('utf8').replace(/^\ufeff/, '')
  if (depthOf(text) > MOST_DEPTH) return undefined
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null) return undefined
    // Written again, a name that is there twice would be there once.
    const repeats = repeatedNames(text, Array.isArray(value)).length > 0
    return (repeats ? text : JSON.stringify(value, null, 2)).split('\n')
  } catch (cause) {
    if (cause instanceof SyntaxError) return undefined
    throw cause
  }
}

/** Offset, sixteen bytes, and their text, a line each. */
export function hexDump(bytes: Buffer): readonly string[] {
  const lines: string[] = []
  for (let at = 0; at < Math.min(bytes.length, MOST_DUMPED); at += BYTES_PER_LINE) {
    const line = bytes.subarray(at, at + BYTES_PER_LINE)
    const hex = [...line].map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
    const text = [...line].map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('')
    lines.push(`${at.toString(16).padStart(6, '0')}  ${hex.padEnd(BYTES_PER_LINE * 3 - 1)}  ${text}`)
  }
  return bytes.length > MOST_DUMPED ? [...lines, `… ${bytes.length - MOST_DUMPED} bytes more`] : lines
}
