import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { compileDialect } from '../../processors/translate/dialect.ts'
import type { CompiledDialect } from '../../processors/translate/translation.ts'
import { projectRoot } from '../../schemas/files.ts'
import { parseDialect, type Site } from '../../schemas/parse-dialect.ts'
import { ConfigError } from '../../services/config.ts'

/** The folder of the dialects that Millrace comes with. */
export const SHIPPED = join(projectRoot, 'schemas', 'dialects')

/** Where a dialect is, and what a site has changed of it. */
export interface DialectFile {
  readonly path: string
  readonly site: Site
}

/** The part of the configuration that lists dialects: files and folders. */
export interface ConfiguredDialects {
  readonly dialects: readonly DialectFile[]
}

/**
 * The dialects in files, or in folders.
 * @throws ConfigError that names what is not there
 */
export function dialectFiles(paths: readonly string[]): readonly DialectFile[] {
  return paths.flatMap((path) => {
    if (!existsSync(path)) throw new ConfigError(`there is no file or folder ${path}`)
    return filesOf(path).map((each) => ({ path: each, site: {} }))
  })
}

/** Those that Millrace comes with, and those of the configuration with what it changes of them. */
export function allDialectFiles({ dialects }: ConfiguredDialects): readonly DialectFile[] {
  const configured = dialects.flatMap(({ path, site }) => filesOf(path).map((each) => ({ path: each, site })))
  const own = configured.filter(({ path, site }) => dirname(path) !== SHIPPED || Object.keys(site).length > 0)
  return [...filesOf(SHIPPED).map((path) => ({ path, site: {} })), ...own]
}

/**
 * The dialect of a name, as the configuration uses it or as Millrace comes with it, or the one in a
 * file.
 * @throws ConfigError that lists the names there are
 */
export function findDialect(given: string, config: () => ConfiguredDialects): DialectFile {
  if (given.includes('/') || /\.ya?ml$/.test(given)) {
    if (!existsSync(given) || statSync(given).isDirectory()) throw new ConfigError(`there is no file ${given}`)
    return { path: given, site: {} }
  }
  const configured = config().dialects.flatMap(({ path, site }) => filesOf(path).map((each) => ({ path: each, site })))
  const named = (file: DialectFile): string => basename(file.path).replace(/\.ya?ml$/, '')
  const all = [...configured, ...filesOf(SHIPPED).map((path) => ({ path, site: {} }))]
  const found = all.find((file) => named(file) === given)
  if (found !== undefined) return found
  const names = [...new Set(all.map(named))].sort()
  throw new ConfigError(
    `there is no dialect ${JSON.stringify(given)}: expected a file, as in ./${given}.yaml, or one of ${names.join(', ')}`,
  )
}

/**
 * Reads and compiles a dialect.
 * @throws DialectError
 */
export function loadDialect({ path, site }: DialectFile): CompiledDialect {
  return compileDialect(parseDialect(readFileSync(path, 'utf8'), shownPath(path)), site)
}

/** From where the command runs, if it is below. */
export function shownPath(path: string): string {
  const from = relative(process.cwd(), path)
  return from.startsWith('..') ? path : from
}

function filesOf(path: string): readonly string[] {
  if (!existsSync(path)) return []
  if (!statSync(path).isDirectory()) return [path]
  return readdirSync(path)
    .filter((name) => /\.ya?ml$/.test(name) && !name.startsWith('.'))
    .sort()
    .map((name) => join(path, name))
}

/** The examples beside a dialect, in the order of their names. */
export function exampleFiles(dialect: string): readonly string[] {
  const folder = join(dirname(dialect), 'examples')
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json') && !name.startsWith('.'))
    .sort()
    .map((name) => join(folder, name))
}
