import { mkdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { avroTypes } from '../../schemas/avro-types.ts'
import { projectRoot } from '../../schemas/files.ts'
import { ConfigError } from '../../services/config.ts'
import { type Kind, requireNewName } from './name.ts'
import { packageFiles } from './package-files.ts'
import { type Files, inSources, millraceDependency, PACKAGE_IMPORTS, PROJECT_IMPORTS } from './place.ts'
import { processFiles, processTest, projectProcessTest } from './process-files.ts'
import { processorFiles, processorTest, projectProcessorTest } from './processor-files.ts'
import { typesOf } from './types.ts'

export interface Created {
  readonly folder: string
  /** Whether it is a folder of processors/, and not a package of its own. */
  readonly inSources: boolean
  /** Paths in the folder. */
  readonly files: readonly string[]
}

/**
 * Creates the folder of a new processor: in Millrace's sources a folder of processors/, elsewhere a
 * package in this directory.
 * @param configured `processors` of the configuration
 * @throws ConfigError if the name cannot be used, or its folder is there already: nothing is
 *   overwritten
 */
export function createProcessor(kind: Kind, name: string, directory: string, configured: readonly string[]): Created {
  const sources = inSources(directory)
  const folder = join(sources ? `${projectRoot}processors` : realpathSync(directory), name)
  requireNewName(kind, name, folder, configured)
  const files = sources ? projectFiles(kind, name) : ownFiles(kind, name, folder)
  write(folder, files)
  return { folder, inSources: sources, files: Object.keys(files).sort() }
}

function ownFiles(kind: Kind, name: string, folder: string): Files {
  const own =
    kind === 'processor'
      ? { ...processorFiles(name, PACKAGE_IMPORTS), 'processor.test.ts': processorTest(name) }
      : { ...processFiles(name, PACKAGE_IMPORTS), 'process.test.ts': processTest(name) }
  const types = schemas(own).map(([path, text]) => [generatedPath(path), typesOf(path, text)])
  return { ...own, ...Object.fromEntries(types), ...packageFiles(kind, name, millraceDependency(folder)) }
}

/** As `make generate` writes them. */
function projectFiles(kind: Kind, name: string): Files {
  const own =
    kind === 'processor'
      ? { ...processorFiles(name, PROJECT_IMPORTS), 'processor.test.ts': projectProcessorTest(name) }
      : { ...processFiles(name, PROJECT_IMPORTS), 'process.test.ts': projectProcessTest(name) }
  const types = schemas(own).map(([path, text]) => [
    generatedPath(path),
    avroTypes(JSON.parse(text), `processors/${name}/${path}`, '../../../schemas/avro-schema.ts'),
  ])
  return { ...own, ...Object.fromEntries(types) }
}

function schemas(files: Files): readonly (readonly [path: string, text: string])[] {
  return Object.entries(files).filter(([path]) => path.endsWith('.avsc'))
}

function generatedPath(schema: string): string {
  return `generated/${schema.slice(0, -'.avsc'.length)}.ts`
}

/** All files or none. */
function write(folder: string, files: Files): void {
  try {
    // Of two that create it at once, one gets it.
    mkdirSync(folder)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause
    throw new ConfigError(`${folder} is there already: expected another name, or another folder to call it in`)
  }
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), text, { flag: 'wx' })
    }
  } catch (cause) {
    rmSync(folder, { recursive: true, force: true })
    throw cause
  }
}
