import {
  BYTE_ORDER,
  carriedIndexes,
  deviceChanges,
  keyIndex,
  type MoveSettings,
  primaryKey,
  suffixed,
  type TableFacts,
} from '../../processors/store/table-move.ts'
import type { TimeRange } from '../../processors/store/time-ranges.ts'
import { instant } from './days.ts'
import { type Column, literal, quoted } from './readings-table.ts'
import { OURS } from './table-facts.ts'
import { NOTES } from './table-move-note.ts'

/** The check of the old part's range: validated beforehand, it saves ATTACH the scan. */
export const RANGE = `${OURS}range`
/** The same for SET NOT NULL of the device. */
const DEVICE = `${OURS}device`

export const qualified = ({ schema }: Pick<TableFacts, 'schema'>, name: string): string => `${quoted(schema)}.${quoted(name)}`
export const noteName = (facts: TableFacts): string => `${facts.schema}.${facts.name}`
export const oldName = ({ name }: TableFacts): string => suffixed(name, '_old')
export const defaultName = ({ name }: TableFacts): string => suffixed(name, '_default')
export const keyName = ({ name }: TableFacts): string => suffixed(`${OURS}key_${name}`, '')

/** Statements of a step, in order. */
export type Statements = readonly string[]

/**
 * The device's index is by bytes, as readings has it. So the column's collation can change without
 * building it anew.
 */
export function buildIndex(facts: TableFacts, settings: MoveSettings): string {
  const columns = settings.key.map((name, at) =>
    settings.target === 'readings' && at === 0 ? `${quoted(name)} COLLATE "${BYTE_ORDER}"` : quoted(name),
  )
  return `CREATE UNIQUE INDEX CONCURRENTLY ${quoted(keyName(facts))} ON ${qualified(facts, facts.name)} (${columns.join(', ')})`
}

/** Whether the key needs an index that is not there. That of readings must be the primary key. */
export function needsIndex(facts: TableFacts, settings: MoveSettings): boolean {
  if (settings.key.length === 0) return false
  const there = keyIndex(facts, settings.key)
  return settings.target === 'own' ? there === undefined : there?.constraint !== 'p' || deviceChanges(facts, settings)
}

/** From now on writers cannot add rows outside the range. */
export function addChecks(facts: TableFacts, settings: MoveSettings, range: TimeRange): Statements {
  const table = qualified(facts, facts.name)
  const time = quoted(settings.time)
  const checks = [
    `DROP CONSTRAINT IF EXISTS ${RANGE}`,
    `DROP CONSTRAINT IF EXISTS ${DEVICE}`,
    `ADD CONSTRAINT ${RANGE} CHECK (${time} IS NOT NULL AND ${time} >= ${bound(range.fromMs)} AND ${time} < ${bound(range.toMs)}) NOT VALID`,
  ]
  if (settings.target === 'readings') checks.push(`ADD CONSTRAINT ${DEVICE} CHECK (${quoted(settings.key[0] ?? '')} IS NOT NULL) NOT VALID`)
  return [`ALTER TABLE ${table} ${checks.join(', ')}`]
}

export function validateChecks(facts: TableFacts, settings: MoveSettings): Statements {
  const table = qualified(facts, facts.name)
  return [RANGE, ...(settings.target === 'readings' ? [DEVICE] : [])].map((name) => `ALTER TABLE ${table} VALIDATE CONSTRAINT ${name}`)
}

export function dropChecks(table: string): string {
  return `ALTER TABLE ${table} DROP CONSTRAINT IF EXISTS ${RANGE}, DROP CONSTRAINT IF EXISTS ${DEVICE}`
}

function bound(ms: number): string {
  return literal(instant(ms))
}

const noteSwap = (facts: TableFacts): string => `UPDATE ${NOTES} SET swapped_at = now() WHERE name = ${literal(noteName(facts))}`

const attached = (parent: string, old: string, { fromMs, toMs }: TimeRange): string =>
  `ALTER TABLE ${parent} ATTACH PARTITION ${old} FOR VALUES FROM (${bound(fromMs)}) TO (${bound(toMs)})`

/**
 * Everything but the check and what cannot span partitions, from the old table to a new one of its
 * name.
 */
