import type { LookupTable } from '../../processors/lookup-table.ts'
import { ConnectorError } from '../contract.ts'
import { retryOnLock } from './lock-retry.ts'
import { checkTable, LOOKUP_TRIGGER, quotedTable, shownTable, tableStates } from './lookup-table-rows.ts'
import type { Session } from './session.ts'

const INSUFFICIENT_PRIVILEGE = '42501'

/**
 * Gives each table a trigger that tells its changes, unless it has one. If this role may not add
 * one, services read the table again and again instead.
 * @returns what was done, in words, in order
 * @throws ConnectorError `lookup-table` if a table is missing, or not as declared
 */
export async function addLookupTriggers(session: Session, tables: readonly LookupTable[]): Promise<readonly string[]> {
  const done: string[] = []
  for (const table of tables) {
    const [state] = await tableStates(session, [table])
    await checkTable(session, table, state?.oid)
    if (await hasTrigger(session, state?.oid)) continue
    done.push(await addTrigger(session, table))
  }
  return done
}

/** Enabled or not: one that somebody has disabled stays so. */
async function hasTrigger(session: Session, oid: string | undefined): Promise<boolean> {
  const found = await session.query('looking for triggers', 'SELECT FROM pg_trigger WHERE tgrelid = $1::oid AND tgname = $2', [
    oid,
    LOOKUP_TRIGGER,
  ])
  return found.length > 0
}

async function addTrigger(session: Session, table: LookupTable): Promise<string> {
  const shown = shownTable(table)
  const doing = `adding a trigger to table ${shown}`
  try {
    await retryOnLock(session, async () => {
      // Writers queue up behind a lock that waits. So give up early, and try again.
      await session.script(doing, "BEGIN; SET LOCAL lock_timeout = '200ms'")
      await session.script(
        doing,
        `CREATE TRIGGER ${LOOKUP_TRIGGER} AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON ${quotedTable(table)}
         FOR EACH STATEMENT EXECUTE FUNCTION notify_lookup_table()`,
      )
      await session.commit(doing)
    })
    return `table ${shown} tells its changes`
  } catch (error) {
    if (!(error instanceof ConnectorError && error.code === INSUFFICIENT_PRIVILEGE)) throw error
    await session.script(doing, 'ROLLBACK')
    return `table ${shown}: this role may not add a trigger, so services read it every two seconds`
  }
}
