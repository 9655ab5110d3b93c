import type { z } from 'zod'
import { configurationSchema } from '../services/config-shape.ts'

type Schema = z.core.JSONSchema.JSONSchema

const HEAD = `<!-- Generated from services/config-shape.ts by \`make generate\`. Do not edit. -->

# Every key of millrace.yaml

What settings mean together, and the environment variables: [configuration.md](configuration.md). An editor completes and checks the file
by [schemas/generated/millrace.schema.json](../schemas/generated/millrace.schema.json) if this is its first line:

    # yaml-language-server: $schema=schemas/generated/millrace.schema.json
`

/** Text of docs/configuration-reference.md. @throws Error for a key without a description */
export function configurationDocument(): string {
  const loose: string[] = []
  const sections: string[] = []
  for (const [key, schema] of properties(configurationSchema())) {
    if (schema.properties === undefined) loose.push(row(key, schema))
    else sections.push(`## \`${key}\`\n\n${meaning(key, schema)}\n\n${table(rows(key, schema))}`)
  }
  return [HEAD, table(loose), ...sections].join('\n')
}

/** Text of schemas/generated/millrace.schema.json. */
export function configurationJsonSchema(): string {
  return `${JSON.stringify({ title: 'Configuration of Millrace', ...configurationSchema() }, null, 2)}\n`
}

function properties(schema: Schema): readonly (readonly [string, Schema])[] {
  return Object.entries(schema.properties ?? {}).map(([key, each]) => {
    if (typeof each === 'boolean') throw new Error(`configuration key ${key}: expected a schema, got ${each}`)
    return [key, each]
  })
}

/** Keys within a section have no section of their own: `bridge.routes.telemetry`. */
function rows(place: string, schema: Schema): readonly string[] {
  return properties(schema).flatMap(([key, each]) => {
    const path = `${place}.${key}`
    return each.properties === undefined ? [row(path, each)] : [`| \`${path}\` | | | ${meaning(path, each)} |`, ...rows(path, each)]
  })
}

function table(lines: readonly string[]): string {
  return `| key | type | default | meaning |\n|---|---|---|---|\n${lines.join('\n')}\n`
}

function row(path: string, schema: Schema): string {
  return `| \`${path}\` | ${typeOf(schema)} | \`${JSON.stringify(schema.default)}\` | ${meaning(path, schema)} |`
}

function meaning(path: string, { description }: Schema): string {
  if (description === undefined) throw new Error(`configuration key ${path}: expected a description`)
  return description.replaceAll('|', '\\|')
}

function typeOf(schema: Schema): string {
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(' or ')
  if (schema.anyOf !== undefined) return schema.anyOf.map((each) => typeOf(each as Schema)).join(', or ')
  switch (schema.type) {
    case 'integer':
      return `whole number${range(schema)}`
    case 'number':
      return `number${range(schema)}`
    case 'array':
      return `list of ${typeOf(schema.items as Schema)}`
    case 'object':
      if (schema.properties !== undefined) return `\`{ ${Object.keys(schema.properties).join(', ')} }\``
      return `${typeOf(schema.additionalProperties as Schema)} by name`
    case 'string':
      return 'text'
    default:
      throw new Error(`configuration: expected a type that the reference has a word for, got ${JSON.stringify(schema)}`)
  }
}

function range({ minimum, exclusiveMinimum, maximum }: Schema): string {
  // Zod's limit of an integer without a bound.
  const most = maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum
  if (exclusiveMinimum !== undefined) return ` above ${exclusiveMinimum}`
  if (minimum === undefined) return most === undefined ? '' : `, at most ${most}`
  return most === undefined ? `, at least ${minimum}` : ` from ${minimum} to ${most}`
}
