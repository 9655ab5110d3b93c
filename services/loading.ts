import { existsSync } from 'node:fs'
import { basename, join, relative, resolve, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type AnyProcessor, type DeclaredService, declareProcess, declareProcessor } from '../processors/declaration.ts'
import type { BusinessProcess } from '../processors/process.ts'
import { projectRoot } from '../schemas/files.ts'
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
  const [file, kind] = find(entry) as Found
  const module = (await import(pathToFileURL(file).href)) as { readonly processor?: unknown; readonly businessProcess?: unknown }
  const name = serviceName(entry)
  if (kind === 'process' && isObject(module.businessProcess))
    return declareProcess(name, module.businessProcess as BusinessProcess<unknown>)
  if (kind === 'processor' && isObject(module.processor)) return declareProcessor(name, module.processor as AnyProcessor)
  throw new ConfigError(`${file}: expected an export named ${kind === 'process' ? 'businessProcess' : 'processor'}`)
}

/** @throws ConfigError that names what was looked for */
export function requireProcessor(entry: string): void {
  if (isProcessor(entry)) return
  const files = NAME.test(serviceName(entry)) ? candidates(entry).map(([file]) => file) : []
  throw new ConfigError(
    `there is no processor "${entry}": expected ${files.length === 0 ? 'a name such as frost-alert, or a path to a folder of such a name' : files.join(' or ')}`,
  )
}

type Found = readonly [file: string, kind: 'processor' | 'process']

/** A name must be a single folder: an empty name, or one with dots, would lead elsewhere. */
function find(entry: string): Found | undefined {
  return NAME.test(serviceName(entry)) ? candidates(entry).find(([file]) => existsSync(file)) : undefined
}

/**
 * The compiled files. Those of Millrace's own folders are under dist/; folders of others contain
 * their JavaScript.
 */
function candidates(entry: string): readonly Found[] {
  const folder = entry.includes('/') ? resolve(entry) : join(projectRoot, 'processors', entry)
  const inside = relative(projectRoot, folder)
  const built = inside === '..' || inside.startsWith(`..${sep}`) ? folder : join(projectRoot, 'dist', inside)
  return (['processor', 'process'] as const).map((kind) => [join(built, `${kind}.js`), kind])
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}
