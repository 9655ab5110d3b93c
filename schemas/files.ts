import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Dialect } from './dialect.ts'
import { type Firmware, parseFirmware } from './firmware.ts'
import { ownQuantities } from './own-quantities.ts'
import { parseDialect } from './parse-dialect.ts'
import { parseQuantities, type Quantity } from './quantities.ts'
import { inFile, projectRoot, readSchema, readSchemaFile, type SchemaFile, SchemaFileError } from './schema-file.ts'

export { projectRoot, readSchema, type SchemaFile, SchemaFileError }

/** The schemas that processors have in their own folders, and the examples. */
export function readOwnSchemas(): readonly SchemaFile[] {
  return ['processors', 'examples']
    .filter((room) => existsSync(`${projectRoot}${room}`))
    .flatMap((room) => readdirSync(`${projectRoot}${room}`, { recursive: true, encoding: 'utf8' }).map((file) => `${room}/${file}`))
    .filter((path) => path.endsWith('.avsc'))
    .sort()
    .map(readSchemaFile)
}

/** The standard quantities, from schemas/readings.avsc, and after them those of the deployment. */
export function readQuantities(): readonly Quantity[] {
  const { path, json } = readSchema('readings')
  return [...inFile(path, () => parseQuantities(json)), ...ownQuantities()]
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
