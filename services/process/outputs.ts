import type { OutputEncoder, ProcessOutputs } from '../../connectors/postgres/outbox.ts'
import type { SchemaRegistry } from '../../connectors/registry/registry.ts'
import type { RecordHeaders, Topic } from '../../processors/contract.ts'
import type { BusinessProcess } from '../../processors/process.ts'
import { registeredId, schemaHeaders } from '../registered.ts'

/**
 * Encoders of a process's outputs. Registers their schemas if need be.
 * @param name of the process
 * @param limits largest value of a record that each topic takes
 */
export async function openOutputs(
  registry: SchemaRegistry,
  name: string,
  businessProcess: Pick<BusinessProcess<unknown>, 'to'>,
  limits: ReadonlyMap<Topic, number>,
): Promise<ProcessOutputs> {
  const ids = new Map<Topic, number>()
  for (const { topic, schema } of Object.values(businessProcess.to)) ids.set(topic, await registeredId(registry, topic, schema))
  return processOutputs(name, businessProcess, ids, limits)
}

/**
 * Encoders with IDs of schemas that are known.
 * @param ids of the schemas, by topic; 0 for what is never sent
 */
export function processOutputs(
  name: string,
  { to }: Pick<BusinessProcess<unknown>, 'to'>,
  ids: ReadonlyMap<Topic, number>,
  limits: ReadonlyMap<Topic, number>,
): ProcessOutputs {
  const encoders = new Map<string, OutputEncoder>()
  for (const [output, { topic, encoder }] of Object.entries(to)) {
    const most = limits.get(topic) ?? Number.MAX_SAFE_INTEGER
    const encode = encoder(ids.get(topic) ?? 0, most) as (value: unknown) => Buffer | readonly Buffer[]
    encoders.set(output, {
      topic,
      encode(value) {
        const encoded = encode(value)
        const values = Buffer.isBuffer(encoded) ? [encoded] : encoded
        const largest = Math.max(0, ...values.map(({ length }) => length))
        if (largest > most) throw new RangeError(`a record of ${largest} bytes for ${topic}, which takes ${most}`)
        return values
      },
    })
  }
  return { process: name, encoders }
}

/** Headers of the records of each topic: the fingerprint of its schema. */
export function headersByTopic({ to }: Pick<BusinessProcess<unknown>, 'to'>): ReadonlyMap<Topic, RecordHeaders> {
  return new Map(Object.values(to).map(({ topic, schema }) => [topic, schemaHeaders(schema)]))
}
