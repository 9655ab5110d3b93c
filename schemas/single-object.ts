/**
 * Avro's single-object encoding (Avro 1.12 specification). Devices publish in it: C3 01, the
 * fingerprint of the schema in 8 bytes, little-endian, then the datum.
 */
const FIRST = 0xc3
const SECOND = 1
const FINGERPRINT_FROM = 2

/** Bytes before the datum. */
export const SINGLE_OBJECT_BYTES = 10

/** Whether a value begins like a single object. */
export function isSingleObject(value: Buffer): boolean {
  return value[0] === FIRST && value[1] === SECOND && value.length >= SINGLE_OBJECT_BYTES
}

/** The fingerprint of a single object's schema, as hexadecimal. */
export function singleObjectFingerprint(value: Buffer): string {
  return value.toString('hex', FINGERPRINT_FROM, SINGLE_OBJECT_BYTES)
}
