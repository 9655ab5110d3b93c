import { MalformedError } from './frame-reader.ts'
import { quantities, readingsSchema } from './generated/readings.ts'
import { isObject } from './json.ts'
import { sampleFields } from './quantities.ts'

/** The fields of a record of readings, in their order: the head, then the samples. */
export const recordFields: readonly string[] = namesOf(isObject(readingsSchema.json) ? readingsSchema.json.fields : [])

/** The first fields of a sample. The quantities follow. */
export const leadingFields: readonly string[] = namesOf(sampleFields(readingsSchema.json)).slice(0, -quantities.length)

/**
 * The order of the quantities in one writer's schema: place in the record → place in `quantities`.
 * -1 for a quantity that this build does not know.
 */
export type SampleLayout = Int32Array

/**
 * The layout of samples that a schema writes.
 * @throws MalformedError if it differs from readings.avsc by more than its quantities
 */
export function sampleLayout(schema: unknown): SampleLayout {
  const head = namesOf(isObject(schema) ? schema.fields : [])
  if (head.join() !== recordFields.join()) throw new MalformedError(`expected a schema of Readings, got fields ${head.join()}`)
  const fields = sampleFields(schema)
  const lead = namesOf(fields).slice(0, leadingFields.length)
  if (lead.join() !== leadingFields.join())
    throw new MalformedError(`expected samples that start with ${leadingFields.join()}, got ${lead.join()}`)
  return Int32Array.from(fields.slice(leadingFields.length), (field) => {
    const { name, type } = isObject(field) ? field : { name: undefined, type: undefined }
    if (JSON.stringify(type) !== '["null","double"]')
      throw new MalformedError(`expected quantity ${String(name)} to be ["null","double"], got ${JSON.stringify(type)}`)
    return quantities.findIndex((quantity) => quantity.name === name)
  })
}

/** Names of a schema's fields. Empty if it is not a record. */
export function namesOf(fields: unknown): readonly string[] {
  return Array.isArray(fields) ? fields.map((field: unknown) => (isObject(field) ? String(field.name) : '')) : []
}
