import { carriedIndexes, type MoveSettings, suffixed, type TableColumn, type TableFacts } from '../../processors/store/table-move.ts'
import { type Column, literal, quoted } from './readings-table.ts'
import { handedOver, keptColumns, keyName, noteName, oldName, qualified, type Statements, sequencesTo, viewOf } from './table-attach-sql.ts'
import { OURS } from './table-facts.ts'
import { NOTES } from './table-move-note.ts'

/** Doubles what writers do, before the swap into the new table, afterwards into the old one. */
export const DOUBLE = `${OURS}double`
const NO_TRUNCATE = `${OURS}truncate`

/** Those who update or delete share it; a batch of the copy has it alone. */
export const COPY_LOCK = "hashtextextended('millrace migrate-table copy', 0)"

export const newName = ({ name }: TableFacts): string => suffixed(name, '_new')
const functionName = (facts: TableFacts): string => qualified(facts, suffixed(`${DOUBLE}_${facts.name}`, ''))

/** Unique, and in the order of time, in which the rows are copied. */
export function copyIndex(facts: TableFacts, { key, time }: MoveSettings): string {
  const columns = [time, ...key.filter((name) => name !== time)].map(quoted)
  return `CREATE UNIQUE INDEX CONCURRENTLY ${quoted(keyName(facts))} ON ${qualified(facts, facts.name)} (${columns.join(', ')})`
}

export function needsCopyIndex(facts: TableFacts, { key, time }: MoveSettings): boolean {
  return !facts.indexes.some(
    ({ unique, valid, partial, columns }) =>
      unique && valid && !partial && columns[0] === time && columns.length === key.length && key.every((name) => columns.includes(name)),
  )
}

/** Where rows go, and how a row of the table becomes one of it. */
export interface Target {
  /** Ready for SQL. */
  readonly table: string
  readonly columns: readonly { readonly own: TableColumn | undefined; readonly name: string; readonly type: string }[]
  readonly key: readonly string[]
}

export function targetOf(facts: TableFacts, settings: MoveSettings, ours: readonly Column[]): Target {
  if (settings.target === 'own')
    return {
      table: qualified(facts, newName(facts)),
      columns: facts.columns.map((own) => ({ own, name: own.name, type: own.type })),
      key: settings.key,
    }
  const columns = facts.columns.flatMap((own) => {
    const name = settings.names[own.name]
    return name === undefined ? [] : [{ own, name, type: ours.find((each) => each.name === name)?.type ?? own.type }]
  })
  // readings may not be without it.
  const estimated = columns.some(({ name }) => name === 'time_estimated')
    ? []
    : [{ own: undefined, name: 'time_estimated', type: 'boolean' }]
  return { table: 'readings', columns: [...columns, ...estimated], key: ['device_id', 'ts'] }
}

/**
 * A value of a row for the target. A time without a zone is UTC, whatever the session's zone is.
 */
export function rowValue(row: string, { own, type }: Target['columns'][number]): string {
  if (own === undefined) return 'false'
  const value = `${row}.${quoted(own.name)}`
  if (own.type === type) return value
  return own.type === 'timestamp without time zone' ? `(${value} AT TIME ZONE 'UTC')` : `${value}::${type}`
}

/**
 * The function of the trigger. An update or a delete waits for the batch that may just copy the
 * row.
 */
function doubling(facts: TableFacts, { table, columns, key }: Target): string {
  const list = columns.map(({ name }) => quoted(name)).join(', ')
  const assigned = columns.filter(({ name }) => !key.includes(name)).map(({ name }) => `${quoted(name)} = EXCLUDED.${quoted(name)}`)
  const keys = columns.filter(({ name }) => key.includes(name))
  const condition = keys.map((column) => `${quoted(column.name)} = ${rowValue('OLD', column)}`).join(' AND ')
  const row = (which: string): string => `(${keys.map((column) => rowValue(which, column)).join(', ')})`
  return `CREATE OR REPLACE FUNCTION ${functionName(facts)}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $double$
BEGIN
  IF TG_OP = 'TRUNCATE' THEN RAISE EXCEPTION 'table % is being migrated: DELETE in place of TRUNCATE', TG_TABLE_NAME; END IF;
  IF TG_OP <> 'INSERT' THEN
    PERFORM pg_advisory_xact_lock_shared(${COPY_LOCK});
    IF TG_OP = 'DELETE' THEN DELETE FROM ${table} WHERE ${condition}; RETURN NULL; END IF;
    IF ${row('OLD')} IS DISTINCT FROM ${row('NEW')} THEN DELETE FROM ${table} WHERE ${condition}; END IF;
  END IF;
  INSERT INTO ${table} (${list}) VALUES (${columns.map((column) => rowValue('NEW', column)).join(', ')})
    ON CONFLICT (${key.map(quoted).join(', ')}) DO ${assigned.length === 0 ? 'NOTHING' : `UPDATE SET ${assigned.join(', ')}`};
  RETURN NULL;
END $double$`
}

