import { avroTypes } from './avro-types.ts'
import { isObject } from './json.ts'
import { parseQuantities, sampleFields } from './quantities.ts'

/** Source text of schemas/generated/readings.ts. */
export function readingsTypes(schema: unknown, path: string): string {
  const quantities = parseQuantities(schema)
  const leading = sampleFields(schema)
    .map((field) => (isObject(field) ? String(field.name) : ''))
    .slice(0, -quantities.length)
  const own = "import { ownQuantities, withOwnQuantities } from '../own-quantities.ts'\nimport type { Quantity } from '../quantities.ts'\n"
  return `${avroTypes(schema, path, '../avro-schema.ts', 'make generate', 'withOwnQuantities').replace(/^import .*\n/m, (first) => `${first}${own}`)}
/** The quantities of schemas/readings.avsc, in its order. */
export const standardQuantities = [
${quantities.map((quantity) => `  ${JSON.stringify(quantity)},`).join('\n')}
] as const

/**
 * The quantities, in the order of the schema, of table readings, and of every array indexed by
 * quantity: the standard ones, then those that the deployment declared before this was loaded
 * (schemas/own-quantities.ts).
 */
export const quantities: readonly Quantity[] = [...standardQuantities, ...ownQuantities()]

/** The columns of table readings before the quantities, in the order of the table and of COPY. */
export const leadingColumns = ${JSON.stringify(['device_id', ...leading])} as const

/** One sample, with the head of its record. */
export interface Reading extends Pick<Readings, 'device_id' | 'firmware' | 'boot' | 'seq'>, Sample {}

/** The samples of a record as columns: see ReadingsReader. */
interface Columns {
  readonly deviceId: string
  readonly firmware: string
  readonly boot: number
  readonly seq: number
  readonly ts: Float64Array
  readonly timeEstimated: Uint8Array
  readonly account: Float64Array
  readonly site: Float64Array
  readonly values: readonly (Float64Array | undefined)[]
}

/**
 * A sample of these columns, as an object of its own. It also has the deployment's quantities, by
 * name.
 */
export function readingOf(columns: Columns, sample: number): Reading {
  const { values } = columns
  const reading: Reading = {
    device_id: columns.deviceId,
    firmware: columns.firmware,
    boot: columns.boot,
    seq: columns.seq,
    ts: columns.ts[sample] as number,
    time_estimated: columns.timeEstimated[sample] === 1,
    account_id: id(columns.account[sample] as number),
    site_id: id(columns.site[sample] as number),
${quantities.map(({ name }, index) => `    ${name}: value(values[${index}], sample),`).join('\n')}
  }
  for (let index = standardQuantities.length; index < quantities.length; index++)
    (reading as unknown as Record<string, number | null>)[(quantities[index] as Quantity).name] = value(values[index], sample)
  return reading
}

function id(column: number): number | null {
  return column < 0 ? null : column
}

function value(column: Float64Array | undefined, sample: number): number | null {
  const found = column === undefined ? Number.NaN : (column[sample] as number)
  return Number.isNaN(found) ? null : found
}
`
}
