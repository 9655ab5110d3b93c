import { isObject } from '../../schemas/json.ts'

/** A value that is compared as it is. */
export type Scalar = string | number | boolean | null

/** What is compared: a sample of readings, or a record of any other topic. */
export interface Item {
  /** What names it among the outputs of an input; the same for all if nothing does. */
  readonly id: string
  readonly device: string | null
  /** Microseconds since 1970, as a rule; null if it has no `ts`. */
  readonly ts: number | null
  readonly fields: ReadonlyMap<string, Scalar>
}

/**
 * The samples of a record of readings, each with the head of its record.
 * @param value as Avro decoded it by its writer's schema
 */
export function readingItems(value: unknown): readonly Item[] {
  if (!isObject(value) || !Array.isArray(value.samples)) throw new TypeError('expected a record of readings, with samples')
  const { samples, ...head } = value
  return (samples as readonly unknown[]).map((sample) => itemOf({ ...head, ...(isObject(sample) ? sample : {}) }))
}

/** A record of any topic. */
export function recordItems(value: unknown): readonly Item[] {
  return [itemOf(isObject(value) ? value : { value })]
}

function itemOf(record: Readonly<Record<string, unknown>>): Item {
  const fields = new Map<string, Scalar>()
  flatten('', record, fields)
  const [device, ts] = [fields.get('device_id'), fields.get('ts')]
  const named = typeof device === 'string' && typeof ts === 'number'
  return {
    id: named ? `${device} ${ts}` : '',
    device: typeof device === 'string' ? device : null,
    ts: typeof ts === 'number' ? ts : null,
    fields,
  }
}

/** Fields of records in records are named with dots. A list is one value. */
function flatten(prefix: string, record: Readonly<Record<string, unknown>>, to: Map<string, Scalar>): void {
  for (const [name, value] of Object.entries(record)) {
    const path = `${prefix}${name}`
    if (value === null || value === undefined) to.set(path, null)
    else if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') to.set(path, value)
    else if (value instanceof Uint8Array) to.set(path, Buffer.from(value).toString('hex'))
    else if (isObject(value)) flatten(`${path}.`, value, to)
    else to.set(path, JSON.stringify(value))
  }
}
