import { AvroCursor } from './avro-cursor.ts'
import { avroType } from './avro-type.ts'
import { MalformedError } from './frame-reader.ts'
import { type Raw, rawSchema } from './generated/raw.ts'

/** Reads the records of one writer's schema of `Raw`. */
export interface RawReader {
  /**
   * Reads the datum that fills bytes from `start` to the end. The payload shares their memory.
   * @throws MalformedError
   */
  read(bytes: Buffer, start: number): Raw
}

/**
 * A writer with the fields of schemas/raw.avsc is read by hand, because that happens for every
 * message that is no frame. Another one is read by Avro's schema resolution.
 * @param writer the parsed schema of the records
 * @throws Error of avsc, if Avro cannot resolve it to raw.avsc
 */
export function createRawReader(writer: unknown): RawReader {
  const [own, theirs] = [avroType(rawSchema.json), avroType(writer)]
  if (theirs.equals(own)) return new OwnRawReader()
  const resolver = own.createResolver(theirs)
  return {
    read(bytes, start) {
      try {
        return own.fromBuffer(bytes.subarray(start), resolver) as Raw
      } catch (cause) {
        throw new MalformedError(`not what its schema says: ${cause instanceof Error ? cause.message : String(cause)}`)
      }
    },
  }
}

const LIMIT = 2 ** 52

class OwnRawReader extends AvroCursor implements RawReader {
  read(bytes: Buffer, start: number): Raw {
    this.bytes = bytes
    this.at = start
    const topicBytes = this.string('topic')
    const topic = bytes.toString('utf8', this.at - topicBytes, this.at)
    const payloadBytes = this.string('payload')
    const payload = bytes.subarray(this.at - payloadBytes, this.at)
    const received = this.long('received')
    if (received >= LIMIT || received < -LIMIT) throw new MalformedError('received: expected an integer below 2^52')
    const retained = this.byte('retained')
    if (retained > 1) throw new MalformedError(`retained: expected 0 or 1, got byte ${retained}`)
    if (this.at !== bytes.length) throw new MalformedError(`${bytes.length - this.at} bytes are left after the last field`)
    return { topic, payload, received, retained: retained === 1 }
  }
}
