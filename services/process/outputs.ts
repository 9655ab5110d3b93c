import { type ProcessOutputs, processOutputs } from '../../connectors/postgres/outbox.ts'
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

/** Headers of the records of each topic: the fingerprint of its schema. */
export function headersByTopic({ to }: Pick<BusinessProcess<unknown>, 'to'>): ReadonlyMap<Topic, RecordHeaders> {
  return new Map(Object.values(to).map(({ topic, schema }) => [topic, schemaHeaders(schema)]))
}
