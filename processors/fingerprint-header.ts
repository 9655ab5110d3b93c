import type { KafkaRecord, RecordHeaders } from './contract.ts'

/**
 * Header of a frame's record: the fingerprint of the schema that it was written with, 8 bytes,
 * little-endian, as it is in the frame that the device sent. The schema ID in the value is the
 * registry's. A restored registry may give that ID to another schema; the fingerprint tells which
 * it was.
 */
export const FINGERPRINT_HEADER = 'fp'
const FINGERPRINT_BYTES = 8

/** One object for all records of a firmware: it is encoded once. */
export function fingerprintHeaders(fingerprint: Buffer): RecordHeaders {
  return [{ name: FINGERPRINT_HEADER, value: fingerprint }]
}

/**
 * The fingerprint that the record came with; undefined if it came without one, as from a producer
 * that is not the bridge.
 */
export function fingerprintOf({ headers }: KafkaRecord): Buffer | undefined {
  if (headers === undefined) return undefined
  for (const { name, value } of headers) if (name === FINGERPRINT_HEADER && value?.length === FINGERPRINT_BYTES) return value
  return undefined
}
