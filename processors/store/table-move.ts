import { DAY_MS } from './time-ranges.ts'

/** A column of the table, as the catalogue has it. */
export interface TableColumn {
  readonly name: string
  /** As PostgreSQL writes it, without modifiers. */
  readonly type: string
  /** Null if the type has none. */
  readonly collation: string | null
  readonly notNull: boolean
  /** '' is none. */
  readonly identity: string
  readonly generated: string
  /** The expression of its default. */
  readonly preset: string | null
  /** A sequence that belongs to the column, ready for SQL. */
  readonly sequence: string | null
}

/** An index, or a constraint that is one. */
export interface TableIndex {
  readonly name: string
  readonly unique: boolean
  readonly valid: boolean
  /** Null for an expression. */
  readonly columns: readonly (string | null)[]
  /** Whether it covers some rows only. */
  readonly partial: boolean
  readonly definition: string
  /** p: primary key, u: unique, x: exclusion; null if it is an index only. */
  readonly constraint: string | null
  /** The constraint in words of SQL. */
  readonly constraintDefinition: string | null
}

export interface TableTrigger {
  readonly name: string
  readonly definition: string
  readonly ordinary: boolean
}

/** What there is of a table, and what hangs on it. */
export interface TableFacts {
  readonly schema: string
  readonly name: string
  /** r: table, p: partitioned, v: view. */
  readonly kind: string
  readonly hypertable: boolean
  readonly persistence: string
  readonly partition: boolean
  readonly owner: string
  /** Whether this role may act as the owner. */
  readonly ours: boolean
  /** Whether the owner is another role than this one. */
  readonly foreign: boolean
  /** Roles that may change rows, ready for SQL. */
  readonly writers: readonly string[]
  readonly comment: string | null
  readonly columns: readonly TableColumn[]
  readonly indexes: readonly TableIndex[]
  readonly checks: readonly { readonly name: string; readonly valid: boolean }[]
  readonly foreignKeys: readonly { readonly name: string; readonly definition: string; readonly valid: boolean }[]
  readonly triggers: readonly TableTrigger[]
  /** GRANT … that give its rights to another table of its name. */
  readonly grants: readonly string[]
  /** What stands in the way whatever becomes of the table, in words. */
  readonly hindrances: readonly string[]
  readonly rows: number
  readonly bytes: number
  readonly indexBytes: number
}

/** What is in it. */
export interface TableContents {
  readonly rows: number
  readonly nullTimes: number
  readonly infiniteTimes: number
  readonly nullKeys: number
  readonly firstMs: number | null
  readonly lastMs: number | null
  readonly duplicates: number
  readonly duplicate: string | null
}

/** What is to become of it. It is kept until the end, so that a later run goes on with the same. */
export interface MoveSettings {
  /** `own`: the table keeps its name and columns. `readings`: it becomes the past of readings. */
  readonly target: 'own' | 'readings'
  /** `attach`: its rows stay where they are. `copy`: they are written anew. */
  readonly way: 'attach' | 'copy'
  readonly time: string
  /** The unique key, time among it; none if it is empty. */
  readonly key: readonly string[]
  /** Own names and those of readings; empty for `own`. */
  readonly names: Readonly<Record<string, string>>
  /** Own columns that readings gets under their names. */
  readonly keep: readonly string[]
  /** Somebody chose the cut. */
  readonly cutGiven: boolean
  /** What is from here on never belongs to the old part. */
  readonly cutMs: number
}

/** Column types of readings that an own column may become, by its name. */
export type OurColumns = ReadonlyMap<string, string>

/** The cut that leaves writers a whole day: a midnight (UTC) and another one. */
export function cutFrom(nowMs: number): number {
  return (Math.floor(nowMs / DAY_MS) + 2) * DAY_MS
}

/** PostgreSQL's names have 63 bytes at most. */
export function suffixed(name: string, suffix: string): string {
  let kept = name
  while (Buffer.byteLength(kept + suffix) > 63) kept = kept.slice(0, -1)
  return kept + suffix
}

export function keyIndex(facts: TableFacts, columns: readonly string[]): TableIndex | undefined {
  return facts.indexes.find(
    (index) =>
      index.unique &&
      index.valid &&
      !index.partial &&
      index.columns.length === columns.length &&
      index.columns.every((name, at) => name === columns[at]),
  )
}

export function primaryKey(facts: TableFacts): TableIndex | undefined {
  return facts.indexes.find(({ constraint }) => constraint === 'p')
}

/** Indexes of the old table that the new one gets too: those that may span partitions. */
export function carriedIndexes(facts: TableFacts, { time }: Pick<MoveSettings, 'time'>): readonly TableIndex[] {
  return facts.indexes.filter(({ unique, columns }) => !unique || columns.includes(time))
}

/** `readings` compares device names by their bytes: an index of another order is of no use. */
export const BYTE_ORDER = 'C'

export function deviceChanges(facts: TableFacts, { target, key }: MoveSettings): boolean {
  const device = target === 'readings' ? facts.columns.find(({ name }) => name === key[0]) : undefined
  return device !== undefined && (device.type !== 'text' || device.collation !== BYTE_ORDER)
}
