import { MalformedError } from '../../schemas/frame-reader.ts'
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
/** Single-object encoding: C3 01, 8 bytes of fingerprint. */
const SINGLE_OBJECT_BYTES = 10
const WIRE_BYTES = 5

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
  if (value.length < start) return { tag: 'unreadable' }
  if (published && (value[0] === 0x7b || value[0] === 0x5b)) return { tag: 'unnumbered' }
  if (published ? value[0] !== 0xc3 || value[1] !== 1 : value[0] !== 0) return { tag: 'unreadable' }
  const found = published
    ? schemas.firmwareOf(value.toString('hex', 2, SINGLE_OBJECT_BYTES))
    : schemas.firmware(value.readUInt32BE(1), fingerprint)
  // If only the attributes of a firmware are wrong, the fields of its frames can still be read.
  if (found.tag === 'unknown') return { tag: 'unreadable' }
  if (found.tag === 'known' && found.firmware.id === JSON_FIRMWARE) return { tag: 'unnumbered' }
  return numberOr(() => {
    frame.read(value, start)
    const { boot, seq, dropped } = frame
    return { tag: 'numbered', boot, seq, dropped, whole: !NOT_WHOLE.has(reason) }
  })
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
