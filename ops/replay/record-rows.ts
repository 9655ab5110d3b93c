import type { Type } from 'avsc'
import type { SchemaRegistry } from '../../connectors/registry/registry.ts'
import type { Topic } from '../../processors/contract.ts'
import { valueSubject } from '../../processors/topics.ts'
import { avroType } from '../../schemas/avro-type.ts'
import { requireWireHeader, schemaIdOf, WIRE_BYTES } from '../../schemas/wire-format.ts'
import type { Cell } from '../rows/row.ts'
import { fieldColumn } from './avro-cells.ts'
import type { SchemaCache } from './schema-cache.ts'
import { PLACE_COLUMNS, placeCells, type TopicRows } from './topic-rows.ts'

const KEY = { name: 'key', kind: 'text', unit: null } as const

/**
 * Records of any other topic: the fields of its newest registered schema as columns, or key and
 * value if it has none.
 */
export async function recordRows(topic: Topic, registry: SchemaRegistry, schemas: SchemaCache): Promise<TopicRows> {
  const newest = await registry.version(valueSubject(topic), 'latest')
  const schema =
    newest?.type === 'AVRO' ? (JSON.parse(newest.schema) as { fields?: readonly { name: string; type: unknown }[] }) : undefined
  return schema?.fields === undefined ? plainRows() : fieldRows(schema.fields, schemas)
}

function fieldRows(described: readonly { readonly name: string; readonly type: unknown }[], schemas: SchemaCache): TopicRows {
  // Kafka's key comes first; of a dead letter it is that of its record.
  const fields = described.filter(({ name }) => name !== KEY.name).map(({ name, type }) => fieldColumn(name, type))
  const types = new WeakMap<object, Type>()
  const typeOf = (schema: object): Type => {
    const known = types.get(schema) ?? avroType(schema)
    types.set(schema, known)
    return known
  }
  return {
    columns: [KEY, ...fields.map(({ name, kind }) => ({ name, kind, unit: null })), ...PLACE_COLUMNS],
    eventTime: undefined,
    device: undefined,
    prepare: (records) => schemas.prepare(records),
    rows(placed) {
      const { key, value } = placed.record
      const framed = requireWireHeader(value)
      const schema = schemas.schema(schemaIdOf(framed))
      if (schema === undefined) throw new Error(`the registry has no schema ${schemaIdOf(framed)}`)
      const record = typeOf(schema).fromBuffer(framed.subarray(WIRE_BYTES)) as Readonly<Record<string, unknown>>
      return [[key?.toString() ?? null, ...fields.map(({ name, cell }): Cell => cell(record[name])), ...placeCells(placed)]]
    },
  }
}

/** Without a schema: the value as text if it is UTF-8, else as base64. */
function plainRows(): TopicRows {
  const utf8 = new TextDecoder('utf-8', { fatal: true })
  const text = (value: Buffer): string => {
    try {
      return utf8.decode(value)
    } catch (cause) {
      if (cause instanceof TypeError) return value.toString('base64')
      throw cause
    }
  }
  return {
    columns: [KEY, { name: 'value', kind: 'text', unit: null }, ...PLACE_COLUMNS],
    eventTime: undefined,
    device: undefined,
    prepare: async () => undefined,
    rows(placed) {
      const { key, value } = placed.record
      return [[key?.toString() ?? null, value === null ? null : text(value), ...placeCells(placed)]]
    },
  }
}
