import type { RememberedSchema } from '../connectors/contract.ts'
import { createSchemaMemory } from '../connectors/postgres/schema-memory.ts'
import { createRegistry, type SchemaRegistry } from '../connectors/registry/registry.ts'
import { lostSchemas } from '../ops/registry/lost-schemas.ts'
import { loadConfig } from '../services/config.ts'
import { type ConfigOption, UsageError } from './command-line.ts'
import { print } from './print.ts'
import { registerConfigured } from './schemas.ts'

interface Options extends ConfigOption {
  readonly dryRun?: boolean | undefined
}

/** `millrace schemas restore [subject...]`: registers again what the registry has lost. */
export async function restoreSchemas(chosen: readonly string[], { config: file, dryRun = false }: Options): Promise<number> {
  const config = loadConfig(process.env, file)
  const registry = createRegistry(config.env.REGISTRY_URL)
  const remembered = await createSchemaMemory(config.env.APP_DATABASE_URL).recall('')
  const known = new Set(remembered.map(({ subject }) => subject))
  for (const subject of chosen)
    if (!known.has(subject))
      throw new UsageError(
        `${subject}: expected a subject of which a schema was read from the registry (registered_schema has ${known.size})`,
      )
  const subjects = chosen.length === 0 ? [...known] : [...new Set(chosen)]
  let [restored, left] = [0, 0]
  for (const subject of subjects) {
    const lost = lostSchemas(
      remembered.filter((each) => each.subject === subject),
      await liveTexts(registry, subject),
    )
    if (lost.tag === 'newer') {
      left++
      print(`${subject}: its newest schema was never read here, and ${lost.lacking} that were are lacking: left alone`)
    }
    if (lost.tag !== 'lost') continue
    for (const schema of lost.schemas) {
      restored++
      print(dryRun ? `${described(schema)} would be registered` : `${described(schema)} has ID ${await register(registry, schema)} now`)
    }
  }
  print(`${restored} schemas of ${subjects.length} firmwares ${dryRun ? 'would be' : 'were'} registered again`)
  const own = dryRun || chosen.length > 0 ? 0 : await registerConfigured(config)
  return Math.max(own, left > 0 ? 1 : 0)
}

async function liveTexts(registry: SchemaRegistry, subject: string): Promise<readonly string[]> {
  const texts: string[] = []
  for (const number of await registry.versionNumbers(subject)) {
    const version = await registry.version(subject, number)
    if (version !== undefined) texts.push(version.schema)
  }
  return texts
}

async function register(registry: SchemaRegistry, { subject, text }: RememberedSchema): Promise<number> {
  await registry.requireBackward(subject)
  return await registry.register(subject, text)
}

function described({ subject, version, id, fingerprint }: RememberedSchema): string {
  return `${subject}: fingerprint ${fingerprint}, which was version ${version} with ID ${id},`
}
