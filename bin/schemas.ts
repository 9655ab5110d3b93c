import { createRegistry, type SchemaRegistry } from '../connectors/registry/registry.ts'
import { loadConfig } from '../services/config.ts'
import { declaredServices } from '../services/declared.ts'
import { type Registration, registrations } from '../services/registered.ts'
import type { ConfigOption } from './command-line.ts'
import { print } from './print.ts'

/** `millrace schemas check` */
export async function checkSchemas({ config: file }: ConfigOption): Promise<number> {
  const config = loadConfig(process.env, file)
  return check(createRegistry(config.env.REGISTRY_URL), registrations(await declaredServices(config)))
}

/** `millrace schemas register` */
export async function registerSchemas({ config: file }: ConfigOption): Promise<number> {
  const config = loadConfig(process.env, file)
  return register(createRegistry(config.env.REGISTRY_URL), registrations(await declaredServices(config)))
}

async function check(registry: SchemaRegistry, all: readonly Registration[]): Promise<number> {
  let refused = 0
  for (const { subject, path, schema } of all) {
    if (await registry.compatible(subject, schema)) continue
    refused++
    print(`${path}: cannot be read with what ${subject} has; give new fields a default`)
  }
  print(`${all.length - refused} schemas fit the registry, ${refused} do not`)
  return refused === 0 ? 0 : 1
}

async function register(registry: SchemaRegistry, all: readonly Registration[]): Promise<number> {
  let stale = 0
  for (const { subject, path, schema } of all) {
    await registry.requireBackward(subject)
    const id = await registry.register(subject, schema)
    const newest = await registry.version(subject, 'latest')
    if (newest?.id === id) continue
    stale++
    print(
      `${path}: ${subject} already has this very schema (ID ${id}), and a newer one (ID ${newest?.id}), which stays the newest. To go back, let something differ, such as a "revision" attribute.`,
    )
  }
  print(`${all.length} schemas registered`)
  return stale === 0 ? 0 : 1
}
