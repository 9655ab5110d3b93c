import { isObject } from './json.ts'

/** A standard quantity, as declared by a nullable double of `Sample` in readings.avsc. */
export interface Quantity {
  readonly name: string
  /** UCUM code. */
  readonly unit: string
  readonly minimum: number
  readonly maximum: number
  readonly doc: string
}

/**
 * The quantities that a `Readings` schema declares, in its order.
 * @throws TypeError that names the field if the schema is not one of readings.
 */
export function parseQuantities(readings: unknown): readonly Quantity[] {
  const quantities: Quantity[] = []
  for (const field of sampleFields(readings)) {
    if (!isObject(field) || typeof field.unit !== 'string') continue
    const { name, unit, minimum, maximum, doc, type } = field
    if (JSON.stringify(type) !== '["null","double"]') {
      throw new TypeError(`quantity ${String(name)}: type must be ["null","double"], not ${JSON.stringify(type)}`)
    }
    if (typeof minimum !== 'number' || typeof maximum !== 'number' || !(minimum < maximum)) {
      throw new TypeError(`quantity ${String(name)}: needs numbers "minimum" < "maximum"`)
    }
    if (typeof name !== 'string' || typeof doc !== 'string') {
      throw new TypeError(`quantity ${String(name)}: needs a "name" and a "doc"`)
    }
    quantities.push({ name, unit, minimum, maximum, doc })
  }
  return quantities
}

/** The fields of `Sample` in a `Readings` schema. */
export function sampleFields(readings: unknown): readonly unknown[] {
  const fields = isObject(readings) && Array.isArray(readings.fields) ? readings.fields : []
  const samples: unknown = fields.find((field: unknown) => isObject(field) && field.name === 'samples')
  const type = isObject(samples) ? samples.type : undefined
  const items = isObject(type) ? type.items : undefined
  const inner = isObject(items) ? items.fields : undefined
  if (!Array.isArray(inner)) throw new TypeError('not a Readings schema: no field "samples" that is an array of records')
  return inner
}
