import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { projectRoot } from '../../schemas/files.ts'
import { isObject } from '../../schemas/json.ts'
import { packageRoot } from '../../services/loading.ts'

/** Files by their path in the folder. */
export type Files = Readonly<Record<string, string>>

/** Where the code of a processor finds what it imports. */
export interface Imports {
  readonly avro: string
  readonly contract: string
  readonly process: string
  readonly topics: string
}

export const PROJECT_IMPORTS: Imports = { avro: '../avro.ts', contract: '../contract.ts', process: '../process.ts', topics: '../topics.ts' }

const DOOR = 'millrace/processor'
export const PACKAGE_IMPORTS: Imports = { avro: DOOR, contract: DOOR, process: DOOR, topics: DOOR }

const root = projectRoot.replace(/\/$/, '')

/**
 * Whether this directory is in Millrace's sources, where a new processor is a folder of
 * processors/. A package of its own that lies there is none of the sources, and neither is an
 * installed Millrace.
 */
export function inSources(directory: string): boolean {
  return existsSync(join(root, 'tsconfig.json')) && packageRoot(realpathSync(directory)) === root
}

/**
 * How a package names the Millrace that it depends on: like the package around it, if that one
 * names a version; else by the path of this installation, which npm links.
 * @param folder of the package, absolute and without symbolic links; it need not be there yet
 */
export function millraceDependency(folder: string): string {
  for (let place = dirname(folder); ; place = dirname(place)) {
    const named = dependencyOf(join(place, 'package.json'))
    if (named !== undefined && !/^(file|link|portal|https?|git[+:])|\//.test(named)) return named
    // Within one folder a relative path stays true when the folder is moved.
    if (root === join(place, 'node_modules', 'millrace')) return `file:${relative(folder, root)}`
    if (dirname(place) === place) return `file:${root}`
  }
}

function dependencyOf(file: string): string | undefined {
  if (!existsSync(file)) return undefined
  let found: unknown
  try {
    found = JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    // That package is somebody else's, and says nothing of Millrace.
    if (cause instanceof SyntaxError) return undefined
    throw cause
  }
  for (const kind of ['dependencies', 'devDependencies']) {
    const dependencies = isObject(found) ? found[kind] : undefined
    const named = isObject(dependencies) ? dependencies.millrace : undefined
    if (typeof named === 'string') return named
  }
  return undefined
}