function triggersOn(facts: TableFacts, table: string): Statements {
  return [
    `CREATE TRIGGER ${DOUBLE} AFTER INSERT OR UPDATE OR DELETE ON ${table} FOR EACH ROW EXECUTE FUNCTION ${functionName(facts)}()`,
    `CREATE TRIGGER ${NO_TRUNCATE} BEFORE TRUNCATE ON ${table} FOR EACH STATEMENT EXECUTE FUNCTION ${functionName(facts)}()`,
  ]
}

export function dropTriggers(table: string): Statements {
  return [`DROP TRIGGER IF EXISTS ${DOUBLE} ON ${table}`, `DROP TRIGGER IF EXISTS ${NO_TRUNCATE} ON ${table}`]
}

export function dropFunction(facts: TableFacts): string {
  return `DROP FUNCTION IF EXISTS ${functionName(facts)}()`
}

/** In one transaction: the new table, empty, and from now on each write is doubled into it. */
export function startDoubling(facts: TableFacts, settings: MoveSettings, ours: readonly Column[]): Statements {
  const table = qualified(facts, facts.name)
  return [
    ...(settings.target === 'own' ? newTable(facts, settings) : keptColumns(facts, settings)),
    doubling(facts, targetOf(facts, settings, ours)),
    ...triggersOn(facts, table),
  ]
}

function newTable(facts: TableFacts, settings: MoveSettings): Statements {
  const made = qualified(facts, newName(facts))
  const like = ['COMMENTS', 'CONSTRAINTS', 'DEFAULTS', 'STORAGE', 'COMPRESSION'].map((each) => `INCLUDING ${each}`).join(' ')
  const carried = carriedIndexes(facts, settings)
  const keyed = carried.some(
    ({ unique, columns }) => unique && columns.length === settings.key.length && settings.key.every((name) => columns.includes(name)),
  )
  return [
    `CREATE TABLE ${made} (LIKE ${qualified(facts, facts.name)} ${like})`,
    `SELECT create_hypertable(${literal(made)}, by_range(${literal(settings.time)}, interval '1 day'), create_default_indexes => false)`,
    ...carried.map(({ name, constraintDefinition, definition, unique }) => {
      const named = quoted(suffixed(name, '_new'))
      return constraintDefinition === null
        ? `CREATE ${unique ? 'UNIQUE ' : ''}INDEX ${named} ON ${made}${definition.slice(definition.indexOf(' USING '))}`
        : `ALTER TABLE ${made} ADD CONSTRAINT ${named} ${constraintDefinition}`
    }),
    ...(keyed
      ? []
      : [`ALTER TABLE ${made} ADD CONSTRAINT ${quoted(suffixed(facts.name, '_key'))} UNIQUE (${settings.key.map(quoted).join(', ')})`]),
    ...facts.foreignKeys.map(({ name, definition }) => `ALTER TABLE ${made} ADD CONSTRAINT ${quoted(name)} ${definition}`),
  ]
}

/** Rows of a range, as the batch and the comparison read them. `row` is their alias. */
export function rowsOf(facts: TableFacts, { time }: MoveSettings, from: string | null, to: string | null, row = 'x'): string {
  return `${qualified(facts, facts.name)} AS ${row} WHERE ${between(`${row}.${quoted(time)}`, from, to)}`
}

function between(column: string, from: string | null, to: string | null): string {
  const within = [...(from === null ? [] : [`${column} > ${literal(from)}`]), ...(to === null ? [] : [`${column} <= ${literal(to)}`])]
  return within.length === 0 ? 'true' : within.join(' AND ')
}

/**
 * The same range of the target: so only its chunks are looked at. Times without a zone are UTC here
 * and there.
 */
export function timeRange(target: Target, { time }: MoveSettings, from: string | null, to: string | null): string {
  const name = target.columns.find(({ own }) => own?.name === time)?.name ?? time
  return between(quoted(name), from, to)
}

/** One batch. What is there already was doubled, or is the store's: it stays. */
export function copyRows(target: Target, rows: string, marks: boolean): string {
  const list = target.columns.map(({ name }) => quoted(name)).join(', ')
  const insert = `INSERT INTO ${target.table} (${list}) SELECT ${target.columns.map((column) => rowValue('x', column)).join(', ')} FROM ${rows}
    ON CONFLICT (${target.key.map(quoted).join(', ')}) DO NOTHING`
  if (!marks) return insert
  // As the store marks them: once for each hour of a device, in place of a trigger for each row.
  return `WITH copied AS (${insert} RETURNING device_id, ts)
    INSERT INTO rollup_mark (hour, devices, firsts, lasts)
    SELECT hour, array_agg(device_id), array_agg(first), array_agg(last) FROM (
      SELECT device_id, hour, CAST(extract(epoch FROM min(ts) - hour) * 1000000 AS bigint) AS first, CAST(extract(epoch FROM max(ts) - hour) * 1000000 AS bigint) AS last
      FROM copied, date_bin('1 hour', ts, 'epoch') AS hour GROUP BY device_id, hour
    ) AS h GROUP BY hour`
}

