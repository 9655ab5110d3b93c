import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RecordHeaders } from '../../processors/contract.ts'
import { avroType } from '../../schemas/avro-type.ts'
import type { Outputs, RecordOutcome } from './feed.ts'
import type { GivenLookups } from './given-lookups.ts'
import { fromPlainJson, toPlainJson } from './plain-json.ts'
import type { RecordContent, TestRecord } from './records.ts'

/**
 * A golden folder: what went in, what was looked up, and what came of it.
 *
 * - `input.ndjson`: a record a line, `{"key", "received", "schema", "value"}`: the value decoded,
 *   without its nulls. A datum that its schema would encode otherwise is `"datum"` in base64, and
 *   what is no Avro is `"bytes"`.
 * - `<id>.json` in `schemas`: what the records were written with, by ID in the registry.
 * - `lookups.json`: see GivenLookups.
 * - `expected.ndjson`: an output a line, `{"input", "output", "value"}` with the number of its
 *   record, and what was dropped.
 * - `expected-dead.ndjson`: a dead letter a line, `{"input", "reason", "detail"}`.
 */
export interface Golden {
  readonly records: readonly TestRecord[]
  readonly lookups: GivenLookups
}

/** An outcome as its lines say it: the values are JSON. */
export type GoldenOutcome = RecordOutcome

/** A file of a golden folder cannot be used. The message has its path and line. */
export class GoldenFolderError extends Error {
  readonly code = 'GOLDEN_FOLDER'
  readonly transient = false
}

const INPUT = 'input.ndjson'
const LOOKUPS = 'lookups.json'
const SCHEMAS = 'schemas'
const EXPECTED = 'expected.ndjson'
const EXPECTED_DEAD = 'expected-dead.ndjson'

interface InputLine {
  readonly key: string | null
  /** RFC 3339, or milliseconds since 1970 if that cannot be written so. */
  readonly received: string | number
  /** By name, base64. */
  readonly headers?: readonly (readonly [name: string, value: string | null])[]
  readonly schema?: number
  readonly value?: unknown
  readonly datum?: string
  readonly bytes?: string | null
}

interface ExpectedLine {
  readonly input: number
  readonly output?: string
  readonly key?: string | null
  readonly value?: unknown
  readonly dropped?: Readonly<Record<string, number>>
}

interface DeadLine {
  readonly input: number
  readonly reason: string
  readonly detail: string
  readonly samples?: readonly number[]
  readonly quantities?: readonly string[]
}

/**
 * Writes the input of a folder, which is created.
 * @throws GoldenFolderError if a schema has no ID, or two schemas have one
 */
export function writeGoldenInput(folder: string, { records, lookups }: Golden): void {
  const schemas = new Map<number, string>()
  const types = new Map<number, ReturnType<typeof avroType>>()
  const lines = records.map(({ key, timestampMs, headers, content }, index): InputLine => {
    const head = {
      key,
      received: receivedText(timestampMs),
      ...(headers === undefined || headers.length === 0 ? {} : { headers: headers.map(headerLine) }),
    }
    if (content.tag === 'bytes') return { ...head, bytes: content.bytes?.toString('base64') ?? null }
    const { id, json } = content.schema
    if (id === undefined) throw new GoldenFolderError(`record ${index}: expected its schema to have an ID`)
    const text = JSON.stringify(json, null, 2)
    if ((schemas.get(id) ?? text) !== text) throw new GoldenFolderError(`record ${index}: schema ID ${id} stands for two schemas`)
    schemas.set(id, text)
    const type = types.get(id) ?? avroType(json)
    types.set(id, type)
    return { ...head, schema: id, ...contentLine(type, content) }
  })
  mkdirSync(join(folder, SCHEMAS), { recursive: true })
  for (const [id, text] of schemas) writeFileSync(join(folder, SCHEMAS, `${id}.json`), `${text}\n`)
  writeFileSync(join(folder, LOOKUPS), `${JSON.stringify(lookups, null, 2)}\n`)
  writeLines(join(folder, INPUT), lines)
}

