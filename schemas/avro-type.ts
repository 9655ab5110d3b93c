import avro from 'avsc'

/**
 * The avsc codec of a schema. Values are plain, unions are not wrapped, and a logical type is read
 * as the type that it annotates (a timestamp is a number).
 */
export function avroType(schema: unknown): avro.Type {
  // avsc writes the names that it meets into its options, so each type gets its own options.
  return avro.Type.forSchema(schema as avro.Schema, { wrapUnions: 'auto', omitRecordMethods: true, logicalTypes: {} })
}
