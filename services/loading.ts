import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { CONTINUITY } from '../processors/continuity/topics.ts'
import type { Output, Processor } from '../processors/contract.ts'
import type { BusinessProcess } from '../processors/process.ts'
import { ConfigError } from './config.ts'

/**
 * Before any other word on them: whoever mistypes a name has no port for it either.
 * @throws ConfigError that names the first that there is not
 */
export function requireProcessors(names: readonly string[]): void {
  // The ledger of frames is neither a processor of its own nor a business process.
  for (const name of names) if (name !== CONTINUITY && !isThere(name, place(name, 'process'))) requireProcessor(name)
}

function place(name: string, kind: 'process' | 'processor'): URL {
  return new URL(`../processors/${name}/${kind}.js`, import.meta.url)
}

/** A name is one folder: an empty one, or one with dots, would lead elsewhere. */
function isThere(name: string, url: URL): boolean {
  return /^[a-z][a-z0-9-]*$/.test(name) && existsSync(url)
}

function requireProcessor(name: string): URL {
  const url = place(name, 'processor')
  if (!isThere(name, url)) throw new ConfigError(`there is no processor "${name}": expected ${fileURLToPath(url)}`)
  return url
}

/**
 * `processors/<name>/process.ts`, where the folder has one: a business process in place of a
 * processor.
 */
export async function loadProcess(name: string): Promise<BusinessProcess<unknown> | undefined> {
  const url = place(name, 'process')
  if (!isThere(name, url)) return undefined
  return ((await import(url.href)) as { businessProcess: BusinessProcess<unknown> }).businessProcess
}

export type AnyProcessor = Processor<unknown, { readonly [name: string]: Output<never> }>

/** Loads `processors/<name>/processor.ts`. */
export async function loadProcessor(name: string): Promise<AnyProcessor> {
  const { processor } = (await import(requireProcessor(name).href)) as { processor: AnyProcessor }
  return processor
}
