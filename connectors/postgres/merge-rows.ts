import { grouped } from '../../processors/grouped.ts'
import type { ConflictPolicy, RowValues } from '../../processors/store/merge-columns.ts'
import { ConnectorError, type SinkBatch } from '../contract.ts'
import { copyStream, keyBytes, readKey, writeRow } from './copy-rows.ts'
import { type Day, dayOf, dayStart } from './days.ts'
import { type FoldedRows, foldRows, mergeRows, REPEATED, type RowOutcomes } from './fold-rows.ts'
import { copyStatement, KEY_COLUMNS, quoted } from './readings-table.ts'
import type { Session } from './session.ts'
import type { Met } from './write-path.ts'

/**
 * Somebody else may write a key between the look and the insert. If that seems to happen each time,
 * a trigger leaves rows out.
 */
const ATTEMPTS = 3
const ROW_NOT_TAKEN = '02000'

/** Merges batches into `readings` by way of temporary tables. */
export interface TableMerge {
  /**
   * Inside a transaction with a savepoint `rows`.
   * @param folded given if the batch was folded already
   */
  merge(session: Session, batch: SinkBatch, folded?: FoldedRows): Promise<TableMerged>
}

/** What became of each row of a batch, and what its keys met. */
export interface TableMerged {
  readonly outcomes: RowOutcomes
  readonly met: Met
}

interface Present {
  readonly count: number
  /** Rows whose key is in the table; null if that is all of them. */
  readonly rows: readonly number[] | null
  /** Those of them that may have something new. */
  readonly different: readonly number[]
}

/**
 * First it looks up the keys that are in the table, and compares their rows. For a batch of pure
 * repeats that is all: nothing is written. Then it inserts the rows whose keys are absent. Rows
 * that differ are locked, merged here, and written back.
 * @param columns of the batches' COPY streams
 */
export function createTableMerge(columns: readonly string[], policy: ConflictPolicy): TableMerge {
  const list = columns.map(quoted).join(', ')
  const values = columns.slice(KEY_COLUMNS).map(quoted)
  const differs = values.map((column) => `i.${column} IS NOT NULL AND r.${column} IS DISTINCT FROM i.${column}`).join(' OR ')
  const assigned = columns
    .slice(KEY_COLUMNS - 1)
    .map((column) => `${quoted(column)} = m.${quoted(column)}`)
    .join(', ')
  const intoIncoming = copyStatement('incoming', columns)
  const intoMerged = copyStatement('merged', columns)

  /**
   * The query has one branch for each day, with the day's bounds as constants, so that it looks
   * only at the day's own chunk or partition.
   */
  const present = async (session: Session, { days }: SinkBatch, rows: number, groups: readonly number[]): Promise<Present> => {
    const several = groups.length === 0 ? '' : ` OR i.line <@ ${multirange(groups)}`
    const branches = days.map((day) => `SELECT i.line, (${differs}${several}) AS different FROM ${joined('incoming', 'i', day)}`)
    const [found] = await session.query<{ count: bigint; lines: readonly number[] | null; different: readonly number[] | null }>(
      'comparing rows with the table',
      `SELECT count(*), CASE WHEN count(*) < $1 THEN array_agg(line) END AS lines, array_agg(line) FILTER (WHERE different) AS different
       FROM (${branches.join(' UNION ALL ')}) AS present`,
      [rows],
    )
    const count = Number(found?.count ?? 0)
    return { count, rows: count === rows ? null : rowsOf(found?.lines), different: rowsOf(found?.different) }
  }

  /**
   * The rows of the table that have the keys of these rows. They are locked, so nobody changes them
   * before this transaction is over.
   */
  const current = async (session: Session, rowsByDay: ReadonlyMap<Day, readonly number[]>): Promise<ReadonlyMap<number, RowValues>> => {
    const found = new Map<number, RowValues>()
    const array = `ARRAY[${values.map((column) => `r.${column}::double precision`).join(', ')}]`
    for (const [day, rows] of rowsByDay) {
      const read = await session.query<{ line: number; estimated: boolean; values: (number | null)[] }>(
        'reading rows to be merged',
        `SELECT i.line, r.time_estimated AS estimated, ${array} AS values FROM ${joined('incoming', 'i', day)}
         AND i.line <@ ${multirange(rows)} FOR UPDATE OF r`,
      )
      for (const { line, ...row } of read) found.set(line - 1, row)
    }
    return found
  }

  const copyIncoming = async (session: Session, copy: Buffer): Promise<void> => {
    await session.script('merging rows', "ROLLBACK TO SAVEPOINT rows; SELECT setval('incoming_line', 1, false)")
    await session.copy('copying rows to be merged', intoIncoming, copy)
  }

  /** Inserts the rows whose key is not in the table. @returns the others */
  const insertAbsent = async (session: Session, batch: SinkBatch, folded: FoldedRows, known: Present | undefined): Promise<Present> => {
    let there = known
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      if (there === undefined) {
        await copyIncoming(session, folded.copy)
        there = await present(session, batch, folded.rows, [...folded.groups.keys()])
      }
      if (there.rows === null) return there
      const others = there.count === 0 ? '' : `WHERE NOT line <@ ${multirange(there.rows)}`
      const [inserted] = await session.script(
        'inserting rows',
        `INSERT INTO readings (${list}) SELECT ${list} FROM incoming ${others} ON CONFLICT (device_id, ts) DO NOTHING`,
      )
      if (there.count + (inserted ?? 0) === folded.rows) return there
      // Another transaction wrote a key meanwhile: look again.
      there = undefined
    }
    throw notTaken('inserting rows')
  }

  /**
   * Locks the rows of the table that differ, merges into them what the batch has of their key, and
   * writes back those that changed.
   */
  const mergeDifferent = async (session: Session, batch: SinkBatch, folded: FoldedRows, different: readonly number[]): Promise<void> => {
    const { outcomes, offsets, first, groups } = folded
    const keyOf = (row: number): Buffer => keyBytes(batch.copy, offsets[first[row] as number] as number)
    const byDay = grouped(different, (row) => dayOf(readKey(keyOf(row)).tsMicros / 1000))
    const rows = await current(session, byDay)
    const changed = new Map<Day, Buffer[]>()
    for (const [day, those] of byDay) {
      const list: Buffer[] = []
      for (const row of those) {
        const values = rows.get(row)
        if (values === undefined) throw new ConnectorError('40001', true, 'merging rows: a row was deleted meanwhile')
        if (mergeRows(values, batch.copy, offsets, groups.get(row) ?? [first[row] as number], policy, outcomes))
          list.push(writeRow(keyOf(row), values))
      }
      if (list.length > 0) changed.set(day, list)
    }
    await write(session, changed)
  }

  const write = async (session: Session, changed: ReadonlyMap<Day, readonly Buffer[]>): Promise<void> => {
    const rows = [...changed.values()].flat()
    if (rows.length === 0) return
    await session.copy('copying merged rows', intoMerged, copyStream(rows))
    const statements = [...changed.keys()].map((day) => `UPDATE readings AS r SET ${assigned} FROM merged AS m WHERE ${sameKey('m', day)}`)
    const updated = await session.script('writing merged rows', statements.join('; '))
    if (updated.reduce((sum, each) => sum + each, 0) < rows.length) throw notTaken('writing merged rows')
  }

  return {
    async merge(session, batch, given) {
      let there: Present | undefined
      if (given === undefined) {
        await copyIncoming(session, batch.copy)
        there = await present(session, batch, batch.rows, [])
        if (there.count === batch.rows && there.different.length === 0) return { outcomes: allRepeated(batch.rows), met: 'table' }
      }
      const folded = given ?? foldRows(batch.copy, batch.rows, policy)
      // If each key is in the batch once, the first look-up still holds.
      if (folded.groups.size > 0) there = undefined
      there = await insertAbsent(session, batch, folded, there)
      const { outcomes, first } = folded
      for (const row of there.rows ?? everyRow(folded.rows)) outcomes.of[first[row] as number] = REPEATED
      if (there.different.length > 0) await mergeDifferent(session, batch, folded, there.different)
      return { outcomes, met: there.count > 0 ? 'table' : folded.groups.size > 0 ? 'within' : 'nothing' }
    },
  }
}

