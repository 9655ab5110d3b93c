import { avroTypes } from './avro-types.ts'
import { parseQuantities } from './quantities.ts'

/** Source text of schemas/generated/readings.ts. */
export function readingsTypes(schema: unknown, path: string): string {
  const entries = parseQuantities(schema).map((quantity) => `  ${JSON.stringify(quantity)},`)
  return `${avroTypes(schema, path, '../avro-schema.ts')}
/**
 * The standard quantities, in the order of the schema, of table readings, and of every array
 * indexed by quantity.
 */
export const quantities = [
${entries.join('\n')}
] as const

export type QuantityName = (typeof quantities)[number]['name']
`
}
