import pg from 'pg'
import { type BadRow, ConnectorError, type RowRange, type SinkBatch } from '../contract.ts'
import { copyRange, rowOfContext } from './copy-rows.ts'
import { copyStatement, quoted } from './readings-table.ts'
import type { Session } from './session.ts'
import { blame, UNIQUE_VIOLATION } from './sqlstate.ts'
import { afterBatch, FIRST_PATH } from './write-path.ts'

export type Written =
  /** Rows whose key was there already, for each of the batch's moves. */
  { readonly tag: 'written'; readonly repeated: readonly number[] } | { readonly tag: 'bad-rows'; readonly rows: readonly BadRow[] }

/** Puts the rows of batches into `readings`, inside a transaction with a savepoint `rows`. */
export interface RowWriter {
  /** Once per session: the temporary table. */
  prepare(session: Session): Promise<void>
  write(session: Session, batch: SinkBatch): Promise<Written>
}

const TO_SAVEPOINT = 'ROLLBACK TO SAVEPOINT rows'

/** @param columns of `readings`, in the order of the batches' COPY streams */
export function createRowWriter(columns: readonly string[]): RowWriter {
  const intoReadings = copyStatement('readings', columns)
  const intoIncoming = copyStatement('incoming', columns)
  const list = columns.map(quoted).join(', ')
  const merge = (where: string): string => `INSERT INTO readings (${list}) SELECT ${list} FROM incoming ${where} ON CONFLICT DO NOTHING`
  let state = FIRST_PATH

  /** Through the temporary table: rows that were repeats, per move. */
  const mergeBatch = async (session: Session, batch: SinkBatch): Promise<readonly number[]> => {
    await session.script('merging rows', "SELECT setval('incoming_line', 1, false)")
    await session.copy('copying rows to be merged', intoIncoming, batch.copy)
    const statements = batch.moves.map(({ rows }) =>
      merge(batch.moves.length === 1 ? '' : `WHERE line <@ '${lines(rows)}'::int4multirange`),
    )
    const inserted = await session.script('merging rows', statements.join('; '))
    return batch.moves.map(({ rows }, index) => rowCount(rows) - (inserted[index] ?? 0))
  }

  /** Why the database refuses these rows, alone in the transaction; undefined where it takes them. */
  const refused = async (session: Session, copy: Buffer): Promise<ConnectorError | undefined> => {
    await session.script('looking for a bad row', TO_SAVEPOINT)
    try {
      await session.copy('looking for a bad row', intoIncoming, copy)
      await session.script('looking for a bad row', merge(''))
      return undefined
    } catch (error) {
      return rowError(error)
    }
  }

  /** The row that an error is about: the one that it names, else by halves, which takes about two batches' time. */
  const isolate = async (session: Session, batch: SinkBatch, error: ConnectorError): Promise<Written> => {
    const named = rowOfContext(error.cause instanceof pg.DatabaseError ? error.cause.where : undefined, batch.rows)
    if (named !== undefined) return badRow(named, error)
    let [first, end] = [0, batch.rows]
    while (end - first > 1) {
      const middle = (first + end) >> 1
      if ((await refused(session, copyRange(batch.copy, first, middle))) === undefined) first = middle
      else end = middle
    }
    const reason = await refused(session, copyRange(batch.copy, first, end))
    // It takes every row by itself: nothing to dead-letter.
    if (reason === undefined) throw error
    return badRow(first, reason)
  }

  const insert = async (session: Session, batch: SinkBatch): Promise<readonly number[]> => {
    if (state.path === 'merge') return mergeBatch(session, batch)
    try {
      await session.copy('copying rows', intoReadings, batch.copy)
      return batch.moves.map(() => 0)
    } catch (error) {
      if (!(error instanceof ConnectorError && error.code === UNIQUE_VIOLATION)) throw error
      await session.script('merging rows', TO_SAVEPOINT)
      return mergeBatch(session, batch)
    }
  }

  return {
    async prepare(session) {
      await session.script(
        'creating the temporary table for rows to be merged',
        `CREATE TEMPORARY SEQUENCE incoming_line;
         CREATE TEMPORARY TABLE incoming (line integer NOT NULL DEFAULT nextval('incoming_line'), LIKE readings) ON COMMIT DELETE ROWS`,
      )
    },
    async write(session, batch) {
      if (batch.rows === 0) return { tag: 'written', repeated: batch.moves.map(() => 0) }
      try {
        const repeated = await insert(session, batch)
        state = afterBatch(
          state,
          repeated.reduce((sum, each) => sum + each, 0),
        )
        return { tag: 'written', repeated }
      } catch (error) {
        return await isolate(session, batch, rowError(error))
      }
    },
  }
}

export function rowCount(ranges: readonly RowRange[]): number {
  return ranges.reduce((sum, { first, end }) => sum + end - first, 0)
}

/** Lines of the temporary table, which are counted from 1, as a multirange. */
function lines(ranges: readonly RowRange[]): string {
  return `{${ranges.map(({ first, end }) => `[${first + 1},${end + 1})`).join(',')}}`
}

/** The error, if it is the row's; throws any other. */
function rowError(error: unknown): ConnectorError {
  if (error instanceof ConnectorError && blame(error.code) === 'row') return error
  throw error
}

function badRow(row: number, error: ConnectorError): Written {
  return {
    tag: 'bad-rows',
    rows: [{ row, sqlState: error.code, detail: error.cause instanceof Error ? error.cause.message : error.message }],
  }
}
