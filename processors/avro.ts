import type { AvroSchema } from '../schemas/avro-schema.ts'
import { avroType } from '../schemas/avro-type.ts'
import { MalformedError } from '../schemas/frame-reader.ts'
import { requireWireHeader, schemaIdOf, WIRE_BYTES, type WireValue, wireHeader } from '../schemas/wire-format.ts'
import type { KafkaRecord, Lookups, Output, Source, Topic } from './contract.ts'
import { fingerprintOf } from './fingerprint-header.ts'

/**
 * An Avro topic as a source. Each record is one input. It is decoded by its writer's schema and
 * resolved to this one (Avro specification, "Schema Resolution"): fields that the writer did not
 * have get their defaults, and those that this schema does not have are left out.
 */
export function avroSource<Value>(topic: Topic, schema: AvroSchema<Value>): Source<Value> {
  const reader = avroType(schema.json)
  const readerOf = resolved((writer) => {
    const type = avroType(writer)
    const resolver = reader.createResolver(type)
    return (datum: Buffer): Value => reader.fromBuffer(datum, resolver) as Value
  })
  return {
    topic,
    needs: ['schema'],
    decode: (record, lookups, each) => {
      const value = requireWireHeader(record.value)
      const read = readerOf(value, record, lookups)
      let item: Value
      try {
        item = read(value.subarray(WIRE_BYTES))
      } catch (cause) {
        throw new MalformedError(`not what its schema says: ${messageOf(cause)}`)
      }
      each(item, null)
    },
  }
}

/**
 * An Avro topic as an output: values are encoded with this schema. If a value does not fit the
 * schema, the encoder throws avsc's error. The compiler cannot know some of these cases, such as a
 * number that is too large for an int. It is a defect of the processor.
 */
export function avroOutput<Value>(topic: Topic, schema: AvroSchema<Value>): Output<Value> {
  return {
    topic,
    schema,
    encoder: (schemaId) => {
      const type = avroType(schema.json)
      const header = wireHeader(schemaId)
      return (value) => Buffer.concat([header, type.toBuffer(value)])
    },
  }
}

/**
 * Finds the reader of a record's schema. A reader is made once for each schema, because `lookups`
 * returns the same object for the same schema.
 * @returns a function of a record and its value (with a header). It throws MalformedError if the
 *   schema is not known, or cannot be read.
 */
export function resolved<Read extends object>(
  make: (writer: unknown) => Read,
): (value: WireValue, record: KafkaRecord, lookups: Pick<Lookups, 'schema'>) => Read {
  const made = new WeakMap<object, Read | MalformedError>()
  return (value, record, lookups) => {
    const id = schemaIdOf(value)
    const writer = lookups.schema(id, fingerprintOf(record))
    if (typeof writer !== 'object' || writer === null) throw new MalformedError(`the registry has no schema ${id}`)
    let read = made.get(writer)
    if (read === undefined) {
      read = attempt(() => make(writer), `schema ${id} cannot be read as this topic's`)
      made.set(writer, read)
    }
    if (read instanceof MalformedError) throw read
    return read
  }
}

function attempt<Made>(make: () => Made, what: string): Made | MalformedError {
  try {
    return make()
  } catch (cause) {
    return new MalformedError(`${what}: ${messageOf(cause)}`)
  }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
