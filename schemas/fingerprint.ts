/**
 * Parsing canonical form and CRC-64-AVRO fingerprints (Avro 1.12 specification, "Parsing Canonical
 * Form" and "Schema Fingerprints").
 */

import { isObject } from './json.ts'

const EMPTY = 0xc15d213aa4d7a795n

const table: readonly bigint[] = Array.from({ length: 256 }, (_, byte) => {
  let fingerprint = BigInt(byte)
  for (let bit = 0; bit < 8; bit++) {
    fingerprint = (fingerprint >> 1n) ^ (fingerprint & 1n ? EMPTY : 0n)
  }
  return fingerprint
})

/** Fingerprint of bytes: a 64-bit unsigned integer. */
export function crc64Avro(bytes: Uint8Array): bigint {
  let fingerprint = EMPTY
  for (const byte of bytes) {
    const entry = table[Number((fingerprint ^ BigInt(byte)) & 0xffn)] ?? 0n
    fingerprint = (fingerprint >> 8n) ^ entry
  }
  return fingerprint
}

/** The fingerprint of a schema as it stands in a single-object header: 8 bytes, little-endian. */
export function schemaFingerprint(schema: unknown): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(crc64Avro(Buffer.from(canonicalForm(schema), 'utf8')))
  return bytes
}

const KEPT = ['name', 'type', 'fields', 'symbols', 'items', 'values', 'size'] as const
const NAMED = new Set(['record', 'error', 'enum', 'fixed'])

/** A schema's parsing canonical form: only what decides how its data is read, in one spelling. */
export function canonicalForm(schema: unknown): string {
  return JSON.stringify(canonical(schema, ''))
}

function canonical(schema: unknown, namespace: string): unknown {
  if (typeof schema === 'string') return PRIMITIVES.has(schema) ? schema : fullName(schema, namespace)
  if (Array.isArray(schema)) return schema.map((branch) => canonical(branch, namespace))
  if (!isObject(schema)) throw new TypeError(`not an Avro schema: ${JSON.stringify(schema)}`)
  const type = schema.type
  if (typeof type !== 'string') return canonical(type, namespace)
  if (PRIMITIVES.has(type)) return type
  const form: Record<string, unknown> = {}
  let inner = namespace
  if (NAMED.has(type)) {
    const own = typeof schema.namespace === 'string' ? schema.namespace : namespace
    const name = fullName(String(schema.name), own)
    inner = name.slice(0, Math.max(0, name.lastIndexOf('.')))
    form.name = name
  }
  for (const attribute of KEPT) {
    if (attribute === 'name' || schema[attribute] === undefined) continue
    form[attribute] = canonicalAttribute(attribute, schema[attribute], inner)
  }
  return form
}

function canonicalAttribute(attribute: (typeof KEPT)[number], value: unknown, namespace: string): unknown {
  switch (attribute) {
    case 'fields':
      if (!Array.isArray(value)) throw new TypeError(`fields must be an array, not ${JSON.stringify(value)}`)
      return value.map((field: unknown) => {
        if (!isObject(field)) throw new TypeError(`a field must be an object, not ${JSON.stringify(field)}`)
        return { name: field.name, type: canonical(field.type, namespace) }
      })
    case 'items':
    case 'values':
      return canonical(value, namespace)
    case 'size':
      return Number(value)
    default:
      return value
  }
}

const PRIMITIVES = new Set(['null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string'])

function fullName(name: string, namespace: string): string {
  return name.includes('.') || namespace === '' ? name : `${namespace}.${name}`
}