/** The value to read, if it stands for exactly these bytes; otherwise the bytes. */
function contentLine(
  type: ReturnType<typeof avroType>,
  content: Exclude<RecordContent, { tag: 'bytes' }>,
): Pick<InputLine, 'value' | 'datum'> {
  const datum = content.tag === 'datum' ? content.datum : type.toBuffer(content.value)
  try {
    const value = toPlainJson(type, type.fromBuffer(datum))
    const read: unknown = JSON.parse(JSON.stringify(value))
    if (type.toBuffer(fromPlainJson(type, read)).equals(datum)) return { value }
  } catch {
    // A datum that is malformed, or has numbers that JavaScript does not hold, is kept as it is.
  }
  return { datum: datum.toString('base64') }
}

/** @throws GoldenFolderError */
export function readGolden(folder: string): Golden {
  if (!existsSync(join(folder, INPUT))) throw new GoldenFolderError(`${folder}: expected a golden folder, with ${INPUT}`)
  const schemas = new Map<number, { readonly json: unknown; readonly type: ReturnType<typeof avroType> }>()
  const names = existsSync(join(folder, SCHEMAS)) ? readdirSync(join(folder, SCHEMAS)) : []
  for (const name of names) {
    const path = join(folder, SCHEMAS, name)
    const [, id] = /^(\d+)\.json$/.exec(name) ?? []
    if (id === undefined) throw new GoldenFolderError(`${path}: expected a name of the form <id>.json`)
    const json = parsed(path, readFileSync(path, 'utf8'))
    schemas.set(Number(id), { json, type: avroType(json) })
  }
  const records = readLines(join(folder, INPUT), (line, where): TestRecord => {
    const { key, received, headers, schema, value, datum, bytes } = line as InputLine
    const timestampMs = typeof received === 'number' ? received : Date.parse(received)
    if (Number.isNaN(timestampMs)) throw new GoldenFolderError(`${where}: "received": expected a time, got ${JSON.stringify(received)}`)
    const head = { key, timestampMs, ...(headers === undefined ? {} : { headers: headers.map(headerOf) }) }
    if (schema === undefined) {
      if (bytes === undefined) throw new GoldenFolderError(`${where}: expected "schema" with "value" or "datum", or "bytes"`)
      return { ...head, content: { tag: 'bytes', bytes: bytes === null ? null : Buffer.from(bytes, 'base64') } }
    }
    const own = schemas.get(schema)
    if (own === undefined) throw new GoldenFolderError(`${where}: there is no ${join(folder, SCHEMAS, `${schema}.json`)}`)
    const writer = { id: schema, json: own.json }
    if (datum !== undefined) return { ...head, content: { tag: 'datum', schema: writer, datum: Buffer.from(datum, 'base64') } }
    const whole = fromPlainJson(own.type, value)
    const wrong: string[] = []
    own.type.isValid(whole, {
      errorHook: (path, found) => void wrong.push(`"value"${path.map((each) => `.${each}`).join('')}: ${JSON.stringify(found)}`),
    })
    if (wrong.length > 0) throw new GoldenFolderError(`${where}: it is not what schema ${schema} says: ${wrong[0]}`)
    return { ...head, content: { tag: 'value', schema: writer, value: whole } }
  })
  const lookups = existsSync(join(folder, LOOKUPS)) ? parsed(join(folder, LOOKUPS), readFileSync(join(folder, LOOKUPS), 'utf8')) : {}
  return { records, lookups: lookups as GivenLookups }
}

