import type { Log } from '../../connectors/contract.ts'
import { createRegistry } from '../../connectors/registry/registry.ts'
import { openSchemaDirectory, type SchemaDirectory } from '../../connectors/registry/schema-directory.ts'
import type { KafkaRecord, Topic } from '../../processors/contract.ts'
import type { DeclaredProcessor } from '../../processors/declaration.ts'
import { fingerprintOf } from '../../processors/fingerprint-header.ts'
import { topics, valueSubject } from '../../processors/topics.ts'
import { avroType } from '../../schemas/avro-type.ts'
import { hasWireHeader, schemaIdOf, WIRE_BYTES } from '../../schemas/wire-format.ts'
import type { Config } from '../../services/config.ts'
import { schemasOf } from '../../services/lookups.ts'
import { type Item, readingItems, recordItems } from './items.ts'
import type { OutputRecord } from './window.ts'

interface DecoderOptions {
  readonly config: Config
  readonly declared: DeclaredProcessor
  readonly log: Log
  readonly signal: AbortSignal
}

/** Take the records of outputs apart, to be compared. */
export interface Decoders extends AsyncDisposable {
  /** @param own the record has the bytes of the working copy's, and so its schema */
  deployed(topic: Topic, record: OutputRecord, own: boolean): Promise<readonly Item[]>
  working(topic: Topic, record: OutputRecord): readonly Item[]
}

/** Each side is read by its own schema, so that nothing of it is left out. */
export async function openDecoders(
  { config, declared: { processor }, log, signal }: DecoderOptions,
  outputs: readonly Topic[],
): Promise<Decoders> {
  const registry = createRegistry(config.env.REGISTRY_URL)
  const own = new Map(Object.values(processor.to).map(({ topic, schema }) => [topic, avroType(schema.json)]))
  const directories = new Map<Topic, SchemaDirectory>()
  const types = new WeakMap<object, ReturnType<typeof avroType>>()
  const itemsOf = (topic: Topic, value: unknown): readonly Item[] => (topic === topics.readings ? readingItems(value) : recordItems(value))

  for (const topic of outputs) {
    const subject = valueSubject(topic)
    directories.set(topic, await openSchemaDirectory({ registry, prefix: subject, ownSubject: () => subject, log, signal }))
  }

  function working(topic: Topic, { value }: OutputRecord): readonly Item[] {
    const type = own.get(topic)
    if (type === undefined || value === null) return []
    return itemsOf(topic, type.fromBuffer(value.subarray(WIRE_BYTES)))
  }

  return {
    working,
    async deployed(topic, record, isOwn) {
      if (isOwn) return working(topic, record)
      const { value } = record
      if (value === null || !hasWireHeader(value)) throw new Error('expected a value in the wire format of the registry')
      const asRecord: KafkaRecord = { key: null, value, timestampMs: 0, offset: 0n, headers: record.headers }
      const directory = directories.get(topic)
      await directory?.prepare(schemasOf([asRecord]))
      const id = schemaIdOf(value)
      const schema = directory?.schema(id, fingerprintOf(asRecord))
      if (typeof schema !== 'object' || schema === null) throw new Error(`the registry has no schema ${id}`)
      let type = types.get(schema)
      if (type === undefined) {
        type = avroType(schema)
        types.set(schema, type)
      }
      return itemsOf(topic, type.fromBuffer(value.subarray(WIRE_BYTES)))
    },
    async [Symbol.asyncDispose]() {
      for (const directory of directories.values()) await directory[Symbol.asyncDispose]()
    },
  }
}