/**
 * Rows of a range that the target lacks, and those that it has with other values. In one snapshot.
 */
export function compareRows(target: Target, rows: string, range: string): string {
  const keys = target.columns.filter(({ name }) => target.key.includes(name))
  const joined = keys.map((column) => `t.${quoted(column.name)} = ${rowValue('x', column)}`).join(' AND ')
  const values = target.columns.filter(({ name, own }) => own !== undefined && !target.key.includes(name))
  const differs = values.map((column) => `t.${quoted(column.name)} IS DISTINCT FROM ${rowValue('x', column)}`)
  return `SELECT count(*) FILTER (WHERE t.${quoted(target.key[0] ?? '')} IS NULL)::float8 AS missing,
      count(*) FILTER (WHERE t.${quoted(target.key[0] ?? '')} IS NOT NULL AND (${differs.length === 0 ? 'false' : differs.join(' OR ')}))::float8 AS different
    FROM (SELECT x.* FROM ${rows}) AS x LEFT JOIN (SELECT * FROM ${target.table} WHERE ${range}) AS t ON ${joined}`
}

/**
 * In one transaction: names change places. From now on writes are doubled into the old table, for
 * the way back.
 */
export function swapCopied(facts: TableFacts, settings: MoveSettings): Statements {
  const table = qualified(facts, facts.name)
  const old = qualified(facts, oldName(facts))
  const noted = `UPDATE ${NOTES} SET swapped_at = now() WHERE name = ${literal(noteName(facts))}`
  const begin = [`LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`, ...dropTriggers(table)]
  if (settings.target === 'readings')
    return [
      ...begin,
      `ALTER TABLE ${table} RENAME TO ${quoted(oldName(facts))}`,
      // The view goes on with them when the old table is dropped.
      ...facts.columns.flatMap(({ sequence }) => (sequence === null ? [] : [`ALTER SEQUENCE ${sequence} OWNED BY NONE`])),
      ...viewOf(facts, settings),
      noted,
    ]
  const names = carriedIndexes(facts, settings).map(({ name }) => name)
  const back: Target = { ...targetOf(facts, settings, []), table: old }
  return [
    ...begin,
    ...facts.triggers.map(({ name }) => `DROP TRIGGER ${quoted(name)} ON ${table}`),
    `ALTER TABLE ${table} RENAME TO ${quoted(oldName(facts))}`,
    ...names.map((name) => `ALTER INDEX ${qualified(facts, name)} RENAME TO ${quoted(suffixed(name, '_old'))}`),
    `ALTER TABLE ${qualified(facts, newName(facts))} RENAME TO ${quoted(facts.name)}`,
    ...names.map((name) => `ALTER INDEX ${qualified(facts, suffixed(name, '_new'))} RENAME TO ${quoted(name)}`),
    ...handedOver(facts),
    doubling(facts, back),
    ...triggersOn(facts, table),
    noted,
  ]
}

/** Back: the old table has all that was written since, but for the past of readings. */
export function unswapCopied(facts: TableFacts, settings: MoveSettings): Statements {
  const table = qualified(facts, facts.name)
  const old = qualified(facts, oldName(facts))
  if (settings.target === 'readings')
    return [`DROP VIEW ${table}`, `ALTER TABLE ${old} RENAME TO ${quoted(facts.name)}`, ...sequencesTo(facts, table)]
  const names = carriedIndexes(facts, settings).map(({ name }) => name)
  return [
    `LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`,
    ...dropTriggers(table),
    ...facts.triggers.map(({ name }) => `DROP TRIGGER ${quoted(name)} ON ${table}`),
    ...names.map((name) => `ALTER INDEX ${qualified(facts, name)} RENAME TO ${quoted(suffixed(name, '_new'))}`),
    `ALTER TABLE ${table} RENAME TO ${quoted(newName(facts))}`,
    `ALTER TABLE ${old} RENAME TO ${quoted(facts.name)}`,
    ...names.map((name) => `ALTER INDEX ${qualified(facts, suffixed(name, '_old'))} RENAME TO ${quoted(name)}`),
    ...sequencesTo(facts, table),
    ...facts.triggers.map(({ definition }) => definition),
  ]
}
