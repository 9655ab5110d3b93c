import { createRegistry, type SchemaRegistry } from '../connectors/registry/registry.ts'
import { type FirmwareFile, readFirmwareFiles, readQuantities, SchemaFileError } from '../schemas/files.ts'
import { type Config, ConfigError, loadConfig } from '../services/config.ts'
import { declaredServices } from '../services/declared.ts'
import { describeLacked, firmwareRegistration, lackedQuantities, type Registration, registrations } from '../services/registered.ts'
import type { ConfigOption } from './command-line.ts'
import { print } from './print.ts'

/** `millrace schemas check` */
export async function checkSchemas({ config: file }: ConfigOption): Promise<number> {
  const config = loadConfig(process.env, file)
  const registry = createRegistry(config.env.REGISTRY_URL)
  const lacked = await saidLacked(registry)
  return Math.max(lacked, await check(registry, registrations(await declaredServices(config))))
}

/** `millrace schemas check <file...>` */
export async function checkFirmwares(files: readonly string[], { config: file }: ConfigOption): Promise<number> {
  const config = loadConfig(process.env, file)
  return check(createRegistry(config.env.REGISTRY_URL), named(files).map(firmwareRegistration))
}

/** `millrace schemas register` */
export async function registerSchemas({ config: file }: ConfigOption): Promise<number> {
  return registerConfigured(loadConfig(process.env, file))
}

/** The same for a configuration that was read already. */
export async function registerConfigured(config: Config): Promise<number> {
  const registry = createRegistry(config.env.REGISTRY_URL)
  const lacked = await saidLacked(registry)
  return Math.max(lacked, await register(registry, registrations(await declaredServices(config))))
}

/**
 * Says what readings would lose.
 * @returns the exit code
 */
async function saidLacked(registry: SchemaRegistry): Promise<0 | 1> {
  const names = await lackedQuantities(registry)
  if (names.length > 0) print(describeLacked(names))
  return names.length > 0 ? 1 : 0
}

/** `millrace schemas register <file...>` */
export async function registerFirmwares(files: readonly string[], { config: file }: ConfigOption): Promise<number> {
  const config = loadConfig(process.env, file)
  const registry = createRegistry(config.env.REGISTRY_URL)
  const firmwares = named(files)
  const all = firmwares.map(firmwareRegistration)
  if ((await refusals(registry, all)) > 0) {
    print('nothing was registered')
    return 1
  }
  const code = await register(registry, all)
  for (const { file: from, firmware } of firmwares) {
    const fingerprint = firmware.fingerprint.toString('hex')
    print(
      `${from.path}: ${firmware.id}, fingerprint ${fingerprint}. If its frames came before: millrace redrive bridge --reason unknown-fingerprint --fingerprint ${fingerprint}`,
    )
  }
  return code
}

/** @throws ConfigError that names the file, and what was expected */
function named(files: readonly string[]): readonly FirmwareFile[] {
  try {
    return readFirmwareFiles(files, new Set(readQuantities().map(({ name }) => name)))
  } catch (cause) {
    if (cause instanceof SchemaFileError) throw new ConfigError(cause.message, { cause })
    throw cause
  }
}

async function check(registry: SchemaRegistry, all: readonly Registration[]): Promise<number> {
  const refused = await refusals(registry, all)
  print(`${all.length - refused} schemas fit the registry, ${refused} do not`)
  return refused === 0 ? 0 : 1
}

/** Prints each schema that the registry would refuse, and returns how many there are. */
async function refusals(registry: SchemaRegistry, all: readonly Registration[]): Promise<number> {
  let refused = 0
  for (const { subject, path, schema } of all) {
    if (await registry.compatible(subject, schema)) continue
    refused++
    print(`${path}: cannot be read with what ${subject} has; give new fields a default`)
  }
  return refused
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
