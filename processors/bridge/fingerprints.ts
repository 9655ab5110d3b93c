import type { RecordHeaders } from '../contract.ts'
import { fingerprintHeaders } from '../fingerprint-header.ts'
import { createFingerprintIndex, type FingerprintIndex } from '../fingerprint-index.ts'

/** A schema that frames are written with. */
export interface KnownSchema {
  readonly id: number
  /** For the records of its frames: the same object for all of them. */
  readonly headers: RecordHeaders
}

/** Schemas by the fingerprint of a frame's header. */
export type Fingerprints = FingerprintIndex<KnownSchema>

/** @param ids schema ID by fingerprint: 8 bytes, little-endian, as hexadecimal */
export function createFingerprints(ids: ReadonlyMap<string, number>): Fingerprints {
  return createFingerprintIndex(
    new Map([...ids].map(([hex, id]): [string, KnownSchema] => [hex, { id, headers: fingerprintHeaders(Buffer.from(hex, 'hex')) }])),
  )
}
