import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Dialect } from './dialect.ts'
import { type Firmware, parseFirmware } from './firmware.ts'
import { parseDialect } from './parse-dialect.ts'
import { parseQuantities, type Quantity } from './quantities.ts'

/** The project's root: compiled, this file is dist/schemas/files.js. */
export const projectRoot = fileURLToPath(new URL('../../', import.meta.url))

/** An .avsc file. */
export interface SchemaFile {
  /** Relative to the project's root. */
  readonly path: string
  readonly json: unknown
}

/**
 * A schema file that is not what it must be. The message names the file, the place in it and what
 * was expected.
 */
export class SchemaFileError extends Error {
  readonly code = 'SCHEMA_FILE'
  readonly transient = false
  constructor(path: string, cause: unknown) {
    super(`${path}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

/** Reads `schemas/<name>.avsc`. */
export function readSchema(name: string): SchemaFile {
  return readSchemaFile(`schemas/${name}.avsc`)
}

/** The schemas that processors have in their own folders, and the examples. */
export function readOwnSchemas(): readonly SchemaFile[] {
  return ['processors', 'examples']
    .filter((room) => existsSync(`${projectRoot}${room}`))
    .flatMap((room) => readdirSync(`${projectRoot}${room}`, { recursive: true, encoding: 'utf8' }).map((file) => `${room}/${file}`))
    .filter((path) => path.endsWith('.avsc'))
    .sort()
    .map(readSchemaFile)
}

function readSchemaFile(path: string): SchemaFile {
  const text = readFileSync(`${projectRoot}${path}`, 'utf8')
  return { path, json: inFile(path, () => JSON.parse(text) as unknown) }
}

function inFile<Result>(path: string, read: () => Result): Result {
  try {
    return read()
  } catch (cause) {
    throw new SchemaFileError(path, cause)
  }
}

/** The standard quantities, from schemas/readings.avsc. */
export function readQuantities(): readonly Quantity[] {
  const { path, json } = readSchema('readings')
  return inFile(path, () => parseQuantities(json))
}

/** Every firmware of schemas/firmware/, by name. */
export function readFirmwares(): readonly { readonly file: SchemaFile; readonly firmware: Firmware }[] {
  const quantities = new Set(readQuantities().map(({ name }) => name))
  return readdirSync(`${projectRoot}schemas/firmware`)
    .filter((name) => name.endsWith('.avsc'))
    .sort()
    .map((name) => {
      const id = name.slice(0, -'.avsc'.length)
      const file = readSchema(`firmware/${id}`)
      const firmware = inFile(file.path, () => parseFirmware(file.json, quantities))
      if (firmware.id !== id) throw new SchemaFileError(file.path, `the file must be named ${firmware.id}.avsc after its schema`)
      return { file, firmware }
    })
}

/** Every dialect of schemas/dialects/, by name. */
export function readDialects(): readonly Dialect[] {
  return readdirSync(`${projectRoot}schemas/dialects`)
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .map((name) => {
      const path = `schemas/dialects/${name}`
      const dialect = parseDialect(readFileSync(`${projectRoot}${path}`, 'utf8'), path)
      if (`${dialect.name}.yaml` !== name) throw new SchemaFileError(path, `the file must be named ${dialect.name}.yaml after its dialect`)
      return dialect
    })
}
