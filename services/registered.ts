import type { SchemaRegistry } from '../connectors/registry/registry.ts'
import type { RecordHeaders, Topic } from '../processors/contract.ts'
import { createDeadLetterCodec, type DeadLetterCodec } from '../processors/dead-letter.ts'
import { fingerprintHeaders } from '../processors/fingerprint-header.ts'
import { firmwareSubject, topics, valueSubject } from '../processors/topics.ts'
import { readFirmwares, readSchema } from '../schemas/files.ts'
import { schemaFingerprint } from '../schemas/fingerprint.ts'

/** A schema and the subject that it belongs to. */
export interface Registration {
  readonly subject: string
  readonly path: string
  /** Compact JSON: the registry takes another spacing for another schema. */
  readonly schema: string
}

/** Every schema of the project. Dead letters have one subject per topic, like any other value. */
export function registrations(deadTopics: readonly Topic[]): readonly Registration[] {
  const one = (subject: string, name: string): Registration => {
    const { path, json } = readSchema(name)
    return { subject, path, schema: JSON.stringify(json) }
  }
  return [
    ...readFirmwares().map(({ file, firmware }) => ({
      subject: firmwareSubject(firmware.fullName),
      path: file.path,
      schema: JSON.stringify(file.json),
    })),
    one(valueSubject(topics.readings), 'readings'),
    one(valueSubject(topics.deviceStatus), 'device-status'),
    ...deadTopics.map((topic) => one(valueSubject(topic), 'dead-letter')),
  ]
}

/** The schema's ID as registered for a topic; registers it where it is missing. */
export function registeredId(registry: SchemaRegistry, topic: Topic, schema: string): Promise<number> {
  return registry.register(valueSubject(topic), JSON.stringify(readSchema(schema).json))
}

/**
 * Headers of records that are written with a schema of the project: what it is read with must not
 * depend on the registry's ID alone.
 */
export function schemaHeaders(schema: string): RecordHeaders {
  return fingerprintHeaders(schemaFingerprint(readSchema(schema).json))
}

/** The codec of a dead-letter topic. */
export async function openDeadLetterCodec(registry: SchemaRegistry, topic: Topic): Promise<DeadLetterCodec> {
  return createDeadLetterCodec(readSchema('dead-letter').json, await registeredId(registry, topic, 'dead-letter'))
}
