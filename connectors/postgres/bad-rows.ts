import pg from 'pg'
import type { ConflictPolicy } from '../../processors/store/merge-columns.ts'
import { type BadRow, ConnectorError, type SinkBatch } from '../contract.ts'
import { copyRange, rowOfContext } from './copy-rows.ts'
import { copyStatement, literal, quoted } from './readings-table.ts'
import type { Session } from './session.ts'
import { blame, DATABASE_CLASSES, UNIQUE_VIOLATION } from './sqlstate.ts'

/** Finds out which rows of a batch the database refuses for their data. */
export interface BadRowFinder {
  /**
   * To be called inside a transaction with a savepoint `rows`. It goes back to the savepoint, so
   * that all that it tried is taken back. Empty if the database takes each row by itself.
   */
  find(session: Session, batch: SinkBatch): Promise<readonly BadRow[]>
}

const TO_SAVEPOINT = 'ROLLBACK TO SAVEPOINT rows'
/**
 * Most rows that are found this way: each row that COPY names takes another COPY of the rows after
 * it.
 */
const MOST_NAMED = 20

/**
 * If COPY names the bad rows by itself, a few of them are found at the price of one COPY each. COPY
 * names none if a trigger runs after the row, if a constraint is checked at the end, or if a key is
 * there already. Then the rows are tried one by one, in one loop on the server, each in a
 * subtransaction: 10,000 rows take about 0.3 s, however many of them are bad.
 */
export function createBadRowFinder(columns: readonly string[], policy: ConflictPolicy): BadRowFinder {
  const list = columns.map(quoted).join(', ')
  const intoReadings = copyStatement('readings', columns)
  const intoIncoming = copyStatement('incoming', columns)
  const merged = columns
    .slice(2)
    .map(quoted)
    .map(
      (column) =>
        `${column} = coalesce(${policy === 'keep-first' ? `t.${column}, excluded.${column}` : `excluded.${column}, t.${column}`})`,
    )
  const tryEach = `DO $try_each$
    DECLARE
      r record;
    BEGIN
      SET CONSTRAINTS ALL IMMEDIATE;
      FOR r IN SELECT * FROM incoming ORDER BY line LOOP
        BEGIN
          INSERT INTO readings AS t (${list}) VALUES (${columns.map((column) => `r.${quoted(column)}`).join(', ')})
          ON CONFLICT (device_id, ts) DO UPDATE SET ${merged.join(', ')};
          IF NOT FOUND THEN
            INSERT INTO refused_row VALUES (r.line, '02000', 'a trigger of table readings leaves the row out');
          END IF;
        EXCEPTION WHEN OTHERS OR assert_failure THEN
          IF left(SQLSTATE, 2) = ANY (ARRAY[${[...DATABASE_CLASSES].map(literal).join(', ')}]) THEN
            RAISE;
          END IF;
          INSERT INTO refused_row VALUES (r.line, SQLSTATE, SQLERRM);
        END;
      END LOOP;
    END $try_each$`

  /** Rows that COPY into `readings` names as bad; undefined if it does not name what is wrong. */
  const named = async (session: Session, batch: SinkBatch): Promise<readonly BadRow[] | undefined> => {
    const bad: BadRow[] = []
    for (let first = 0; first < batch.rows && bad.length <= MOST_NAMED; ) {
      await session.script('looking for bad rows', TO_SAVEPOINT)
      try {
        const copied = await session.copy('looking for bad rows', intoReadings, copyRange(batch.copy, first, batch.rows))
        await session.script('looking for bad rows', 'SET CONSTRAINTS ALL IMMEDIATE')
        return copied < batch.rows - first || bad.length === 0 ? undefined : bad
      } catch (error) {
        const found = namedRow(error, batch.rows - first)
        if (found === undefined || found.error.code === UNIQUE_VIOLATION) return undefined
        bad.push({ row: first + found.row, sqlState: found.error.code, detail: databaseMessage(found.error) })
        first += found.row + 1
      }
    }
    return bad.length <= MOST_NAMED ? bad : undefined
  }

  /**
   * Copies rows into the temporary table. If COPY itself refuses a value of a row, the row is left
   * out and returned.
   */
  const copyRows = async (session: Session, batch: SinkBatch): Promise<readonly BadRow[]> => {
    const bad: BadRow[] = []
    for (let first = 0; first < batch.rows; ) {
      let end = batch.rows
      for (let copied = false; !copied; ) {
        await session.script('looking for bad rows', `SAVEPOINT piece; SELECT setval('incoming_line', ${first + 1}, false)`)
        try {
          await session.copy('looking for bad rows', intoIncoming, copyRange(batch.copy, first, end))
          copied = true
        } catch (error) {
          const found = namedRow(error, end - first)
          if (found === undefined) throw error
          await session.script('looking for bad rows', 'ROLLBACK TO SAVEPOINT piece')
          bad.push({ row: first + found.row, sqlState: found.error.code, detail: databaseMessage(found.error) })
          end = first + found.row
          if (end === first) copied = true
        }
      }
      first = end === batch.rows ? end : end + 1
    }
    return bad
  }

  return {
    async find(session, batch) {
      const quickly = await named(session, batch)
      await session.script('looking for bad rows', TO_SAVEPOINT)
      if (quickly !== undefined) return quickly
      const bad = [...(await copyRows(session, batch))]
      await session.script('looking for bad rows', tryEach)
      const refused = await session.query<{ line: number; sqlState: string; detail: string }>(
        'looking for bad rows',
        'SELECT line, sql_state AS "sqlState", detail FROM refused_row ORDER BY line',
      )
      await session.script('looking for bad rows', TO_SAVEPOINT)
      for (const { line, sqlState, detail } of refused) {
        if (blame(sqlState) !== 'row') throw new ConnectorError(sqlState, false, `writing a row: ${detail}`)
        bad.push({ row: line - 1, sqlState, detail })
      }
      return bad.sort((a, b) => a.row - b.row)
    },
  }
}

/** Creates the temporary table that the search uses: once per session, after those of the merge. */
export async function prepareBadRows(session: Session): Promise<void> {
  await session.script(
    'creating the temporary table for rows that are refused',
    'CREATE TEMPORARY TABLE refused_row (line integer NOT NULL, sql_state text NOT NULL, detail text NOT NULL) ON COMMIT DELETE ROWS',
  )
}

/** The row that COPY names; undefined if it names none. Throws the error if it is not a row's. */
function namedRow(error: unknown, rows: number): { readonly row: number; readonly error: ConnectorError } | undefined {
  if (!(error instanceof ConnectorError && blame(error.code) === 'row')) throw error
  const row = rowOfContext(error.cause instanceof pg.DatabaseError ? error.cause.where : undefined, rows)
  return row === undefined ? undefined : { row, error }
}

/** What the database itself says. */
export function databaseMessage(error: ConnectorError): string {
  return error.cause instanceof Error ? error.cause.message : error.message
}
