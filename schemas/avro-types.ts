import { isObject } from './json.ts'

/**
 * Groups by which the branches of a union are told apart at run time. Two branches of one group
 * would make a value ambiguous.
 */
type Group = 'null' | 'boolean' | 'number' | 'text' | 'bytes' | 'array' | 'object'

interface TypeText {
  readonly text: string
  readonly group: Group
}

const PRIMITIVES: ReadonlyMap<unknown, TypeText> = new Map<unknown, TypeText>([
  ['null', { text: 'null', group: 'null' }],
  ['boolean', { text: 'boolean', group: 'boolean' }],
  ['int', { text: 'number', group: 'number' }],
  ['long', { text: 'number', group: 'number' }],
  ['float', { text: 'number', group: 'number' }],
  ['double', { text: 'number', group: 'number' }],
  ['string', { text: 'string', group: 'text' }],
  ['bytes', { text: 'Buffer', group: 'bytes' }],
])

/**
 * Source text of the TypeScript types of a schema, and of the schema as an AvroSchema named `<root
 * in camel case>Schema`. A logical type is read as the type that it annotates: a timestamp is a
 * number. No field is optional: if it may be absent, it is null, so that it cannot be forgotten.
 * @param path of the .avsc file, relative to the project's root
 * @param avroSchema where the generated file finds schemas/avro-schema.ts
 * @param command that writes the file
 * @param through a function of the generated file that the schema goes through when it is loaded
 * @throws TypeError that names the place if the schema is not a record or has no type here
 */
export function avroTypes(schema: unknown, path: string, avroSchema: string, command = 'make generate', through = ''): string {
  const named = new NamedTypes()
  const root = named.typeOf(schema, path).text
  if (!isObject(schema) || schema.type !== 'record') throw new TypeError(`${path}: expected a record, got ${JSON.stringify(schema)}`)
  const name = `${root.charAt(0).toLowerCase()}${root.slice(1)}Schema`
  return `// Generated from ${path} by \`${command}\`. Do not edit.
import type { AvroSchema } from '${avroSchema}'

${named.declarations.join('\n\n')}

/** ${path} */
export const ${name}: AvroSchema<${root}> = {
  path: ${JSON.stringify(path)},
  json: ${through === '' ? JSON.stringify(schema) : `${through}(${JSON.stringify(schema)})`},
}
`
}

class NamedTypes {
  readonly declarations: string[] = []
  private readonly found = new Map<unknown, TypeText>()

  typeOf(schema: unknown, place: string): TypeText {
    const known = PRIMITIVES.get(schema) ?? this.found.get(schema)
    if (known !== undefined) return known
    if (Array.isArray(schema)) return this.union(schema, place)
    if (!isObject(schema)) throw new TypeError(`${place}: expected an Avro type, got ${JSON.stringify(schema)}`)
    switch (schema.type) {
      case 'record':
        return this.record(schema, place)
      case 'enum':
        return this.enumeration(schema, place)
      case 'fixed':
        return this.declared(schema, place, { text: 'Buffer', group: 'bytes' })
      case 'array': {
        const { text } = this.typeOf(schema.items, place)
        return { text: text.includes(' ') ? `readonly (${text})[]` : `readonly ${text}[]`, group: 'array' }
      }
      case 'map':
        return { text: `Readonly<Record<string, ${this.typeOf(schema.values, place).text}>>`, group: 'object' }
      default:
        return this.typeOf(schema.type, place)
    }
  }

  private union(branches: readonly unknown[], place: string): TypeText {
    const types = branches.map((branch) => this.typeOf(branch, place))
    const values = types.filter(({ group }) => group !== 'null')
    const groups = values.map(({ group }) => group)
    if (new Set(groups).size < groups.length)
      throw new TypeError(`${place}: a value does not tell which of ${JSON.stringify(branches)} it is; expected at most one ${groups[0]}`)
    const texts = [...values, ...types.filter(({ group }) => group === 'null')].map(({ text }) => text)
    return { text: texts.join(' | '), group: values[0]?.group ?? 'null' }
  }

  private record(schema: Readonly<Record<string, unknown>>, place: string): TypeText {
    const type = this.declared(schema, place, undefined)
    if (!Array.isArray(schema.fields)) throw new TypeError(`${place}: ${type.text} has no fields`)
    const fields = schema.fields.map((field: unknown) => {
      if (!isObject(field)) throw new TypeError(`${place}: expected fields of ${type.text}, got ${JSON.stringify(field)}`)
      const { text } = this.typeOf(field.type, `${place}, field ${String(field.name)}`)
      return `${comment([field.doc, timeOf(field.type), unitOf(field)], '  ')}  readonly ${String(field.name)}: ${text}`
    })
    this.declarations.push(`${comment([schema.doc], '')}export interface ${type.text} {\n${fields.join('\n')}\n}`)
    return type
  }

  private enumeration(schema: Readonly<Record<string, unknown>>, place: string): TypeText {
    const type = this.declared(schema, place, undefined)
    if (!Array.isArray(schema.symbols)) throw new TypeError(`${place}: ${type.text} has no symbols`)
    const symbols = schema.symbols.map((symbol) => `'${String(symbol)}'`)
    this.declarations.push(`${comment([schema.doc], '')}export type ${type.text} = ${symbols.join(' | ')}`)
    return { ...type, group: 'text' }
  }

  /** Remembers a name, with and without its namespace. */
  private declared({ name, namespace, type }: Readonly<Record<string, unknown>>, place: string, as: TypeText | undefined): TypeText {
    if (typeof name !== 'string') throw new TypeError(`${place}: expected a name, got ${JSON.stringify(name)}`)
    const own = name.slice(name.lastIndexOf('.') + 1)
    if ([...this.found.values()].some(({ text }) => text === own)) throw new TypeError(`${place}: two types are named ${own}`)
    const found: TypeText = as ?? { text: own, group: type === 'enum' ? 'text' : 'object' }
    this.found.set(name, found)
    if (typeof namespace === 'string') this.found.set(`${namespace}.${name}`, found)
    return found
  }
}

function comment(parts: readonly unknown[], indent: string): string {
  const text = parts.filter((part) => typeof part === 'string').join(' ')
  return text === '' ? '' : `${indent}/** ${text.replaceAll('*/', '* /')} */\n`
}

/** What a standard quantity declares beside its type. */
function unitOf({ unit, minimum, maximum }: Readonly<Record<string, unknown>>): string | undefined {
  return unit === undefined ? undefined : `Unit ${String(unit)}, from ${String(minimum)} to ${String(maximum)}.`
}

const TIMES: ReadonlyMap<unknown, string> = new Map([
  ['timestamp-micros', 'Microseconds since 1970.'],
  ['timestamp-millis', 'Milliseconds since 1970.'],
])

/** The unit of a time. The type does not tell it. */
function timeOf(type: unknown): string | undefined {
  if (Array.isArray(type)) return type.map(timeOf).find((text) => text !== undefined)
  return isObject(type) ? TIMES.get(type.logicalType) : undefined
}
