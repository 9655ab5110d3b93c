import { MalformedError } from './frame-reader.ts'

/**
 * The registry's wire format: a zero byte, the schema ID in 4 bytes, big-endian, then the datum.
 */
const MAGIC = 0

/** Bytes before the datum. */
export const WIRE_BYTES = 5

declare const wire: unique symbol
/** A value with a header. */
export type WireValue = Buffer & { readonly [wire]: true }

/** Whether a value begins like the wire format. */
export function hasWireHeader(value: Buffer | null): value is WireValue {
  return value !== null && value.length >= WIRE_BYTES && value[0] === MAGIC
}

/**
 * The value, if it has a header.
 * @throws MalformedError
 */
export function requireWireHeader(value: Buffer | null): WireValue {
  if (hasWireHeader(value)) return value
  throw new MalformedError(`expected a schema ID after a zero byte, got ${describe(value)}`)
}

function describe(value: Buffer | null): string {
  if (value === null) return 'no value'
  return value.length < WIRE_BYTES ? `${value.length} bytes` : `byte ${value[0]}`
}

/** The schema ID in its header. */
export function schemaIdOf(value: WireValue): number {
  return value.readUInt32BE(1)
}

/** Writes a header, and returns where the datum begins. */
export function writeWireHeader(bytes: Buffer, at: number, schemaId: number): number {
  bytes[at] = MAGIC
  return bytes.writeUInt32BE(schemaId, at + 1)
}

/** A header by itself. */
export function wireHeader(schemaId: number): Buffer {
  const header = Buffer.alloc(WIRE_BYTES)
  writeWireHeader(header, 0, schemaId)
  return header
}
