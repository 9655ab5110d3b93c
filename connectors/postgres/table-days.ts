import { suffixed } from '../../processors/store/table-move.ts'
import { DAY_MS } from '../../processors/store/time-ranges.ts'
import { instant } from './days.ts'
import { retryOnLock } from './lock-retry.ts'
import { LOCK_TIMEOUT_MS } from './partition-turns.ts'
import { literal, quoted } from './readings-table.ts'
import type { Session } from './session.ts'

/**
 * Partition care is for `readings`. Another table gets its next days here, each time the command
 * runs.
 */
export async function makeDays(session: Session, table: string, nowMs: number, daysAhead: number): Promise<readonly string[]> {
  const [found] = await session.query<{ name: string; schema: string }>(
    'looking for the table',
    'SELECT relname AS name, nspname AS schema FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass($1)',
    [table],
  )
  const made: string[] = []
  const today = Math.floor(nowMs / DAY_MS)
  for (let day = today; found !== undefined && day <= today + daysAhead; day++) {
    const [from, to] = [instant(day * DAY_MS), instant((day + 1) * DAY_MS)]
    const name = `${quoted(found.schema)}.${quoted(suffixed(found.name, `_${from.slice(0, 10).replaceAll('-', '')}`))}`
    const attached = await retryOnLock(session, async () => {
      await session.script(`making partition ${name}`, `BEGIN; SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`)
      const [there] = await session.query<{ taken: boolean }>(
        `looking for partition ${name}`,
        // A partition that takes all of the day, or any part of it: then the day is its.
        `SELECT EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid,
           regexp_match(pg_get_expr(c.relpartbound, c.oid), '^FOR VALUES FROM \\((MINVALUE|''[^'']+'')\\) TO \\((MAXVALUE|''[^'']+'')\\)$') AS bound
         WHERE i.inhparent = to_regclass($1) AND bound IS NOT NULL
           AND CASE WHEN bound[1] = 'MINVALUE' THEN '-infinity' ELSE trim(bound[1], '''')::timestamptz END < $3::timestamptz
           AND CASE WHEN bound[2] = 'MAXVALUE' THEN 'infinity' ELSE trim(bound[2], '''')::timestamptz END > $2::timestamptz) AS taken`,
        [table, from, to],
      )
      await session.commit(
        `making partition ${name}`,
        there?.taken === true
          ? ''
          : `CREATE TABLE ${name} (LIKE ${table} INCLUDING ALL);
             ALTER TABLE ${table} ATTACH PARTITION ${name} FOR VALUES FROM (${literal(from)}) TO (${literal(to)})`,
      )
      return there?.taken !== true
    })
    if (attached) made.push(name)
  }
  return made
}
