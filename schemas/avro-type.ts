import avro from 'avsc'

/**
 * A schema as avsc's codec: values are plain, unions are not wrapped, logical types are what they
 * annotate (a timestamp is a number).
 */
export function avroType(schema: unknown): avro.Type {
  // avsc writes the names that it meets into its options: each type has its own.
  return avro.Type.forSchema(schema as avro.Schema, { wrapUnions: 'auto', omitRecordMethods: true, logicalTypes: {} })
}
