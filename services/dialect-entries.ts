import { existsSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { projectRoot } from '../schemas/files.ts'

/** The dialect of devices that publish the standard names. It is there unless it is taken out. */
const STANDARD = 'millrace-json'

const source = z
  .string()
  .regex(
    /^(?:[a-z][a-z0-9-]*|.*\/.*|.*\.ya?ml)$/,
    'expected the name of a dialect that Millrace comes with, or a path to a file or folder, as in ./dialects',
  )
const dialect = z.union([
  source,
  z.strictObject({
    use: source,
    topics: z.array(z.string().min(1)).min(1).optional(),
    zone: z.string().min(1).optional(),
  }),
  z.strictObject({ name: z.string().min(1), enabled: z.boolean() }),
])

/** The setting `dialects`. */
export const dialectSettings = z
  .union([dialect, z.array(dialect)])
  .default([STANDARD])
  .describe(
    "What devices with firmware of others send: names of dialects that Millrace comes with, paths of files or folders from this file, or `{ use, topics, zone }` for a site's own topics or time zone. If two take a topic, the first does. Files are looked at again every 2 seconds. `{ name: millrace-json, enabled: false }` takes out the dialect that is always there.",
  )

/** A dialect, or a folder of them. */
export interface DialectEntry {
  /** Of a file, or of a folder with files. */
  readonly path: string
  /** What takes the place of the dialect's own. */
  readonly site: { readonly topics?: readonly string[]; readonly zone?: string }
  /** It is there by itself, and gives way to another dialect of its name. */
  readonly implied?: true
}

const SHIPPED = join(projectRoot, 'schemas', 'dialects')

/**
 * The files and folders of the setting, in its order.
 * @param folder that paths begin at
 * @param standardTopics topics of the standard dialect if the setting gives it none; its own if
 *   undefined
 * @throws RangeError that names an entry whose file does not exist
 */
export function dialectEntries(
  folder: string,
  given: z.output<typeof dialectSettings>,
  standardTopics?: readonly string[],
): readonly DialectEntry[] {
  const entries: DialectEntry[] = []
  const named = new Set<string>()
  for (const entry of Array.isArray(given) ? given : [given]) {
    if (typeof entry === 'object' && 'name' in entry) {
      named.add(entry.name)
      if (entry.enabled) entries.push({ path: pathOf(folder, entry.name), site: {} })
      continue
    }
    const { use, topics, zone } = typeof entry === 'string' ? { use: entry } : entry
    named.add(use)
    const site = { ...(topics === undefined ? {} : { topics }), ...(zone === undefined ? {} : { zone }) }
    entries.push({ path: pathOf(folder, use), site })
  }
  if (!named.has(STANDARD)) entries.push({ path: pathOf(folder, STANDARD), site: {}, implied: true })
  if (standardTopics === undefined) return entries
  const standard = pathOf(folder, STANDARD)
  return entries.map((entry) => (entry.path === standard ? { ...entry, site: { topics: standardTopics, ...entry.site } } : entry))
}

function pathOf(folder: string, use: string): string {
  const isPath = use.includes('/') || /\.ya?ml$/.test(use)
  const path = isPath ? resolve(folder, use) : join(SHIPPED, `${use}.yaml`)
  if (existsSync(path)) return path
  const shipped = readdirSync(SHIPPED).filter((name) => name.endsWith('.yaml'))
  const known = shipped.map((name) => name.slice(0, -'.yaml'.length)).sort()
  throw new RangeError(
    isPath
      ? `there is no ${path}: expected a file or folder`
      : `there is no dialect "${use}": expected one of ${known.join(', ')}, or a path, as in ./dialects`,
  )
}