export function likeOld(facts: TableFacts): string {
  const wanted = ['COMMENTS', 'CONSTRAINTS', 'DEFAULTS', 'GENERATED', 'STATISTICS', 'STORAGE', 'COMPRESSION']
  return `LIKE ${qualified(facts, oldName(facts))} ${wanted.map((each) => `INCLUDING ${each}`).join(' ')}`
}

/** In one transaction: the table becomes the first partition of one that takes its name. */
export function swapOwn(facts: TableFacts, settings: MoveSettings, range: TimeRange): Statements {
  const table = qualified(facts, facts.name)
  const old = qualified(facts, oldName(facts))
  const built = needsIndex(facts, settings)
  return [
    `LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`,
    ...facts.triggers.map(({ name }) => `DROP TRIGGER ${quoted(name)} ON ${table}`),
    `DROP TRIGGER IF EXISTS rollup_mark ON ${table}`,
    `ALTER TABLE ${table} RENAME TO ${quoted(oldName(facts))}`,
    ...renamedIndexes(facts, settings, (name) => [name, suffixed(name, '_old')]),
    ...(built ? [`ALTER TABLE ${old} ADD CONSTRAINT ${quoted(keyName(facts))} UNIQUE USING INDEX ${quoted(keyName(facts))}`] : []),
    `CREATE TABLE ${table} (${likeOld(facts)}) PARTITION BY RANGE (${quoted(settings.time)})`,
    dropChecks(table),
    ...carried(facts, settings),
    ...(built
      ? [`ALTER TABLE ${table} ADD CONSTRAINT ${quoted(suffixed(facts.name, '_key'))} UNIQUE (${settings.key.map(quoted).join(', ')})`]
      : []),
    ...handedOver(facts),
    attached(table, old, range),
    `CREATE TABLE ${qualified(facts, defaultName(facts))} PARTITION OF ${table} DEFAULT`,
    dropChecks(old),
    noteSwap(facts),
  ]
}

/**
 * Indexes and keys that may span partitions, and foreign keys, on the new table of the old name.
 */
export function carried(facts: TableFacts, settings: MoveSettings): Statements {
  const table = qualified(facts, facts.name)
  const indexes = carriedIndexes(facts, settings).map(({ name, constraintDefinition, definition }) =>
    constraintDefinition === null ? definition : `ALTER TABLE ${table} ADD CONSTRAINT ${quoted(name)} ${constraintDefinition}`,
  )
  return [
    ...indexes,
    ...facts.foreignKeys.map(({ name, definition }) => `ALTER TABLE ${table} ADD CONSTRAINT ${quoted(name)} ${definition}`),
  ]
}

/** Sequences, triggers, owner, rights and comment, to the table that has the name now. */
export function handedOver(facts: TableFacts): Statements {
  const table = qualified(facts, facts.name)
  return [
    ...sequencesTo(facts, table),
    ...facts.triggers.map(({ definition }) => definition),
    `ALTER TABLE ${table} OWNER TO ${facts.owner}`,
    ...facts.grants,
    ...(facts.comment === null ? [] : [`COMMENT ON TABLE ${table} IS ${literal(facts.comment)}`]),
  ]
}

export function sequencesTo(facts: TableFacts, table: string): Statements {
  return facts.columns.flatMap(({ name, sequence }) =>
    sequence === null ? [] : [`ALTER SEQUENCE ${sequence} OWNED BY ${table}.${quoted(name)}`],
  )
}

export function renamedIndexes(facts: TableFacts, settings: MoveSettings, names: (name: string) => readonly [string, string]): Statements {
  return carriedIndexes(facts, settings).map((index) => {
    const [from, to] = names(index.name)
    return `ALTER INDEX ${qualified(facts, from)} RENAME TO ${quoted(to)}`
  })
}

