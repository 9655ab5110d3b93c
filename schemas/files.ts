import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Dialect } from './dialect.ts'
import { type Firmware, parseFirmware } from './firmware.ts'
import { parseDialect } from './parse-dialect.ts'
import { parseQuantities, type Quantity } from './quantities.ts'

/** The project's root: compiled, this file is dist/schemas/files.js. */
export const projectRoot = fileURLToPath(new URL('../../', import.meta.url))

/** An .avsc file. */
export interface SchemaFile {
  /** Relative to the project's root; of a file that was named, as it was named. */
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

/** A firmware and the file that declares it. */
export interface FirmwareFile {
  readonly file: SchemaFile
  readonly firmware: Firmware
}

/** Every firmware of schemas/firmware/, by name. */
export function readFirmwares(): readonly FirmwareFile[] {
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

/**
 * Firmwares of files of one's own, wherever they are: all .avsc of a folder, by name. A file may
 * have any name.
 * @param quantities names of the standard quantities that there are
 * @throws SchemaFileError that names the file, and what was expected
 */
export function readFirmwareFiles(paths: readonly string[], quantities: ReadonlySet<string>): readonly FirmwareFile[] {
  const owners = new Map<string, string>()
  return paths.flatMap(schemaFilesOf).map((path) => {
    const json = inFile(path, () => JSON.parse(readFileSync(path, 'utf8')) as unknown)
    const firmware = inFile(path, () => parseFirmware(json, quantities))
    const owner = owners.get(firmware.fullName)
    if (owner !== undefined) throw new SchemaFileError(path, `${owner} has ${firmware.fullName} too: expected it in one file`)
    owners.set(firmware.fullName, path)
    return { file: { path, json }, firmware }
  })
}

function schemaFilesOf(path: string): readonly string[] {
  return inFile(path, () => {
    if (!statSync(path).isDirectory()) return [path]
    const names = readdirSync(path).filter((name) => name.endsWith('.avsc') && !name.startsWith('.'))
    if (names.length === 0) throw new Error('expected at least one .avsc file in the folder, got none')
    return names.sort().map((name) => join(path, name))
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
