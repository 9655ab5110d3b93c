import type { GivenAssignment, GivenDialect, GivenLookups } from '../../kit/testing/given-lookups.ts'
import type { Assignment, FirmwareLookup, FoundDialect, Lookups } from '../../processors/contract.ts'
import type { TableRows } from '../../processors/lookup-table.ts'
import { firmwareSchema } from './firmware-schema.ts'

/** What was looked up for one record. */
export interface LookedUp {
  readonly lookups: GivenLookups
  /** Schemas of writers by ID. */
  readonly schemas: ReadonlyMap<number, unknown>
  /** Dialects that took a topic, by their place in the configuration. */
  readonly dialects: ReadonlyMap<number, GivenDialect>
}

/** A dialect that the line has, as plain data. */
export interface PlacedDialect {
  readonly place: number
  readonly given: GivenDialect
}

/** Passes look-ups on, and notes each answer that was asked for. */
export class RecordedLookups {
  readonly lookups: Lookups & { readonly table: Readonly<Record<string, TableRows<object>>> }
  private noted = notes()

  /** @param plain a dialect that `real` has found, as plain data */
  constructor(
    real: Lookups & { readonly table: Readonly<Record<string, TableRows<object>>> },
    plain: (found: FoundDialect) => PlacedDialect | undefined = () => undefined,
  ) {
    const oldestDays = (): number | undefined => {
      if (real.oldestDays !== undefined) this.noted.oldestDays = real.oldestDays
      return real.oldestDays
    }
    this.lookups = {
      firmware: (schemaId, fingerprint) => {
        const found = real.firmware(schemaId, fingerprint)
        if (found.tag === 'known') this.noted.schemas.set(schemaId, firmwareSchema(found.firmware))
        else this.noted.firmwares[schemaId] = found
        return found
      },
      assignments: (device) => {
        const found = real.assignments(device)
        this.noted.assignments[device] = found === undefined ? null : found.map(given)
        return found
      },
      speaksFor: (gateway, device) => {
        const speaks = real.speaksFor(gateway, device)
        const devices = this.noted.speaksFor[gateway] ?? []
        this.noted.speaksFor[gateway] = speaks && !devices.includes(device) ? [...devices, device] : devices
        return speaks
      },
      anchor: (device, boot) => {
        const found = real.anchor(device, boot)
        this.noted.anchors[device] = { ...this.noted.anchors[device], [boot]: Number.isNaN(found) ? null : found }
        return found
      },
      table: Object.fromEntries(
        Object.entries(real.table).map(([name, rows]) => [
          name,
          {
            get: (key: string | number | bigint) => {
              const row = rows.get(key)
              this.noted.tables[name] = { ...this.noted.tables[name], ...(row === undefined ? {} : { [String(key)]: givenRow(row) }) }
              return row
            },
            get size() {
              return rows.size
            },
          },
        ]),
      ),
      dialect: (topic) => {
        const found = real.dialect(topic)
        const placed = found === undefined ? undefined : plain(found)
        if (placed !== undefined) this.noted.dialects.set(placed.place, placed.given)
        return found
      },
      schema: (schemaId, fingerprint) => {
        const found = real.schema(schemaId, fingerprint)
        if (typeof found === 'object' && found !== null) this.noted.schemas.set(schemaId, found)
        return found
      },
      get oldestDays() {
        return oldestDays() as number
      },
    }
  }

  /** What was asked since the last call. */
  take(): LookedUp {
    const { schemas, dialects, oldestDays, ...tables } = this.noted
    this.noted = notes()
    return { schemas, dialects, lookups: { ...filled(tables), ...(oldestDays === undefined ? {} : { oldestDays }) } }
  }
}

/** The dialects of all records, in the order of the configuration. */
export function mergedDialects(all: readonly ReadonlyMap<number, GivenDialect>[]): readonly GivenDialect[] {
  const merged = new Map(all.flatMap((each) => [...each]))
  return [...merged].sort(([one], [other]) => one - other).map(([, given]) => given)
}

/** All of it in one. Answers are those of one moment, so they do not contradict one another. */
export function mergedLookups(all: readonly GivenLookups[]): GivenLookups {
  const merged = notes()
  let oldestDays: number | undefined
  for (const each of all) {
    oldestDays = each.oldestDays ?? oldestDays
    Object.assign(merged.assignments, each.assignments)
    Object.assign(merged.firmwares, each.firmwares)
    for (const [gateway, devices] of Object.entries(each.speaksFor ?? {}))
      merged.speaksFor[gateway] = [...new Set([...(merged.speaksFor[gateway] ?? []), ...devices])]
    for (const [name, rows] of Object.entries(each.tables ?? {})) merged.tables[name] = { ...merged.tables[name], ...rows }
    for (const [device, boots] of Object.entries(each.anchors ?? {})) merged.anchors[device] = { ...merged.anchors[device], ...boots }
  }
  const { assignments, speaksFor, anchors, firmwares, tables } = merged
  return { ...filled({ assignments, speaksFor, anchors, firmwares, tables }), ...(oldestDays === undefined ? {} : { oldestDays }) }
}

interface Notes {
  readonly assignments: Record<string, readonly GivenAssignment[] | null>
  readonly speaksFor: Record<string, string[]>
  readonly anchors: Record<string, Record<string, number | null>>
  readonly firmwares: Record<string, Exclude<FirmwareLookup, { readonly tag: 'known' }>>
  readonly tables: Record<string, Record<string, Readonly<Record<string, unknown>>>>
  readonly schemas: Map<number, unknown>
  readonly dialects: Map<number, GivenDialect>
  oldestDays?: number
}

function notes(): Notes {
  return { assignments: {}, speaksFor: {}, anchors: {}, firmwares: {}, tables: {}, schemas: new Map(), dialects: new Map() }
}

/** Without tables that nobody asked. */
function filled(tables: Omit<Notes, 'schemas' | 'dialects' | 'oldestDays'>): GivenLookups {
  return Object.fromEntries(Object.entries(tables).filter(([, table]) => Object.keys(table).length > 0))
}

/** A row as JSON has it: a bigint, and a number that JSON does not have, are texts. */
function givenRow(row: object): Readonly<Record<string, unknown>> {
  const isNone = (value: unknown): boolean => typeof value === 'bigint' || (typeof value === 'number' && !Number.isFinite(value))
  return Object.fromEntries(Object.entries(row).map(([column, value]) => [column, isNone(value) ? String(value) : value]))
}

/** As JSON has it: infinity is an open bound. */
function given({ fromMicros, toMicros, ...rest }: Assignment): GivenAssignment {
  return {
    ...rest,
    ...(Number.isFinite(fromMicros) ? { fromMicros } : {}),
    ...(Number.isFinite(toMicros) ? { toMicros } : {}),
  }
}
