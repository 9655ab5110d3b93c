/** One place in which two values differ. */
export interface Difference {
  /** As in `alerts[0].value.temperature`; empty for the whole value. */
  readonly field: string
  /** Undefined if the field is not there. */
  readonly expected: unknown
  readonly actual: unknown
}

/**
 * Where two plain values differ, by field, in the order of the expected one. Numbers are compared
 * exactly: 0 is not -0, and NaN is NaN. A field that is undefined is one that is not there.
 */
export function* differences(expected: unknown, actual: unknown, field = ''): Generator<Difference, void> {
  if (isList(expected) && isList(actual) && isBytes(expected) === isBytes(actual)) {
    for (let index = 0; index < Math.max(expected.length, actual.length); index++)
      yield* differences(expected[index], actual[index], `${field}[${index}]`)
    return
  }
  if (isRecord(expected) && isRecord(actual)) {
    for (const name of new Set([...Object.keys(expected), ...Object.keys(actual)]))
      yield* differences(expected[name], actual[name], field === '' ? name : `${field}.${name}`)
    return
  }
  if (!Object.is(expected, actual)) yield { field, expected, actual }
}

/**
 * A deep copy that holds nothing but plain objects, arrays, bytes and simple values: for comparing,
 * and for keeping what the owner may change.
 */
export function plainCopy(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plainCopy)
  // A slice of a Buffer is a view of it.
  if (Buffer.isBuffer(value)) return Buffer.from(value)
  if (isList(value)) return value.slice()
  if (isRecord(value)) return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plainCopy(each)]))
  return value
}

/** A value on one line, for a message. Long ones are cut. */
export function shownValue(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (Object.is(value, -0)) return '-0'
  if (typeof value === 'bigint' || (typeof value === 'number' && !Number.isFinite(value))) return String(value)
  const text = isBytes(value) ? `bytes ${Buffer.from(value).toString('hex')}` : (JSON.stringify(value) ?? String(value))
  return text.length <= LONGEST_SHOWN ? text : `${text.slice(0, LONGEST_SHOWN)}…`
}

const LONGEST_SHOWN = 200

type List = ArrayLike<unknown> & { slice(): unknown }

function isList(value: unknown): value is List {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView))
}

function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !isList(value)
}
