import type avro from 'avsc'

/** A type of avsc, with what its kinds have. */
type AnyType = avro.Type & {
  readonly fields?: readonly { readonly name: string; readonly type: AnyType }[]
  readonly itemsType?: AnyType
  readonly valuesType?: AnyType
  readonly types?: readonly AnyType[]
}

/** How bytes, and numbers that JSON does not have, are written. */
const BASE64 = '$base64'
const NUMBER = '$number'

/**
 * A value of an Avro type for people to read: nulls of records are left out, bytes are
 * `{"$base64": …}`, and a number that JSON does not have is `{"$number": "NaN"}`. `fromPlainJson`
 * is its inverse.
 */
export function toPlainJson(type: avro.Type, value: unknown): unknown {
  if (typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0)))
    return { [NUMBER]: Object.is(value, -0) ? '-0' : String(value) }
  if (value instanceof Uint8Array) return { [BASE64]: Buffer.from(value).toString('base64') }
  const walked = walk(type as AnyType, value, toPlainJson)
  if (walked.tag === 'other') return value
  if (walked.tag === 'items') return walked.items
  return Object.fromEntries(walked.fields.filter(([, each]) => each !== null))
}

/** The value that `toPlainJson` wrote: fields that may be null, and are not there, are null. */
export function fromPlainJson(type: avro.Type, json: unknown): unknown {
  const [bytes, number] = [only(json, BASE64), only(json, NUMBER)]
  if (bytes !== undefined) return Buffer.from(bytes, 'base64')
  if (number !== undefined) return Number(number)
  const walked = walk(type as AnyType, json, fromPlainJson)
  if (walked.tag === 'other') return json
  if (walked.tag === 'items') return walked.items
  const nullable = ((branch(type as AnyType, json) ?? type) as AnyType).fields?.filter((field) => field.type.isValid(null)) ?? []
  return { ...Object.fromEntries(nullable.map(({ name }) => [name, null])), ...Object.fromEntries(walked.fields) }
}

type Walked =
  | { readonly tag: 'fields'; readonly fields: readonly (readonly [string, unknown])[] }
  | { readonly tag: 'items'; readonly items: readonly unknown[] }
  | { readonly tag: 'other' }

/** Applies a function to the parts of a value, each with its type. */
function walk(of: AnyType, value: unknown, apply: (type: avro.Type, value: unknown) => unknown): Walked {
  const type = branch(of, value)
  if (type?.itemsType !== undefined && Array.isArray(value)) {
    const { itemsType } = type
    return { tag: 'items', items: value.map((item) => apply(itemsType, item)) }
  }
  if (typeof value !== 'object' || value === null || type === undefined) return { tag: 'other' }
  const types = new Map(type.fields?.map((field) => [field.name, field.type]))
  const entries = Object.entries(value).map(([name, each]) => {
    const own = types.get(name) ?? type.valuesType
    return [name, own === undefined ? each : apply(own, each)] as const
  })
  return { tag: 'fields', fields: entries }
}

/**
 * The type itself, or of a union the branch of the value: the only one that is not null. With
 * several, avsc wraps or finds it by the value's own form, and it stays as it is.
 */
function branch(type: AnyType, value: unknown): AnyType | undefined {
  if (type.types === undefined) return (type.fields ?? type.itemsType ?? type.valuesType) ? type : undefined
  const others = type.types.filter((each) => each.typeName !== 'null')
  return value === null || others.length !== 1 ? undefined : branch(others[0] as AnyType, value)
}

/** The text of an object that has nothing but this field. */
function only(json: unknown, field: string): string | undefined {
  if (typeof json !== 'object' || json === null || Object.keys(json).length !== 1) return undefined
  const value = (json as Record<string, unknown>)[field]
  return typeof value === 'string' ? value : undefined
}