/** Back: rows that came into other partitions move to the old table, which gets its name again. */
export function unswapOwn(facts: TableFacts, settings: MoveSettings): Statements {
  const table = qualified(facts, facts.name)
  const old = qualified(facts, oldName(facts))
  const columns = facts.columns.filter(({ generated }) => generated === '').map(({ name }) => quoted(name))
  const built = needsIndex(facts, settings)
  return [
    `LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`,
    `ALTER TABLE ${table} DETACH PARTITION ${old}`,
    `INSERT INTO ${old} (${columns.join(', ')}) SELECT ${columns.join(', ')} FROM ${table}`,
    ...sequencesTo(facts, old),
    `DROP TABLE ${table}`,
    `ALTER TABLE ${old} RENAME TO ${quoted(facts.name)}`,
    ...renamedIndexes(facts, settings, (name) => [suffixed(name, '_old'), name]),
    ...(built ? [`ALTER TABLE ${table} DROP CONSTRAINT ${quoted(keyName(facts))}`] : []),
    ...facts.triggers.map(({ definition }) => definition),
  ]
}

/** In one transaction: the table becomes a partition of readings, and a view takes its name. */
export function swapReadings(facts: TableFacts, settings: MoveSettings, range: TimeRange, ours: readonly Column[]): Statements {
  const table = qualified(facts, facts.name)
  const old = qualified(facts, oldName(facts))
  const key = primaryKey(facts)
  const kept = !needsIndex(facts, settings)
  const device = settings.names[settings.key[0] ?? ''] ?? 'device_id'
  const changes = facts.columns
    .filter(({ name }) => settings.names[name] !== undefined)
    .flatMap(({ name, notNull }) => {
      const ourName = settings.names[name] ?? name
      const needed = ours.find((each) => each.name === ourName)?.constraint.includes('NOT NULL') === true
      return notNull && !needed ? [`ALTER COLUMN ${quoted(ourName)} DROP NOT NULL`] : []
    })
  return [
    `LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`,
    ...(key === undefined || kept ? [] : [`ALTER TABLE ${table} DROP CONSTRAINT ${quoted(key.name)}`]),
    `DROP TRIGGER IF EXISTS rollup_mark ON ${table}`,
    `ALTER TABLE ${table} RENAME TO ${quoted(oldName(facts))}`,
    ...renames(settings).map(([from, to]) => `ALTER TABLE ${old} RENAME COLUMN ${quoted(from)} TO ${quoted(to)}`),
    `ALTER TABLE ${old} ${[`ALTER COLUMN ${quoted(device)} SET NOT NULL`, 'ALTER COLUMN ts SET NOT NULL', ...changes].join(', ')}`,
    // With it the change of type would read all rows.
    `ALTER TABLE ${old} DROP CONSTRAINT IF EXISTS ${DEVICE}`,
    ...(deviceChanges(facts, settings) ? [`ALTER TABLE ${old} ALTER COLUMN ${quoted(device)} TYPE text COLLATE "${BYTE_ORDER}"`] : []),
    ...lacking(settings, ours, old),
    ...(kept
      ? []
      : [
          `ALTER TABLE ${old} ADD CONSTRAINT ${quoted(suffixed(oldName(facts), '_key'))} PRIMARY KEY USING INDEX ${quoted(keyName(facts))}`,
        ]),
    ...keptColumns(facts, settings),
    // A later column of readings is given to its partitions by the owner of all of them.
    ...(facts.foreign ? [`ALTER TABLE ${old} OWNER TO CURRENT_USER`] : []),
    attached('readings', old, range),
    dropChecks(old),
    ...viewOf(facts, settings),
    "DO $$ BEGIN IF to_regclass('rollup_shape') IS NOT NULL THEN UPDATE rollup_shape SET filled = false; END IF; END $$",
    noteSwap(facts),
  ]
}

function renames({ names }: MoveSettings): readonly (readonly [string, string])[] {
  return Object.entries(names).filter(([own, name]) => own !== name)
}

/** What the old part lacks of the columns of readings: a default that is constant writes no row. */
function lacking(settings: MoveSettings, ours: readonly Column[], old: string): Statements {
  const mapped = new Set(Object.values(settings.names))
  const added = ours
    .filter(({ name }) => !mapped.has(name))
    .map(({ name, type, constraint }) =>
      `ADD COLUMN ${quoted(name)} ${type} ${constraint}${constraint.includes('NOT NULL') ? ' DEFAULT false' : ''}`.trimEnd(),
    )
  return added.length === 0 ? [] : [`ALTER TABLE ${old} ${added.join(', ')}`]
}

