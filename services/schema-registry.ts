import type { Log } from '../connectors/contract.ts'
import { createSchemaMemory } from '../connectors/postgres/schema-memory.ts'
import type { FirmwareDirectoryOptions } from '../connectors/registry/firmware-directory.ts'
import { createRegistry } from '../connectors/registry/registry.ts'
import { readQuantities } from '../schemas/files.ts'
import type { Config } from './config.ts'
import type { Health } from './service.ts'

/**
 * How long a partition, or a dead letter that must be counted, waits for a registry that does not
 * answer. After that, an unknown schema counts as unknown. A record with an unknown ID can be a
 * foreign producer's, and must not hold up the devices behind it for the length of an outage.
 */
const PATIENCE_MS = 30_000

/**
 * What a directory of firmwares needs: the registry, and the memory that outlives it.
 * @param readOnly nothing is added to that memory
 */
export function firmwareOptions({ env }: Config, log: Log, signal: AbortSignal, readOnly = false): FirmwareDirectoryOptions {
  const [registry, kept] = [createRegistry(env.REGISTRY_URL), createSchemaMemory(env.APP_DATABASE_URL)]
  const memory = readOnly ? { ...kept, memorise: async () => undefined } : kept
  return { registry, memory, quantities: new Set(readQuantities().map(({ name }) => name)), log, signal }
}

/** For a service: its patience is bounded, and its health reports an outage that lasts. */
export function schemaWatch(health: Health): { readonly patienceMs: number; readonly problem: (what: string | null) => void } {
  return { patienceMs: PATIENCE_MS, problem: (what) => health.set('registry', what) }
}
