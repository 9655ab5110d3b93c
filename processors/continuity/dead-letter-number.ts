import { MalformedError } from '../../schemas/frame-reader.ts'
import { isSingleObject, SINGLE_OBJECT_BYTES, singleObjectFingerprint } from '../../schemas/single-object.ts'
import { hasWireHeader, schemaIdOf, WIRE_BYTES } from '../../schemas/wire-format.ts'
import type { FirmwareLookup } from '../contract.ts'
import type { DeadLetter } from '../dead-letter.ts'
import { FrameHead, ReadingsHead } from './heads.ts'

/** What a dead letter says about its frame. */
export type DeadLetterNumber =
  /** `whole`: its bytes are what their schema says, as far as its processor looked. */
  | { readonly tag: 'numbered'; readonly boot: number; readonly seq: number; readonly dropped: number; readonly whole: boolean }
  | { readonly tag: 'unnumbered' }
  | { readonly tag: 'unreadable' }

/** Finds firmwares by what frames carry. */
export interface FrameSchemas {
  /** By the fingerprint that the record carried; by the ID if it carried none. */
  firmware(schemaId: number, fingerprint?: Buffer): FirmwareLookup
  /** Fingerprint as hexadecimal. */
  firmwareOf(fingerprint: string): FirmwareLookup
}

const JSON_FIRMWARE = 'generic-json'
/** The bytes are not a datum of their schema: a number that is read from them may be anything. */
const NOT_WHOLE: ReadonlySet<string> = new Set(['malformed-frame', 'undecodable'])

const frame = new FrameHead()
const readings = new ReadingsHead()

/**
 * The number of the frame in a dead letter: a frame as the device published it, which came from no
 * partition, or as Kafka has it.
 * @param fingerprint of the dead letter's header, if it has one
 */
export function frameNumber(
  { value, reason, source_partition: partition }: DeadLetter,
  schemas: FrameSchemas,
  fingerprint?: Buffer,
): DeadLetterNumber {
  if (value === null) return { tag: 'unreadable' }
  const published = partition < 0
  const start = published ? SINGLE_OBJECT_BYTES : WIRE_BYTES
  // A message of other firmware.
  if (published && !isSingleObject(value)) return { tag: 'unnumbered' }
  const found = published ? publishedWith(value, schemas) : writtenWith(value, schemas, fingerprint)
  // If only the attributes of a firmware are wrong, the fields of its frames can still be read.
  if (found.tag === 'unknown') return { tag: 'unreadable' }
  if (found.tag === 'known' && found.firmware.id === JSON_FIRMWARE) return { tag: 'unnumbered' }
  return numberOr(() => {
    frame.read(value, start)
    const { boot, seq, dropped } = frame
    return { tag: 'numbered', boot, seq, dropped, whole: !NOT_WHOLE.has(reason) }
  })
}

function publishedWith(value: Buffer, schemas: FrameSchemas): FirmwareLookup {
  return isSingleObject(value) ? schemas.firmwareOf(singleObjectFingerprint(value)) : { tag: 'unknown' }
}

function writtenWith(value: Buffer, schemas: FrameSchemas, fingerprint: Buffer | undefined): FirmwareLookup {
  return hasWireHeader(value) ? schemas.firmware(schemaIdOf(value), fingerprint) : { tag: 'unknown' }
}

/** The number of the frame whose readings are in a dead letter of the store. */
export function readingsNumber({ value, reason }: DeadLetter): DeadLetterNumber {
  if (value === null) return { tag: 'unreadable' }
  return numberOr(() => {
    readings.read(value)
    const { boot, seq, dropped, numbered } = readings
    return numbered ? { tag: 'numbered', boot, seq, dropped, whole: !NOT_WHOLE.has(reason) } : { tag: 'unnumbered' }
  })
}

function numberOr(read: () => DeadLetterNumber): DeadLetterNumber {
  try {
    return read()
  } catch (cause) {
    if (cause instanceof MalformedError) return { tag: 'unreadable' }
    throw cause
  }
}
