import type { ArchiveKind } from '../../processors/store/archive-figures.ts'
import type { Cell } from '../rows/row.ts'

/** A field of a record as a column. */
export interface FieldColumn {
  readonly name: string
  readonly kind: ArchiveKind
  readonly cell: (value: unknown) => Cell
}

interface Annotated {
  readonly type?: unknown
  readonly logicalType?: string
}

const WHOLE = new Set(['int', 'long'])
const DOUBLE = new Set(['float', 'double'])
const MICROS_PER_MS = 1000

/**
 * A column for a field of an Avro record: what has no kind of its own, such as a list, is JSON;
 * bytes are base64.
 */
export function fieldColumn(name: string, type: unknown): FieldColumn {
  const [kind, cell] = shape(unwrapped(type))
  return { name, kind, cell: (value) => (value === null || value === undefined ? null : cell(value)) }
}

/** As JSON, bytes as base64. */
export function json(value: unknown): string {
  return JSON.stringify(value, function (this: unknown, key: string, each: unknown) {
    // JSON.stringify has made an object of bytes before it asks.
    const own = (this as Readonly<Record<string, unknown>>)[key]
    if (Buffer.isBuffer(own)) return own.toString('base64')
    return typeof each === 'bigint' ? String(each) : each
  })
}

/** A field that may be null is one of its other type. */
function unwrapped(type: unknown): unknown {
  if (!Array.isArray(type)) return type
  const others = type.filter((each) => each !== 'null')
  return others.length === 1 ? others[0] : type
}

function shape(type: unknown): readonly [kind: ArchiveKind, cell: (value: unknown) => Cell] {
  const { type: inner, logicalType } = (typeof type === 'object' && !Array.isArray(type) ? type : { type }) as Annotated
  if (logicalType === 'timestamp-micros') return ['timestamp', (value) => value as number]
  if (logicalType === 'timestamp-millis') return ['timestamp', (value) => (value as number) * MICROS_PER_MS]
  if (inner === 'boolean') return ['boolean', (value) => value as boolean]
  if (WHOLE.has(String(inner))) return ['whole', (value) => value as number]
  if (DOUBLE.has(String(inner))) return ['double', (value) => value as number]
  if (inner === 'string' || inner === 'enum') return ['text', (value) => value as string]
  if (inner === 'bytes' || inner === 'fixed') return ['text', (value) => (value as Buffer).toString('base64')]
  return ['text', json]
}
