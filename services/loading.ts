import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Output, Processor } from '../processors/contract.ts'
import type { BusinessProcess } from '../processors/process.ts'
import { ConfigError } from './config.ts'

/** `processors/<name>/process.ts`, where the folder has one: a business process in place of a processor. */
export async function loadProcess(name: string): Promise<BusinessProcess<unknown> | undefined> {
  const url = new URL(`../processors/${name}/process.js`, import.meta.url)
  if (!existsSync(url)) return undefined
  return ((await import(url.href)) as { process: BusinessProcess<unknown> }).process
}

export type AnyProcessor = Processor<unknown, { readonly [name: string]: Output<never> }>

/** Loads `processors/<name>/processor.ts`. */
export async function loadProcessor(name: string): Promise<AnyProcessor> {
  const url = new URL(`../processors/${name}/processor.js`, import.meta.url)
  if (!/^[a-z][a-z0-9-]*$/.test(name) || !existsSync(url))
    throw new ConfigError(`there is no processor "${name}": expected ${fileURLToPath(url)}`)
  const { processor } = (await import(url.href)) as { processor: AnyProcessor }
  return processor
}
