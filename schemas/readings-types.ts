import type { Quantity } from './quantities.ts'

/** Source text of schemas/generated/readings.ts. */
export function readingsTypes(quantities: readonly Quantity[]): string {
  const entries = quantities.map((quantity) => `  ${JSON.stringify(quantity)},`).join('\n')
  const fields = quantities
    .map(
      ({ name, unit, minimum, maximum, doc }) =>
        `  /** ${doc} Unit ${unit}, from ${minimum} to ${maximum}. */\n  readonly ${name}: number | null`,
    )
    .join('\n')
  return `// Generated from schemas/readings.avsc by \`make generate\`. Do not edit.

/**
 * The standard quantities, in the order of the schema, of table readings, and of every array
 * indexed by quantity.
 */
export const quantities = [
${entries}
] as const

export type QuantityName = (typeof quantities)[number]['name']

/** One sample of a device in standard units. */
export interface Sample {
  /** Time of the sample: microseconds since 1970. */
  readonly ts: number
  /** True if the device had no time of day, and ts was derived from the moment of receipt. */
  readonly time_estimated: boolean
  /** Account and site that the device was assigned to at ts. */
  readonly account_id: number | null
  readonly site_id: number | null
${fields}
}
`
}
