import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { avroTypes } from '../../schemas/avro-types.ts'
import { SchemaFileError } from '../../schemas/files.ts'
import { ConfigError } from '../../services/config.ts'

/** A generated file. */
export interface TypesFile {
  /** In the folder. */
  readonly path: string
  readonly text: string
  /** Whether the folder has it so. */
  readonly current: boolean
}

const LEFT_OUT: ReadonlySet<string> = new Set(['node_modules', 'dist', 'generated'])

/**
 * The types of every .avsc file of a package, each in generated/ beside its file.
 * @throws SchemaFileError that names the file and the place in it; ConfigError if there is no such
 *   folder
 */
export function packageTypes(folder: string): readonly TypesFile[] {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) throw new ConfigError(`expected a folder, got ${folder}`)
  return schemasIn(folder, '').map((path) => {
    const generated = join(dirname(path), 'generated', `${basename(path, '.avsc')}.ts`)
    const text = typesOf(path, readFileSync(join(folder, path), 'utf8'))
    return { path: generated, text, current: textOf(join(folder, generated)) === text }
  })
}

/** Writes what is not current. */
export function writeTypes(folder: string, files: readonly TypesFile[]): void {
  for (const { path, text, current } of files) {
    if (current) continue
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
}

/** @param path of the .avsc file in its package */
export function typesOf(path: string, schema: string): string {
  try {
    return avroTypes(JSON.parse(schema), path, 'millrace/processor', 'millrace generate')
  } catch (cause) {
    throw new SchemaFileError(path, cause)
  }
}

function schemasIn(folder: string, within: string): readonly string[] {
  return readdirSync(join(folder, within), { withFileTypes: true })
    .filter(({ name }) => !name.startsWith('.') && !LEFT_OUT.has(name))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(within, entry.name)
      if (entry.isDirectory()) return schemasIn(folder, path)
      return entry.name.endsWith('.avsc') ? [path] : []
    })
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw cause
  }
}
