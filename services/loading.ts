import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type AnyProcessor, type DeclaredService, declareProcess, declareProcessor } from '../processors/declaration.ts'
import type { BusinessProcess } from '../processors/process.ts'
import { projectRoot } from '../schemas/files.ts'
import { isObject } from '../schemas/json.ts'
import { ConfigError } from './config.ts'

/** The name is also that of a consumer group, and a part of names of topics. */
const NAME = /^[a-z][a-z0-9-]*$/

/** Name of the service of an entry of `processors`: that of its folder. */
export function serviceName(entry: string): string {
  return basename(entry)
}

/** Whether a folder, by its name or path, has a processor or a business process. */
export function isProcessor(entry: string): boolean {
  return find(entry) !== undefined
}

/**
 * Loads a folder's processor or business process, and what it declares.
 * @param entry name of a folder of processors/, or path to a folder
 * @throws ConfigError that names what was looked for
 */
export async function loadProcessor(entry: string): Promise<DeclaredService> {
  requireProcessor(entry)
  const file = find(entry) as string
  const { processor, businessProcess } = await load(file)
  const name = serviceName(entry)
  if (isObject(processor)) return declareProcessor(name, processor as unknown as AnyProcessor)
  if (isObject(businessProcess)) {
    const migrations = join(folderOf(entry), 'migrations')
    // One that was built before processes had outputs has none.
    const declared = declareProcess(name, { to: {}, ...businessProcess } as unknown as BusinessProcess<unknown>)
    return existsSync(migrations) ? { ...declared, migrations } : declared
  }
  throw new ConfigError(`${file}: expected an export named processor or businessProcess`)
}

/** @throws ConfigError that names what was looked for */
export function requireProcessor(entry: string): void {
  if (isProcessor(entry)) return
  const files = NAME.test(serviceName(entry)) ? candidates(entry) : []
  const expected =
    files.length === 0
      ? 'a name such as frost-alert, or a path to a folder of such a name'
      : new Intl.ListFormat('en', { type: 'disjunction' }).format(files)
  const unbuilt = SOURCES.some((source) => existsSync(join(folderOf(entry), source)))
  const own = !entry.includes('/') && SOURCES.some((source) => existsSync(join(entry, source)))
  if (own)
    throw new ConfigError(
      `there is no processor "${entry}" in \`processors:\` of the configuration: add ./${entry}, which is here, to that list in millrace.yaml, or give its path`,
    )
  throw new ConfigError(
    `there is no processor "${entry}": expected ${expected}${unbuilt ? `; ${folderOf(entry)} is not built: run \`npm run build\` there` : ''}`,
  )
}

const SOURCES = ['processor.ts', 'process.ts'] as const

interface Loaded {
  readonly processor?: unknown
  readonly businessProcess?: unknown
}

/** What a package that was not installed lacks. */
const NOT_INSTALLED: ReadonlySet<unknown> = new Set(['ERR_MODULE_NOT_FOUND', 'ERR_PACKAGE_PATH_NOT_EXPORTED'])

async function load(file: string): Promise<Loaded> {
  try {
    return (await import(pathToFileURL(file).href)) as Loaded
  } catch (cause) {
    if (!(cause instanceof Error) || !NOT_INSTALLED.has((cause as NodeJS.ErrnoException).code)) throw cause
    throw new ConfigError(`${file} imports what is not there; run \`npm install\` in its package: ${cause.message}`)
  }
}

/** The file that is loaded: the first that exists. */
function find(entry: string): string | undefined {
  // A name must be a single folder: an empty name, or one with dots, would lead elsewhere.
  return NAME.test(serviceName(entry)) ? candidates(entry).find((file) => existsSync(file)) : undefined
}

/** The folder of an entry of `processors`: of processors/ if it is a name. */
export function folderOf(entry: string): string {
  return entry.includes('/') ? resolve(entry) : join(projectRoot, 'processors', entry)
}

/**
 * Where the JavaScript of a folder may be, in this order: if the folder is a package that names its
 * entry (`exports` or `main` of its package.json), there and nowhere else; in dist/ of the package
 * that the folder is in, at the same place as in the package; in the folder itself. Millrace's own
 * folders are in a package like any other.
 */
function candidates(entry: string): readonly string[] {
  const folder = folderOf(entry)
  const root = packageRoot(folder)
  if (root === folder) {
    const main = entryOf(join(root, 'package.json'))
    if (main !== undefined) return [resolve(root, main)]
  }
  const built = root === undefined ? [] : [join(root, 'dist', relative(root, folder))]
  return [...built, folder].flatMap((place) => [join(place, 'processor.js'), join(place, 'process.js')])
}

/** The folder of the package that this folder is in: where its package.json is. */
export function packageRoot(folder: string): string | undefined {
  for (let place = folder; ; place = dirname(place)) {
    if (existsSync(join(place, 'package.json'))) return place
    if (dirname(place) === place) return undefined
  }
}

/** @throws ConfigError if it is no JSON */
function entryOf(file: string): string | undefined {
  const { exports, main } = packageAt(file)
  const root = isObject(exports) && '.' in exports ? exports['.'] : exports
  const named = isObject(root) ? (root.import ?? root.default) : root
  if (typeof named === 'string') return named
  return typeof main === 'string' ? main : undefined
}

function packageAt(file: string): Readonly<Record<string, unknown>> {
  try {
    const found: unknown = JSON.parse(readFileSync(file, 'utf8'))
    return isObject(found) ? found : {}
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause
    throw new ConfigError(`${file}: ${cause.message}`)
  }
}
