import type { SchemaRegistry } from '../connectors/registry/registry.ts'
import type { RecordHeaders, Topic } from '../processors/contract.ts'
import { createDeadLetterCodec, type DeadLetterCodec } from '../processors/dead-letter.ts'
import { type DeclaredService, deadTopics } from '../processors/declaration.ts'
import { fingerprintHeaders } from '../processors/fingerprint-header.ts'
import { layoutOf } from '../processors/store/layouts.ts'
import { firmwareSubject, topics, valueSubject } from '../processors/topics.ts'
import type { AvroSchema } from '../schemas/avro-schema.ts'
import { type FirmwareFile, readFirmwares } from '../schemas/files.ts'
import { schemaFingerprint } from '../schemas/fingerprint.ts'
import { deadLetterSchema } from '../schemas/generated/dead-letter.ts'

/** A schema and the subject that it belongs to. */
export interface Registration {
  readonly subject: string
  readonly path: string
  /** Compact JSON: the registry takes another spacing for another schema. */
  readonly schema: string
}

/**
 * Every firmware of the project, and every schema of the services' outputs. Dead letters have one
 * subject for each topic, like any other value.
 */
export function registrations(services: readonly DeclaredService[]): readonly Registration[] {
  const one = (topic: Topic, { path, json }: AvroSchema<unknown>): Registration => ({
    subject: valueSubject(topic),
    path,
    schema: JSON.stringify(json),
  })
  const all = [
    ...readFirmwares().map(firmwareRegistration),
    ...services.flatMap(({ writes }) => writes.flatMap(({ topic, schema }) => (schema === undefined ? [] : [one(topic, schema)]))),
    ...deadTopics(services).map((topic) => one(topic, deadLetterSchema)),
  ]
  // Several services may write one topic.
  return [...new Map(all.map((registration) => [`${registration.subject} ${registration.schema}`, registration])).values()]
}

/** The registration of a firmware's schema. */
export function firmwareRegistration({ file, firmware }: FirmwareFile): Registration {
  return { subject: firmwareSubject(firmware.fullName), path: file.path, schema: JSON.stringify(file.json) }
}

/** The schema's ID as registered for a topic; registers it if it is missing. */
export function registeredId(registry: SchemaRegistry, topic: Topic, { json }: AvroSchema<unknown>): Promise<number> {
  return registry.register(valueSubject(topic), JSON.stringify(json))
}

/**
 * Quantities that the newest schema of readings in the registry has, and this configuration lacks:
 * what it writes has no values of them.
 */
export async function lackedQuantities(registry: Pick<SchemaRegistry, 'version'>): Promise<readonly string[]> {
  const newest = await registry.version(valueSubject(topics.readings), 'latest')
  const layout = newest?.type !== 'AVRO' ? undefined : layoutOf(JSON.parse(newest.schema))
  return layout?.tag === 'newer' ? layout.fields : []
}

/** In words, for what `lackedQuantities` gives. */
export function describeLacked(names: readonly string[]): string {
  return `readings in the registry have ${names.join(', ')}, which this configuration lacks: upgrade, or name their file under \`quantities\`, as the other services have it`
}

/**
 * Headers of records that are written with a schema of the project, so that reading does not depend
 * on the registry's ID alone.
 */
export function schemaHeaders({ json }: AvroSchema<unknown>): RecordHeaders {
  return fingerprintHeaders(schemaFingerprint(json))
}

/** The codec of a dead-letter topic. */
export async function openDeadLetterCodec(registry: SchemaRegistry, topic: Topic): Promise<DeadLetterCodec> {
  return createDeadLetterCodec(deadLetterSchema.json, await registeredId(registry, topic, deadLetterSchema))
}
