import type { Assignment, FirmwareLookup, LookupName, Lookups } from '../../processors/contract.ts'
import { columnType, type LookupTable, type LookupTables, type TableRows, tableRows } from '../../processors/lookup-table.ts'
import { compileDialect } from '../../processors/translate/dialect.ts'
import { FirmwareSchemaError, parseFirmware } from '../../schemas/firmware.ts'
import { quantities } from '../../schemas/generated/readings.ts'
import { parseDialect } from '../../schemas/parse-dialect.ts'

/**
 * What a processor may look up, as plain data: it is JSON in a golden folder. What is not given
 * here a processor may not ask for.
 */
export interface GivenLookups {
  /**
   * By device, in order of time. Without `fromMicros` it begins at no time, without `toMicros` it
   * still holds. An empty list is a known device without any; null is a device that nobody knows.
   */
  readonly assignments?: Readonly<Record<string, readonly GivenAssignment[] | null>>
  /** By gateway, the devices that it may speak for. Any other pair may not. */
  readonly speaksFor?: Readonly<Record<string, readonly string[]>>
  /**
   * By device and boot: when the boot began, in microseconds since 1970; null if it has no anchor.
   */
  readonly anchors?: Readonly<Record<string, Readonly<Record<string, number | null>>>>
  /** By schema ID, what is not known as a firmware. Otherwise the schema of the record is one. */
  readonly firmwares?: Readonly<Record<string, Exclude<FirmwareLookup, { readonly tag: 'known' }>>>
  /**
   * Tables of the app database by the names that the code has for them: their rows by key, with the
   * declared columns. A key that is not there has no row. As JSON does not have them, a bigint and
   * an infinite number may be texts.
   */
  readonly tables?: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, unknown>>>>>>
  /**
   * Dialects: of two that take a topic, the first does. Each is the text of its file, or that with
   * the topics and the zone that a configuration gives it.
   */
  readonly dialects?: readonly (string | GivenDialect)[]
  /** How old samples may be when they are received. */
  readonly oldestDays?: number
}

/** A dialect with what takes the place of its own topics and zone. */
export interface GivenDialect {
  readonly text: string
  readonly topics?: readonly string[]
  readonly zone?: string
}

/** An assignment. A bound that is absent is open. */
export interface GivenAssignment extends Omit<Assignment, 'fromMicros' | 'toMicros'> {
  readonly fromMicros?: number
  readonly toMicros?: number
}

/** Look-ups of a test, and what was asked of them that the test did not give. */
export interface TestLookups {
  readonly lookups: Lookups & { readonly table: Readonly<Record<string, TableRows<object>>> }
  /** Says once what was asked for in vain since the last call. */
  readonly missing: () => string | undefined
}

/** A processor asked for what its test did not give. The message says what to give. */
export class LookupNotGivenError extends Error {
  readonly code = 'LOOKUP_NOT_GIVEN'
  readonly transient = false
}

const QUANTITIES: ReadonlySet<string> = new Set(quantities.map(({ name }) => name))

/**
 * Answers from what a test gave. A question that it has no answer to throws, also if the code that
 * asks catches that: `missing` has it. A service does not prepare what `needs` does not name, so
 * that throws as well.
 * @param schemas by ID, those that records are written with
 */
