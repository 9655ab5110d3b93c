import type { Log } from '../../connectors/contract.ts'
import type { SchemaRegistry } from '../../connectors/registry/registry.ts'
import type { KafkaRecord } from '../../processors/contract.ts'
import { hasWireHeader, schemaIdOf } from '../../schemas/wire-format.ts'
import { throughOutages } from '../../services/through-outages.ts'

/** Schemas of records by their IDs, each asked for once. */
export class SchemaCache {
  private readonly registry: SchemaRegistry
  private readonly log: Log
  private readonly signal: AbortSignal
  /** Parsed; null if the registry has no Avro schema of that ID. */
  private readonly known = new Map<number, object | null>()

  constructor(registry: SchemaRegistry, log: Log, signal: AbortSignal) {
    this.registry = registry
    this.log = log
    this.signal = signal
  }

  async prepare(records: readonly KafkaRecord[]): Promise<void> {
    for (const { value } of records) {
      if (!hasWireHeader(value)) continue
      const id = schemaIdOf(value)
      if (this.known.has(id)) continue
      const found = await throughOutages(`reading schema ${id}`, () => this.registry.schemaOf(id), { log: this.log, signal: this.signal })
      this.known.set(id, found?.type === 'AVRO' ? (JSON.parse(found.schema) as object) : null)
    }
  }

  /** The same object for the same ID. */
  schema(id: number): object | undefined {
    return this.known.get(id) ?? undefined
  }
}
