import type { KafkaRecord, Lookups, Output, Processor } from '../../processors/contract.ts'
import type { RefusedRecord } from '../../processors/dead-letter-writer.ts'
import type { AnyProcessor } from '../../processors/declaration.ts'
import { avroType } from '../../schemas/avro-type.ts'
import { hasWireHeader, schemaIdOf, WIRE_BYTES, wireHeader } from '../../schemas/wire-format.ts'
import { createEngine, createEngineCounters } from '../../services/processor/engine.ts'
import { plainCopy } from './differences.ts'
import { createTestLookups, type GivenLookups, LookupNotGivenError } from './given-lookups.ts'
import type { TestRecord, WriterSchema } from './records.ts'

export type Outputs = { readonly [name: string]: Output<never> }

/** What a processor sent to an output. */
export interface Emitted {
  /** Its name in `to`. */
  readonly output: string
  readonly key: string | null
  /** As a consumer reads it: decoded with the output's schema. */
  readonly value: unknown
}

/** What a processor refused: one dead letter. */
export interface Refused {
  readonly reason: string
  readonly detail: string
  /** Indexes of the samples within the record; empty for all of it. */
  readonly samples: readonly number[]
  /** Empty for whole samples. */
  readonly quantities: readonly string[]
}

/** What became of one record. */
export interface RecordOutcome {
  readonly emitted: readonly Emitted[]
  /** Inputs that were left out, by reason. */
  readonly dropped: Readonly<Record<string, number>>
  readonly rejected: readonly Refused[]
}

/**
 * Feeds records to a processor, each by itself, and says what became of each. They go through the
 * engine that runs processors on the line: encoded, decoded, handled, and outputs encoded again.
 * @throws LookupNotGivenError if it looked up what `lookups` does not have
 */
export function feed<Item, To extends Outputs>(
  processor: Processor<Item, To>,
  records: readonly TestRecord[],
  lookups: GivenLookups = {},
): readonly RecordOutcome[] {
  const { kafkaRecords, schemas } = kafkaRecordsOf(records)
  const run = createRun(processor as unknown as AnyProcessor, createTestLookups(processor, lookups, schemas))
  return kafkaRecords.map(run)
}

/** Largest value of an output: topics take a little more. */
const MOST_BYTES = 1_000_000
const TEST_OFFSET = 0n

/** Records as Kafka would hold them, and the schemas of their writers by ID. */
export function kafkaRecordsOf(records: readonly TestRecord[]): {
  readonly kafkaRecords: readonly KafkaRecord[]
  readonly schemas: ReadonlyMap<number, unknown>
} {
  const schemas = new Map<number, unknown>()
  const ids = new Map<string, number>()
  const contents = records.map(({ content }) => content)
  for (const content of contents) {
    if (content.tag === 'bytes' || content.schema.id === undefined) continue
    const { id, json } = content.schema
    if (schemas.has(id) && JSON.stringify(schemas.get(id)) !== JSON.stringify(json))
      throw new RangeError(`schema ID ${id} stands for two schemas`)
    schemas.set(id, json)
  }
  // Not one that somebody's bytes stand for.
  const taken = new Set(
    contents.flatMap((content) => (content.tag === 'bytes' && hasWireHeader(content.bytes) ? [schemaIdOf(content.bytes)] : [])),
  )
  const idOf = ({ id, json }: WriterSchema): number => {
    if (id !== undefined) return id
    const text = JSON.stringify(json)
    let own = ids.get(text)
    if (own === undefined) {
      for (own = 1; schemas.has(own) || taken.has(own); ) own++
      ids.set(text, own)
      schemas.set(own, json)
    }
    return own
  }
  const types = new Map<number, ReturnType<typeof avroType>>()
  const typeOf = (id: number, json: unknown): ReturnType<typeof avroType> => {
    const type = types.get(id) ?? avroType(json)
    types.set(id, type)
    return type
  }
  const encoded = ({ content }: TestRecord): Buffer | null => {
    if (content.tag === 'bytes') return content.bytes
    const id = idOf(content.schema)
    const datum = content.tag === 'datum' ? content.datum : typeOf(id, content.schema.json).toBuffer(content.value)
    return Buffer.concat([wireHeader(id), datum])
  }
  const kafkaRecords = records.map((record, index): KafkaRecord => {
    const { key, timestampMs, headers } = record
    const value = encoded(record)
    return { key: key === null ? null : Buffer.from(key), value, timestampMs, offset: TEST_OFFSET + BigInt(index), headers }
  })
  return { kafkaRecords, schemas }
}

/**
 * The engine, a record at a time, with what it sends decoded.
 * @param missing says what was looked up in vain: that is thrown in place of the dead letter that
 *   the engine makes of it. Nothing is missing if absent
 */
export function createRun(
  processor: AnyProcessor,
  { lookups, missing = () => undefined }: { readonly lookups: Lookups; readonly missing?: () => string | undefined },
): (record: KafkaRecord, index: number) => RecordOutcome {
  const outputs = Object.entries(processor.to)
  // Outputs may share a topic: the ID tells them apart.
  const schemaIds = Object.fromEntries(outputs.map(([name], index) => [name, index + 1]))
  const readers = outputs.map(([output, { schema }]) => ({ output, type: avroType(schema.json) }))
  let refused: readonly RefusedRecord[] = []
  const engine = createEngine({
    name: 'test',
    processor,
    schemaIds,
    limits: new Map(outputs.map(([, { topic }]) => [topic, MOST_BYTES])),
    // Its own are written for Kafka: here they are compared.
    deadLetters: (those) => {
      refused = those
      return []
    },
  })
  return (record, index) => {
    refused = []
    const counters = createEngineCounters()
    const origin = { topic: processor.from.topic, partition: 0, nowMs: record.timestampMs }
    const { sent } = engine([record], origin, lookups, counters)
    const message = missing()
    if (message !== undefined) throw new LookupNotGivenError(`record ${index}${keyOf(record)}: ${message}`)
    return {
      emitted: sent.map(({ key, value }) => {
        const reader = readers[value.readUInt32BE(1) - 1]
        if (reader === undefined)
          throw new RangeError(`an output's encoder wrote schema ID ${value.readUInt32BE(1)}, not the one it was given`)
        return { output: reader.output, key: key?.toString() ?? null, value: plainCopy(reader.type.fromBuffer(value.subarray(WIRE_BYTES))) }
      }),
      dropped: Object.fromEntries(counters.dropped),
      rejected: refused.map(({ reason, detail, samples, quantities = [] }) => ({ reason, detail, samples, quantities })),
    }
  }
}

function keyOf({ key }: KafkaRecord): string {
  return key === null ? '' : ` (${key.toString()})`
}
