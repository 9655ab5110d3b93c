import { WIRE_BYTES, writeWireHeader } from './wire-format.ts'

const LONG_BYTES = 10
/** Most bytes of a record beside its topic and payload. */
export const RAW_OVERHEAD_BYTES = WIRE_BYTES + 3 * LONG_BYTES + 1

/**
 * Writes records of schemas/raw.avsc in the registry's wire format, by hand: it runs for every
 * message that is no frame.
 * @param schemaId of the schema in the registry
 */
export class RawWriter {
  private readonly schemaId: number

  constructor(schemaId: number) {
    this.schemaId = schemaId
  }

  /** @param receivedMicros since 1970, an integer below 2^52 */
  write(topic: string, payload: Buffer, receivedMicros: number, retained: boolean): Buffer {
    const topicBytes = Buffer.byteLength(topic)
    const bytes = Buffer.allocUnsafe(RAW_OVERHEAD_BYTES + topicBytes + payload.length)
    let at = writeWireHeader(bytes, 0, this.schemaId)
    at = writeLong(bytes, at, topicBytes)
    at += bytes.write(topic, at, topicBytes === topic.length ? 'latin1' : 'utf8')
    at = writeLong(bytes, at, payload.length)
    at += payload.copy(bytes, at)
    at = writeLong(bytes, at, receivedMicros)
    bytes[at++] = retained ? 1 : 0
    return bytes.subarray(0, at)
  }
}

/** Avro's long of a number that is not negative: zigzag, then 7 bits a byte. */
function writeLong(bytes: Buffer, from: number, value: number): number {
  let at = from
  let rest = value * 2
  while (rest >= 0x80) {
    bytes[at++] = (rest % 128) + 128
    rest = Math.floor(rest / 128)
  }
  bytes[at++] = rest
  return at
}