/** Own columns that readings gets too. */
export function keptColumns(facts: TableFacts, { keep }: MoveSettings): Statements {
  return facts.columns
    .filter(({ name }) => keep.includes(name))
    .map(({ name, type, collation }) => {
      const order = collation === null || collation === 'default' ? '' : ` COLLATE ${quoted(collation)}`
      return `ALTER TABLE readings ADD COLUMN IF NOT EXISTS ${quoted(name)} ${type}${order}`
    })
}

/** The table's columns, under its name, over readings: its writers and readers go on with it. */
export function viewOf(facts: TableFacts, settings: MoveSettings): Statements {
  const view = qualified(facts, facts.name)
  const columns = facts.columns.map(({ name }) => {
    const ours = settings.names[name] ?? name
    return ours === name ? quoted(name) : `${quoted(ours)} AS ${quoted(name)}`
  })
  const estimated = Object.values(settings.names).includes('time_estimated')
  return [
    `CREATE VIEW ${view} AS SELECT ${[...columns, ...(estimated ? [] : ['time_estimated'])].join(', ')} FROM readings`,
    ...(estimated ? [] : [`ALTER VIEW ${view} ALTER COLUMN time_estimated SET DEFAULT false`]),
    ...facts.columns.flatMap(({ name, preset }) =>
      preset === null ? [] : [`ALTER VIEW ${view} ALTER COLUMN ${quoted(name)} SET DEFAULT ${preset}`],
    ),
    ...facts.grants,
    ...(facts.foreign ? [`GRANT ALL ON ${view} TO ${facts.owner}`, ...sequencesUsed(facts)] : []),
    ...marksGranted(facts),
    `COMMENT ON VIEW ${view} IS ${literal(facts.comment ?? `What was table ${facts.name}, over readings.`)}`,
  ]
}

/**
 * Back: the old part gets its name, columns and key again. The device keeps its type, and columns
 * that were added stay.
 */
export function unswapReadings(facts: TableFacts, settings: MoveSettings): Statements {
  const table = qualified(facts, facts.name)
  const old = qualified(facts, oldName(facts))
  const key = primaryKey(facts)
  const kept = !needsIndex(facts, settings)
  return [
    `ALTER TABLE readings DETACH PARTITION ${old}`,
    `DROP VIEW ${table}`,
    ...renames(settings).map(([own, ours]) => `ALTER TABLE ${old} RENAME COLUMN ${quoted(ours)} TO ${quoted(own)}`),
    `ALTER TABLE ${old} RENAME TO ${quoted(facts.name)}`,
    ...(facts.foreign ? [`ALTER TABLE ${table} OWNER TO ${facts.owner}`] : []),
    ...(kept ? [] : [`ALTER TABLE ${table} DROP CONSTRAINT ${quoted(suffixed(oldName(facts), '_key'))}`]),
    ...(kept || key === undefined
      ? []
      : [`ALTER TABLE ${table} ADD CONSTRAINT ${quoted(key.name)} PRIMARY KEY USING INDEX ${quoted(keyName(facts))}`]),
  ]
}

/** The trigger of the roll-ups runs with the rights of whoever writes through the view. */
function marksGranted({ writers }: TableFacts): Statements {
  if (writers.length === 0) return []
  const grant = `GRANT INSERT ON rollup_mark TO ${writers.join(', ')}`
  return [`DO $$ BEGIN IF to_regclass('rollup_mark') IS NOT NULL THEN ${grant}; END IF; END $$`]
}

function sequencesUsed(facts: TableFacts): Statements {
  return facts.columns.flatMap(({ sequence }) => (sequence === null ? [] : [`GRANT ALL ON SEQUENCE ${sequence} TO ${facts.owner}`]))
}

/** The index of the key of before, which the swap dropped: built while writers go on. */
export function rebuildKey(facts: TableFacts, settings: MoveSettings): string | undefined {
  const key = primaryKey(facts)
  if (key === undefined || !needsIndex(facts, settings)) return undefined
  const columns = key.columns.map((name) => quoted(settings.names[name ?? ''] ?? name ?? ''))
  return `CREATE UNIQUE INDEX CONCURRENTLY ${quoted(keyName(facts))} ON ${qualified(facts, oldName(facts))} (${columns.join(', ')})`
}
