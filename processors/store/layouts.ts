import { quantities } from '../../schemas/generated/readings.ts'
import { isObject } from '../../schemas/json.ts'
import { sampleFields } from '../../schemas/quantities.ts'
import { leadingFields, namesOf, recordFields, type SampleLayout, sampleLayout } from '../../schemas/readings-layout.ts'

/** What a schema ID says of a record of readings. */
export type LayoutLookup =
  | { readonly tag: 'known'; readonly layout: SampleLayout }
  | { readonly tag: 'unknown' }
  | { readonly tag: 'invalid'; readonly detail: string }
  /** It is Readings, with fields that this build does not know: their values would be lost. */
  | { readonly tag: 'newer'; readonly fields: readonly string[] }

/**
 * The layout of a schema of readings, as far as this build can read it. It does not matter whether
 * a record has a value in an unknown field: an operator who deploys in the wrong order should learn
 * it at once, and not when the first sensor of the new kind speaks.
 */
export function layoutOf(schema: unknown): LayoutLookup {
  try {
    const fields = unknownFields(schema)
    return fields.length > 0 ? { tag: 'newer', fields } : { tag: 'known', layout: sampleLayout(schema) }
  } catch (cause) {
    return { tag: 'invalid', detail: cause instanceof Error ? cause.message : String(cause) }
  }
}

/** Fields that this build does not know; none if the schema lacks fields that it must have. */
function unknownFields(schema: unknown): readonly string[] {
  const head = namesOf(isObject(schema) ? schema.fields : [])
  if (!recordFields.every((name) => head.includes(name))) return []
  const sample = namesOf(sampleFields(schema))
  if (!leadingFields.every((name) => sample.includes(name))) return []
  const known = new Set([...leadingFields, ...quantities.map(({ name }) => name)])
  return [...head.filter((name) => !recordFields.includes(name)), ...sample.filter((name) => !known.has(name))]
}

/** In words, for health and errors. */
export function describeNewer(fields: readonly string[]): string {
  return `readings have ${fields.join(', ')}, which this version of the store does not know: upgrade the store, or name their file under quantities in its configuration`
}
