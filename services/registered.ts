import type { SchemaRegistry } from '../connectors/registry/registry.ts'
import type { RecordHeaders, Topic } from '../processors/contract.ts'
import { createDeadLetterCodec, type DeadLetterCodec } from '../processors/dead-letter.ts'
import { type DeclaredService, deadTopics, type WrittenTopic } from '../processors/declaration.ts'
import { fingerprintHeaders } from '../processors/fingerprint-header.ts'
import { firmwareSubject, valueSubject } from '../processors/topics.ts'
import { readFirmwares, readSchema } from '../schemas/files.ts'
import { schemaFingerprint } from '../schemas/fingerprint.ts'

/** A schema and the subject that it belongs to. */
export interface Registration {
  readonly subject: string
  readonly path: string
  /** Compact JSON: the registry takes another spacing for another schema. */
  readonly schema: string
}

type Schema = NonNullable<WrittenTopic['schema']>

function parsed(schema: Schema): Exclude<Schema, string> {
  return typeof schema === 'string' ? readSchema(schema) : schema
}

/**
 * Every firmware of the project, and every schema that the services write with. Dead letters have
 * one subject per topic, like any other value.
 */
export function registrations(services: readonly DeclaredService[]): readonly Registration[] {
  const one = (topic: Topic, schema: Schema): Registration => {
    const { path, json } = parsed(schema)
    return { subject: valueSubject(topic), path, schema: JSON.stringify(json) }
  }
  return [
    ...readFirmwares().map(({ file, firmware }) => ({
      subject: firmwareSubject(firmware.fullName),
      path: file.path,
      schema: JSON.stringify(file.json),
    })),
    ...services.flatMap(({ writes }) => writes.flatMap(({ topic, schema }) => (schema === undefined ? [] : [one(topic, schema)]))),
    ...deadTopics(services).map((topic) => one(topic, 'dead-letter')),
  ]
}

/** The schema's ID as registered for a topic; registers it if it is missing. */
export function registeredId(registry: SchemaRegistry, topic: Topic, schema: Schema): Promise<number> {
  return registry.register(valueSubject(topic), JSON.stringify(parsed(schema).json))
}

/**
 * Headers of records that are written with a schema of the project: what it is read with must not
 * depend on the registry's ID alone.
 */
export function schemaHeaders(schema: Schema): RecordHeaders {
  return fingerprintHeaders(schemaFingerprint(parsed(schema).json))
}

/** The codec of a dead-letter topic. */
export async function openDeadLetterCodec(registry: SchemaRegistry, topic: Topic): Promise<DeadLetterCodec> {
  return createDeadLetterCodec(readSchema('dead-letter').json, await registeredId(registry, topic, 'dead-letter'))
}
