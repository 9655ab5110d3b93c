import { isObject } from '../../schemas/json.ts'
import { parseTimestamp } from './timestamp.ts'

/** Samples of one JSON message, in its order. */
export interface JsonSamples {
  readonly count: number
  /** Milliseconds since 1970 of each sample; undefined where the message gives no times. */
  readonly timesMs: readonly number[] | undefined
  /** Values by quantity, each as long as there are samples, NaN where a sample has no reading. Only quantities that have one. */
  readonly columns: ReadonlyMap<string, Float64Array>
}

/** A message that is not what the bridge takes. Its text is the dead letter's detail: it names sample, field, and what was expected. */
export class JsonRefusal extends Error {}

/** More would not tell anybody more. */
const SHOWN_CHARACTERS = 100

/**
 * Reads `{"ts": …, "<quantity>": number | null, …}` or an array of such. Times are in all samples or in none.
 * @param quantities names of the standard quantities
 * @throws JsonRefusal
 */
export function parseJsonSamples(text: string, quantities: ReadonlySet<string>): JsonSamples {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (cause) {
    throw new JsonRefusal(`expected JSON: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
  const samples: readonly unknown[] = Array.isArray(parsed) ? parsed : [parsed]
  if (samples.length === 0) throw new JsonRefusal('expected at least one sample, got an empty array')
  const timesMs: number[] = []
  const columns = new Map<string, Float64Array>()
  samples.forEach((sample, index) => {
    const where = Array.isArray(parsed) ? `sample ${index}: ` : ''
    readSample(sample, index, where, samples.length, quantities, timesMs, columns)
    if (timesMs.length !== 0 && timesMs.length !== index + 1) throw new JsonRefusal(`${where}expected "ts" in all samples or in none`)
  })
  if (columns.size === 0) throw new JsonRefusal(`expected at least one quantity with a number, got ${shown(parsed)}`)
  return { count: samples.length, timesMs: timesMs.length === 0 ? undefined : timesMs, columns }
}

function readSample(
  sample: unknown,
  index: number,
  where: string,
  count: number,
  quantities: ReadonlySet<string>,
  timesMs: number[],
  columns: Map<string, Float64Array>,
): void {
  if (!isObject(sample)) throw new JsonRefusal(`${where}expected an object, got ${shown(sample)}`)
  for (const name of Object.keys(sample)) {
    const value = sample[name]
    if (name === 'ts') {
      const timeMs = parseTimestamp(value)
      if (timeMs === undefined)
        throw new JsonRefusal(`${where}"ts": expected ISO 8601 with an offset or Z, or milliseconds since 1970, got ${shown(value)}`)
      timesMs.push(timeMs)
      continue
    }
    if (!quantities.has(name))
      throw new JsonRefusal(`${where}${shown(name)} is no standard quantity; expected ${[...quantities].join(', ')}`)
    if (value === null) continue
    // JSON has no infinity, but 1e999 is read as one.
    if (typeof value !== 'number' || !Number.isFinite(value))
      throw new JsonRefusal(`${where}${shown(name)}: expected a finite number or null, got ${shown(value)}`)
    let column = columns.get(name)
    if (column === undefined) {
      column = new Float64Array(count).fill(Number.NaN)
      columns.set(name, column)
    }
    column[index] = value
  }
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text
}
