import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The project's root: compiled, this file is dist/schemas/schema-file.js. */
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

/** @param path relative to the project's root */
export function readSchemaFile(path: string): SchemaFile {
  const text = readFileSync(`${projectRoot}${path}`, 'utf8')
  return { path, json: inFile(path, () => JSON.parse(text) as unknown) }
}

/** @throws SchemaFileError for whatever `read` throws */
export function inFile<Result>(path: string, read: () => Result): Result {
  try {
    return read()
  } catch (cause) {
    throw new SchemaFileError(path, cause)
  }
}