/** Outcomes as the lines of a folder have them: values are JSON, without nulls. */
export function goldenOutcomes(outputs: Outputs, outcomes: readonly RecordOutcome[]): readonly GoldenOutcome[] {
  const types = new Map(Object.entries(outputs).map(([name, { schema }]) => [name, avroType(schema.json)]))
  return outcomes.map((outcome) => ({
    ...outcome,
    emitted: outcome.emitted.map(({ output, key, value }) => {
      const type = types.get(output)
      return { output, key, value: type === undefined ? value : toPlainJson(type, value) }
    }),
  }))
}

/** Writes what came of the records. */
export function writeExpected(folder: string, records: readonly TestRecord[], outcomes: readonly GoldenOutcome[]): void {
  const lines = outcomes.flatMap(({ emitted, dropped }, input): ExpectedLine[] => [
    ...emitted.map(({ output, key, value }) => ({ input, output, ...(key === records[input]?.key ? {} : { key }), value })),
    ...(Object.keys(dropped).length === 0 ? [] : [{ input, dropped }]),
  ])
  const dead = outcomes.flatMap(({ rejected }, input) =>
    rejected.map(
      ({ reason, detail, samples, quantities }): DeadLine => ({
        input,
        reason,
        detail,
        ...(samples.length === 0 ? {} : { samples }),
        ...(quantities.length === 0 ? {} : { quantities }),
      }),
    ),
  )
  writeLines(join(folder, EXPECTED), lines)
  writeLines(join(folder, EXPECTED_DEAD), dead)
}

/** @throws GoldenFolderError */
export function readExpected(folder: string, records: readonly TestRecord[]): readonly GoldenOutcome[] {
  const outcomes = records.map(() => ({
    emitted: [] as RecordOutcome['emitted'][number][],
    dropped: {} as Record<string, number>,
    rejected: [] as RecordOutcome['rejected'][number][],
  }))
  const of = (input: number, where: string) => {
    const outcome = outcomes[input]
    if (outcome === undefined)
      throw new GoldenFolderError(`${where}: expected "input" from 0 to ${records.length - 1}, got ${JSON.stringify(input)}`)
    return outcome
  }
  for (const file of [EXPECTED, EXPECTED_DEAD])
    if (!existsSync(join(folder, file)))
      throw new GoldenFolderError(`${join(folder, file)} is not there; MILLRACE_GOLDEN=rewrite writes what the processor gives now`)
  readLines(join(folder, EXPECTED), (line, where) => {
    const { input, output, key = records[input]?.key ?? null, value, dropped } = line as ExpectedLine
    const outcome = of(input, where)
    if (output !== undefined) outcome.emitted.push({ output, key, value })
    for (const [reason, times] of Object.entries(dropped ?? {})) outcome.dropped[reason] = (outcome.dropped[reason] ?? 0) + times
  })
  readLines(join(folder, EXPECTED_DEAD), (line, where) => {
    const { input, reason, detail, samples = [], quantities = [] } = line as DeadLine
    of(input, where).rejected.push({ reason, detail, samples, quantities })
  })
  return outcomes
}

function writeLines(path: string, lines: readonly object[]): void {
  writeFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
}

function readLines<Read>(path: string, read: (line: object, where: string) => Read): readonly Read[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .flatMap((text, index) => {
      if (text.trim() === '') return []
      const where = `${path}:${index + 1}`
      const line = parsed(where, text)
      if (typeof line !== 'object' || line === null) throw new GoldenFolderError(`${where}: expected an object, got ${text}`)
      return [read(line, where)]
    })
}

function parsed(where: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new GoldenFolderError(`${where}: expected JSON: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

function receivedText(ms: number): string | number {
  return Math.abs(ms) <= LATEST_MS ? new Date(ms).toISOString() : ms
}

/** Largest time that a Date has. */
const LATEST_MS = 8.64e15

function headerLine({ name, value }: RecordHeaders[number]): readonly [string, string | null] {
  return [name, value?.toString('base64') ?? null]
}

function headerOf([name, value]: readonly [string, string | null]): RecordHeaders[number] {
  return { name, value: value === null ? null : Buffer.from(value, 'base64') }
}
