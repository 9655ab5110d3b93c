import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { CONTINUITY } from '../../processors/continuity/declaration.ts'
import { projectRoot } from '../../schemas/files.ts'
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
export function requireNewName(kind: Kind, name: string, folder: string, configured: readonly string[]): void {
  const shown = JSON.stringify(name)
  if (!NAME.test(name) || name.length > LONGEST)
    throw new ConfigError(`expected lower-case words joined by hyphens, at most ${LONGEST} characters, as in frost-watch; got ${shown}`)
  if (OWN.has(name) || isProcessor(name)) throw new ConfigError(`${shown} is a service of Millrace's own: expected another name`)
  if (kind === 'process') requireNewTable(name)
  const other = configured.find((entry) => serviceName(entry) === name && !isSameFolder(folderOf(entry), folder))
  if (other !== undefined) throw new ConfigError(`the configuration has a processor of the name ${shown} already, in ${other}`)
}

/**
 * The table of a process has its name, and is not quoted.
 * Source of the words: https://www.postgresql.org/docs/current/sql-keywords-appendix.html
 */
function requireNewTable(name: string): void {
  const table = tableName(name)
  const shown = JSON.stringify(name)
  if (RESERVED.has(table))
    throw new ConfigError(`${shown} is a word of SQL, which no table can be named by: expected another name, as in ${name}-log`)
  if (ownTables().has(table))
    throw new ConfigError(
      `${shown}: the app database has a table or view ${table} of Millrace's own: expected another name, as in own-${name}`,
    )
}

/** Reserved in PostgreSQL, as far as they are names. */
const RESERVED: ReadonlySet<string> = new Set(
  `all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation column concurrently
   constraint create cross current_catalog current_date current_role current_schema current_time current_timestamp current_user default
   deferrable desc distinct do else end except false fetch for foreign freeze from full grant group having ilike in initially inner
   intersect into is isnull join lateral leading left like limit localtime localtimestamp natural not notnull null offset on only or
   order outer overlaps placing primary references returning right select session_user similar some symmetric system_user table
   tablesample then to trailing true union unique user using variadic verbose when where window with`.split(/\s+/),
)

function ownTables(): ReadonlySet<string> {
  const folder = `${projectRoot}db/app`
  return new Set(
    readdirSync(folder).flatMap((file) =>
      [...readFileSync(`${folder}/${file}`, 'utf8').matchAll(/^CREATE (?:OR REPLACE )?(?:TABLE|VIEW)(?: IF NOT EXISTS)? (\w+)/gim)].map(
        ([, table]) => table as string,
      ),
    ),
  )
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
