import type { Day } from './days.ts'
import { literal, quoted } from './readings-table.ts'
import { type Scope, SHADOW, within } from './recompute-shadow.ts'
import type { Session } from './session.ts'

/** Of one quantity, in rows that are there before and after. */
export interface QuantityDifference {
  /** Rows with a value before and another one now. */
  readonly differing: number
  /** Value now less value before, of these. */
  readonly least: number
  readonly greatest: number
  readonly sum: number
  /** Rows that have a value now, and had none. */
  readonly added: number
  /** Rows that had a value, and no frame gives it now. */
  readonly unbacked: number
}

/** Rows as they are in the line, and as they are recomputed. */
export interface Comparison {
  readonly before: number
  readonly now: number
  /** Rows that are there only now. */
  readonly added: number
  /** Rows that no frame gives now. */
  readonly unbacked: number
  /** Rows that are there before and now, and would change. */
  readonly changed: number
  /** Rows of another account or site, or with another word on whether their time is estimated. */
  readonly account: number
  readonly site: number
  readonly estimated: number
  /** Those that differ somewhere. */
  readonly quantities: ReadonlyMap<string, QuantityDifference>
}

export interface CompareOptions {
  readonly scope: Scope
  readonly day: Day
  /** Whether the day is in the archive: its rows were loaded into the shadow's table of them. */
  readonly archived: boolean
  /** Columns of values, and those of them that recomputed rows have. */
  readonly columns: readonly string[]
  readonly recomputed: readonly string[]
}

/** Rows of a day in the line. Rows that came late for a day of the archive are in the table. */
function before({ scope, day, archived }: CompareOptions, columns: readonly string[]): string {
  const list = [...KEY, ...columns].map(quoted).join(', ')
  const table = `SELECT ${list} FROM readings AS r WHERE ${within(scope, 'r', day)}`
  if (!archived) return `(${table})`
  const file = `SELECT ${list} FROM ${SHADOW}.archived AS a WHERE ${within(scope, 'a', day)}`
  return `(${file} UNION ALL ${table} AND NOT EXISTS (SELECT FROM ${SHADOW}.archived AS a WHERE a.device_id = r.device_id AND a.ts = r.ts))`
}

const KEY = ['device_id', 'ts', 'time_estimated', 'account_id', 'site_id']
const BOTH = 'b.device_id IS NOT NULL AND n.device_id IS NOT NULL'

/** SQL: whether a recomputed row, n, says something else than the one of its key, r. */
export function differs(recomputed: readonly string[], row: string): string {
  return [
    ...['time_estimated', 'account_id', 'site_id'].map((name) => `n.${name} IS DISTINCT FROM ${row}.${name}`),
    ...recomputed.map(quoted).map((name) => `(n.${name} IS NOT NULL AND n.${name} IS DISTINCT FROM ${row}.${name})`),
  ].join(' OR ')
}

/** Compares a day. One pass over its rows of the scope; nothing is written. */
export async function compareDay(session: Session, options: CompareOptions): Promise<Comparison> {
  const { scope, day, columns, recomputed } = options
  const values = columns.flatMap((name, index) => {
    const [now, was] = [`n.${quoted(name)}`, `b.${quoted(name)}`]
    if (!recomputed.includes(name)) return [`count(*) FILTER (WHERE ${BOTH} AND ${was} IS NOT NULL)::float8 AS u${index}`]
    const other = `FILTER (WHERE ${BOTH} AND ${now} IS DISTINCT FROM ${was} AND ${now} IS NOT NULL AND ${was} IS NOT NULL)`
    return [
      `count(*) ${other}::float8 AS d${index}`,
      `min(${now} - ${was}) ${other} AS l${index}`,
      `max(${now} - ${was}) ${other} AS g${index}`,
      `sum(${now} - ${was}) ${other} AS s${index}`,
      `count(*) FILTER (WHERE ${BOTH} AND ${now} IS NOT NULL AND ${was} IS NULL)::float8 AS a${index}`,
      `count(*) FILTER (WHERE ${BOTH} AND ${now} IS NULL AND ${was} IS NOT NULL)::float8 AS u${index}`,
    ]
  })
  const [row = {}] = await session.query<Record<string, number | null>>(
    'comparing recomputed rows',
    `SELECT count(b.device_id)::float8 AS before, count(n.device_id)::float8 AS now,
       count(*) FILTER (WHERE b.device_id IS NULL)::float8 AS added, count(*) FILTER (WHERE n.device_id IS NULL)::float8 AS unbacked,
       count(*) FILTER (WHERE ${BOTH} AND (${differs(recomputed, 'b')}))::float8 AS changed,
       count(*) FILTER (WHERE ${BOTH} AND n.account_id IS DISTINCT FROM b.account_id)::float8 AS account,
       count(*) FILTER (WHERE ${BOTH} AND n.site_id IS DISTINCT FROM b.site_id)::float8 AS site,
       count(*) FILTER (WHERE ${BOTH} AND n.time_estimated IS DISTINCT FROM b.time_estimated)::float8 AS estimated,
       ${values.join(', ')}
     FROM ${before(options, columns)} AS b
     FULL JOIN (SELECT * FROM ${SHADOW}.readings AS s WHERE ${within(scope, 's', day)}) AS n ON n.device_id = b.device_id AND n.ts = b.ts`,
  )
  const of = (name: string): number => row[name] ?? 0
  const quantities = new Map<string, QuantityDifference>()
  for (const [index, name] of columns.entries()) {
    const [differing, added, unbacked] = [of(`d${index}`), of(`a${index}`), of(`u${index}`)]
    if (differing + added + unbacked === 0) continue
    quantities.set(name, { differing, least: of(`l${index}`), greatest: of(`g${index}`), sum: of(`s${index}`), added, unbacked })
  }
  return {
    before: of('before'),
    now: of('now'),
    added: of('added'),
    unbacked: of('unbacked'),
    changed: of('changed'),
    account: of('account'),
    site: of('site'),
    estimated: of('estimated'),
    quantities,
  }
}

/**
 * Notes what rows of a day have that no recomputed row has: whole rows, and values of others.
 * Frames that were in Kafka by then are read afterwards, and what they give is taken off again by
 * whoever uses the notes: what is left has no frame.
 */
export async function noteUnbacked(session: Session, options: CompareOptions): Promise<void> {
  const { scope, day, columns } = options
  const lost = columns.map((name) => `CASE WHEN n.${quoted(name)} IS NULL AND b.${quoted(name)} IS NOT NULL THEN ${literal(name)} END`)
  await session.script(
    'noting what no frame gives',
    `INSERT INTO ${SHADOW}.unbacked
     SELECT * FROM (
       SELECT b.device_id, b.ts, CASE WHEN n.device_id IS NOT NULL THEN array_remove(ARRAY[${lost.join(', ')}]::text[], NULL) END AS quantities
       FROM ${before(options, columns)} AS b LEFT JOIN ${SHADOW}.readings AS n ON n.device_id = b.device_id AND n.ts = b.ts
         AND ${within(scope, 'n', day)}
     ) AS u WHERE quantities IS NULL OR cardinality(quantities) > 0
     ON CONFLICT (device_id, ts) DO NOTHING`,
  )
}
