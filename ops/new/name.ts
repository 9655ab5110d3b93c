import { createHash } from 'node:crypto'
import { existsSync, realpathSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { CONTINUITY } from '../../processors/continuity/declaration.ts'
import { ConfigError } from '../../services/config.ts'
import { folderOf, isProcessor, serviceName } from '../../services/loading.ts'

/** What is created: a stateless processor, or a business process. */
export type Kind = 'processor' | 'process'

/**
 * The name is that of a folder, a consumer group, topics, a table and, in camel case, a type. Most
 * characters: lines of code that name it twice stay within the 140 of a line.
 */
const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/
const LONGEST = 40
const OWN: ReadonlySet<string> = new Set(['bridge', 'store', CONTINUITY])

/**
 * Checks the name of a new processor.
 * @param folder that it gets
 * @param configured `processors` of the configuration
 * @throws ConfigError that names what is wrong with it
 */
export function requireNewName(name: string, folder: string, configured: readonly string[]): void {
  const shown = JSON.stringify(name)
  if (!NAME.test(name) || name.length > LONGEST)
    throw new ConfigError(`expected lower-case words joined by hyphens, at most ${LONGEST} characters, as in frost-watch; got ${shown}`)
  if (OWN.has(name) || isProcessor(name)) throw new ConfigError(`${shown} is a service of Millrace's own: expected another name`)
  const other = configured.find((entry) => serviceName(entry) === name && !isSameFolder(folderOf(entry), folder))
  if (other !== undefined) throw new ConfigError(`the configuration has a processor of the name ${shown} already, in ${other}`)
}

/** Neither need be there yet, and one of the paths may lead through symbolic links. */
function isSameFolder(one: string, other: string): boolean {
  const [first, second] = [one, other].map((folder) => (existsSync(dirname(folder)) ? realpathSync(dirname(folder)) : dirname(folder)))
  return first === second && basename(one) === basename(other)
}

/** frost-watch as FrostWatch. */
export function typeName(name: string): string {
  return name
    .split('-')
    .map((word) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`)
    .join('')
}

/** frost-watch as frostWatch. */
export function valueName(name: string): string {
  const type = typeName(name)
  return `${type.charAt(0).toLowerCase()}${type.slice(1)}`
}

/** frost-watch as frost_watch. */
export function tableName(name: string): string {
  return name.replaceAll('-', '_')
}

/**
 * A port for its metrics, from 9500 to 9999: the same for the same name, and hardly that of another
 * processor. Millrace's own services are below.
 */
export function portOf(name: string): number {
  return 9500 + (createHash('sha256').update(name).digest().readUInt32BE() % 500)
}