export function createTestLookups(
  { needs, tables = {} }: { readonly needs: readonly LookupName[]; readonly tables?: LookupTables },
  given: GivenLookups,
  schemas: ReadonlyMap<number, unknown>,
): TestLookups {
  let missing: string | undefined
  const fail = (message: string): never => {
    missing ??= message
    throw new LookupNotGivenError(message)
  }
  const need = (name: LookupName): void => {
    if (!needs.includes(name)) fail(`it looked up ${name}, which is not in its \`needs\`: a service would not have the answer`)
  }
  const dialects = (given.dialects ?? []).map((each, index) => {
    const { text, ...site }: GivenDialect = typeof each === 'string' ? { text: each } : each
    return compileDialect(parseDialect(text, `dialects[${index}]`), site)
  })
  const firmwares = new Map<number, FirmwareLookup>()
  const assignments = new Map<string, readonly Assignment[]>()
  const table = Object.fromEntries(
    Object.entries(tables).map(([name, declared]) => {
      const rows = ownValue(given.tables, name)
      const none = (): never => fail(`it looked up table ${name}, and the test gives no lookups.tables[${JSON.stringify(name)}]`)
      if (rows === undefined)
        return [
          name,
          {
            get: none,
            get size() {
              return none()
            },
          },
        ]
      return [
        name,
        tableRows(
          Object.entries(rows).map(([key, row]) => [key, givenRow(declared, row, `lookups.tables.${name}[${JSON.stringify(key)}]`)]),
        ),
      ]
    }),
  )
  const lookups: TestLookups['lookups'] = {
    table,
    firmware(schemaId) {
      need('firmware')
      let found = firmwares.get(schemaId)
      if (found === undefined) {
        found = given.firmwares?.[schemaId] ?? firmwareOf(schemas.get(schemaId))
        firmwares.set(schemaId, found)
      }
      return found
    },
    assignments(device) {
      need('assignments')
      const own = ownValue(given.assignments, device)
      if (own === undefined)
        return fail(
          `it looked up the assignments of ${JSON.stringify(device)}, which the test does not give: add lookups.assignments[${JSON.stringify(device)}], [] for a known device without any, null for an unknown one`,
        )
      if (own === null) return undefined
      let made = assignments.get(device)
      if (made === undefined) {
        made = Object.freeze(own.map((each) => Object.freeze({ fromMicros: -Infinity, toMicros: Infinity, ...each })))
        assignments.set(device, made)
      }
      return made
    },
    speaksFor(gateway, device) {
      need('speaksFor')
      if (given.speaksFor === undefined)
        return fail(
          `it asked whether ${JSON.stringify(gateway)} speaks for ${JSON.stringify(device)}, and the test gives no lookups.speaksFor`,
        )
      return ownValue(given.speaksFor, gateway)?.includes(device) ?? false
    },
    anchor(device, boot) {
      need('anchor')
      const own = ownValue(ownValue(given.anchors, device), String(boot))
      if (own === undefined)
        return fail(
          `it looked up when boot ${boot} of ${JSON.stringify(device)} began: add lookups.anchors[${JSON.stringify(device)}][${boot}]`,
        )
      return own ?? Number.NaN
    },
    dialect(topic) {
      need('dialect')
      if (given.dialects === undefined)
        return fail(`it looked up the dialect of ${JSON.stringify(topic)}, and the test gives no lookups.dialects`)
      for (const dialect of dialects) {
        const captures = dialect.match(topic)
        if (captures !== undefined) return { dialect, captures }
      }
      return undefined
    },
    schema(schemaId) {
      need('schema')
      return schemas.get(schemaId)
    },
    ...(given.oldestDays === undefined ? {} : { oldestDays: given.oldestDays }),
  }
  return {
    lookups,
    missing() {
      const taken = missing
      missing = undefined
      return taken
    },
  }
}

/** A row as the database gives it. */
function givenRow({ columns }: LookupTable, row: Readonly<Record<string, unknown>>, where: string): object {
  return Object.fromEntries(
    Object.entries(columns).map(([column, declared]) => {
      const value = row[column] ?? null
      if (value === null) {
        if (!declared.endsWith('?')) throw new RangeError(`${where}: expected a value of column ${column}, got ${String(row[column])}`)
        return [column, null]
      }
      const type = columnType(declared)
      if (type === 'bigint' && (typeof value === 'string' || typeof value === 'number')) return [column, BigInt(value)]
      const own = (type === 'number' || type === 'micros') && typeof value === 'string' ? Number(value) : value
      const expected = { text: 'string', number: 'number', micros: 'number', bigint: 'bigint', boolean: 'boolean' }[type]
      if (typeof own !== expected)
        throw new RangeError(`${where}: expected column ${column} to be a ${expected}, got ${JSON.stringify(value)}`)
      return [column, own]
    }),
  )
}

function firmwareOf(json: unknown): FirmwareLookup {
  if (json === undefined) return { tag: 'unknown' }
  try {
    return { tag: 'known', firmware: parseFirmware(json, QUANTITIES) }
  } catch (cause) {
    if (!(cause instanceof FirmwareSchemaError)) throw cause
    return { tag: 'invalid', detail: cause.message }
  }
}

/** Not what an object inherits: a device may be called `constructor`. */
function ownValue<Value>(of: Readonly<Record<string, Value>> | undefined, name: string): Value | undefined {
  return of !== undefined && Object.hasOwn(of, name) ? of[name] : undefined
}
