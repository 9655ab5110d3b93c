import { schemaFingerprint } from '../../schemas/fingerprint.ts'
import { isObject } from '../../schemas/json.ts'
import type { SchemaEntry } from './known-schemas.ts'
import type { SchemaVersion } from './registry.ts'

/** Which subject a schema belongs to: an entry under another one does not count. */
export type OwnSubject = (schema: unknown) => string

export type Judgement =
  | { readonly tag: 'accepted'; readonly entry: SchemaEntry }
  /** `why` names what is there and what was expected. */
  | { readonly tag: 'ignored'; readonly why: string }

const SHOWN_CHARACTERS = 100

/**
 * Judges one entry of a registry that others use too. If a schema counted under a subject that is
 * not its own, its attributes would hold for the frames of another firmware: two subjects with the
 * same fields once made 20 °C into 200 kg.
 */
export function judge(subject: string, found: SchemaVersion, ownSubject: OwnSubject): Judgement {
  const ignored = (why: string): Judgement => ({ tag: 'ignored', why })
  if (found.type !== 'AVRO') return ignored(`it is ${shown(found.type)}, expected AVRO`)
  if (found.references) return ignored('it refers to types of other subjects, expected a schema that is whole')
  if (!Number.isSafeInteger(found.id)) return ignored(`its ID is ${shown(found.id)}, expected an integer`)
  try {
    const json: unknown = JSON.parse(found.schema)
    const own = ownSubject(json)
    if (own !== subject) return ignored(`it is the schema of ${shown(own)}, and counts under that subject only`)
    const fingerprint = schemaFingerprint(json).toString('hex')
    return { tag: 'accepted', entry: { subject, version: found.version, id: found.id, text: found.schema, json, fingerprint } }
  } catch (cause) {
    // The error is of the parser, of the canonical form, or of the stack if the schema is nested
    // too deep. We can fix none of them.
    return ignored(`it cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
}

/** A named type's full name; undefined for a schema that has none. */
export function fullName(schema: unknown): string | undefined {
  if (!isObject(schema) || typeof schema.name !== 'string') return undefined
  if (schema.name.includes('.') || typeof schema.namespace !== 'string' || schema.namespace === '') return schema.name
  return `${schema.namespace}.${schema.name}`
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text
}
