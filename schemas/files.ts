import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Firmware, parseFirmware } from './firmware.ts'
import { parseQuantities, type Quantity } from './quantities.ts'

/** The project's root: compiled, this file is dist/schemas/files.js. */
export const projectRoot = fileURLToPath(new URL('../../', import.meta.url))

/** An .avsc file: its text is what gets registered. */
export interface SchemaFile {
  /** Relative to the project's root. */
  readonly path: string
  readonly text: string
  readonly json: unknown
}

/** Reads `schemas/<name>.avsc`. */
export function readSchema(name: string): SchemaFile {
  const path = `schemas/${name}.avsc`
  const text = readFileSync(`${projectRoot}${path}`, 'utf8')
  return { path, text, json: JSON.parse(text) as unknown }
}

/** The standard quantities, from schemas/readings.avsc. */
export function readQuantities(): readonly Quantity[] {
  return parseQuantities(readSchema('readings').json)
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
      const firmware = parseFirmware(file.json, quantities)
      if (firmware.id !== id) throw new Error(`${file.path}: the file must be named ${firmware.id}.avsc after its schema`)
      return { file, firmware }
    })
}