/** Creates the temporary tables that a merge uses: once per session. */
export async function prepareMerge(session: Session): Promise<void> {
  await session.script(
    'creating the temporary tables for rows to be merged',
    // The joins need few rows, by an index. Without statistics on the temporary tables the
    // planner might read whole chunks instead. extra_float_digits: values are written back as
    // they were read.
    `CREATE TEMPORARY SEQUENCE incoming_line;
     CREATE TEMPORARY TABLE incoming (line integer NOT NULL DEFAULT nextval('incoming_line'), LIKE readings) ON COMMIT DELETE ROWS;
     CREATE TEMPORARY TABLE merged (LIKE readings) ON COMMIT DELETE ROWS;
     SET enable_hashjoin = off; SET enable_mergejoin = off; SET extra_float_digits = 1`,
  )
}

function joined(table: string, alias: string, day: Day): string {
  return `${table} AS ${alias} JOIN readings AS r ON ${sameKey(alias, day)}`
}

function sameKey(alias: string, day: Day): string {
  const within = (column: string): string => `${column} >= '${dayStart(day)}' AND ${column} < '${dayStart(day + 1)}'`
  return `r.device_id = ${alias}.device_id AND r.ts = ${alias}.ts AND ${within('r.ts')} AND ${within(`${alias}.ts`)}`
}

/** Rows, counted from 0, as the lines of the temporary table, which are counted from 1. */
export function multirange(rows: readonly number[]): string {
  return `'{${rows.map((row) => `[${row + 1},${row + 1}]`).join(',')}}'::int4multirange`
}

/** Lines of the temporary table as rows, counted from 0. */
function rowsOf(lines: readonly number[] | null | undefined): readonly number[] {
  return (lines ?? []).map((line) => line - 1)
}

function allRepeated(rows: number): RowOutcomes {
  return { of: new Uint8Array(rows).fill(REPEATED), conflicts: new Map() }
}

function everyRow(rows: number): readonly number[] {
  return Array.from({ length: rows }, (_, row) => row)
}

/**
 * An error that counts as a row's fault. Which row it is, is found out by trying them one by one.
 */
export function notTaken(doing: string): ConnectorError {
  return new ConnectorError(ROW_NOT_TAKEN, false, `${doing}: a trigger of table readings leaves rows out`)
}
