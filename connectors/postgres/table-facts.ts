import type { MoveSettings, TableColumn, TableContents, TableFacts, TableIndex, TableTrigger } from '../../processors/store/table-move.ts'
import { keyIndex } from '../../processors/store/table-move.ts'
import { type Column, quoted } from './readings-table.ts'
import type { Session } from './session.ts'

/** Begins the names of what the migration itself puts on a table. */
export const OURS = 'millrace_move_'

interface TableRow extends Record<string, unknown> {
  readonly oid: number
  readonly schema: string
  readonly name: string
  readonly kind: string
  readonly persistence: string
  readonly partition: boolean
  readonly owner: string
  readonly ours: boolean
  readonly foreign: boolean
  readonly writers: readonly string[]
  readonly comment: string | null
  readonly rows: number
  readonly bytes: number
  readonly index_bytes: number
}

/** A table as it is, by a name as SQL has it; undefined if there is none. */
export async function tableFacts(session: Session, table: string): Promise<TableFacts | undefined> {
  const [found] = await session.query<TableRow>(
    'looking for the table',
    `SELECT c.oid::bigint::float8 AS oid, n.nspname AS schema, c.relname AS name, c.relkind AS kind, c.relpersistence AS persistence, c.relispartition AS partition,
       c.relowner::regrole::text AS owner, pg_has_role(c.relowner, 'USAGE') AS ours, c.relowner::regrole <> current_user::regrole AS foreign,
       ARRAY(SELECT DISTINCT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END FROM aclexplode(coalesce(c.relacl, acldefault('r', c.relowner)))
         WHERE privilege_type IN ('INSERT', 'UPDATE', 'DELETE')) AS writers, obj_description(c.oid, 'pg_class') AS comment,
       greatest(c.reltuples, pg_stat_get_live_tuples(c.oid), 0)::float8 AS rows,
       pg_table_size(c.oid)::float8 AS bytes, pg_indexes_size(c.oid)::float8 AS index_bytes
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass($1)`,
    [table],
  )
  if (found === undefined) return undefined
  const { oid, index_bytes: indexBytes, ...plain } = found
  return {
    ...plain,
    indexBytes,
    hypertable: await isHypertable(session, plain.schema, plain.name),
    columns: await columns(session, oid),
    indexes: await indexes(session, oid),
    ...(await constraints(session, oid)),
    triggers: await triggers(session, oid),
    grants: await grants(session, oid),
    hindrances: await hindrances(session, oid),
  }
}

async function isHypertable(session: Session, schema: string, name: string): Promise<boolean> {
  const doing = 'looking for hypertables'
  const extension = await session.query(doing, "SELECT FROM pg_extension WHERE extname = 'timescaledb'")
  if (extension.length === 0) return false
  const text = 'SELECT FROM timescaledb_information.hypertables WHERE hypertable_schema = $1 AND hypertable_name = $2'
  return (await session.query(doing, text, [schema, name])).length > 0
}

function columns(session: Session, oid: number): Promise<readonly (TableColumn & Record<string, unknown>)[]> {
  return session.query(
    'reading the columns of the table',
    `SELECT a.attname AS name, format_type(a.atttypid, NULL) AS type, l.collname AS collation, a.attnotnull AS "notNull",
       a.attidentity AS identity, a.attgenerated AS generated, pg_get_expr(d.adbin, d.adrelid) AS preset,
       pg_get_serial_sequence(a.attrelid::regclass::text, a.attname) AS sequence
     FROM pg_attribute a LEFT JOIN pg_collation l ON l.oid = a.attcollation
     LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
    [oid],
  )
}

function indexes(session: Session, oid: number): Promise<readonly (TableIndex & Record<string, unknown>)[]> {
  return session.query(
    'reading the indexes of the table',
    `SELECT c.relname AS name, i.indisunique AS unique, i.indisvalid AS valid, i.indpred IS NOT NULL AS partial,
       ARRAY(SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, at)
         LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum WHERE k.at <= i.indnkeyatts ORDER BY k.at) AS columns,
       pg_get_indexdef(i.indexrelid) AS definition, o.contype AS constraint, pg_get_constraintdef(o.oid) AS "constraintDefinition"
     FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
     LEFT JOIN pg_constraint o ON o.conindid = i.indexrelid AND o.conrelid = i.indrelid AND o.contype IN ('p', 'u', 'x')
     WHERE i.indrelid = $1 AND NOT starts_with(c.relname, '${OURS}') ORDER BY c.relname`,
    [oid],
  )
}

async function constraints(session: Session, oid: number): Promise<Pick<TableFacts, 'checks' | 'foreignKeys'>> {
  const found = await session.query<{ name: string; kind: string; definition: string; valid: boolean }>(
    'reading the constraints of the table',
    `SELECT conname AS name, contype AS kind, pg_get_constraintdef(oid) AS definition, convalidated AS valid
     FROM pg_constraint WHERE conrelid = $1 AND contype IN ('c', 'f') AND NOT starts_with(conname, '${OURS}') ORDER BY conname`,
    [oid],
  )
  return { checks: found.filter(({ kind }) => kind === 'c'), foreignKeys: found.filter(({ kind }) => kind === 'f') }
}

/** Without those of the roll-ups, which follow `readings`. */
function triggers(session: Session, oid: number): Promise<readonly (TableTrigger & Record<string, unknown>)[]> {
  return session.query(
    'reading the triggers of the table',
    `SELECT tgname AS name, pg_get_triggerdef(oid) AS definition, tgenabled = 'O' AND tgoldtable IS NULL AND tgnewtable IS NULL AS ordinary
     FROM pg_trigger WHERE tgrelid = $1 AND NOT tgisinternal AND tgname <> 'rollup_mark' AND NOT starts_with(tgname, '${OURS}') ORDER BY tgname`,
    [oid],
  )
}

async function grants(session: Session, oid: number): Promise<readonly string[]> {
  const found = await session.query<{ text: string }>(
    'reading the rights on the table',
    `SELECT format('GRANT %s ON %s.%s TO %s%s', privilege, quote_ident(n.nspname), quote_ident(c.relname),
         CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END, CASE WHEN grantable THEN ' WITH GRANT OPTION' ELSE '' END) AS text
     FROM (
       SELECT oid, privilege_type AS privilege, grantee, is_grantable AS grantable FROM pg_class, aclexplode(relacl) WHERE oid = $1
       UNION ALL
       SELECT attrelid, format('%s (%s)', privilege_type, quote_ident(attname)), grantee, is_grantable
       FROM pg_attribute, aclexplode(attacl) WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped
     ) AS g JOIN pg_class c ON c.oid = g.oid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE grantee <> c.relowner ORDER BY 1`,
    [oid],
  )
  return found.map(({ text }) => text)
}

/** What follows the table by its identity, and would stay with the old part. */
async function hindrances(session: Session, oid: number): Promise<readonly string[]> {
  const found = await session.query<{ text: string }>(
    'looking for what hangs on the table',
    `SELECT format('foreign key %s of table %s points at it, which a partitioned table without that key cannot serve: drop it', conname, conrelid::regclass) AS text
       FROM pg_constraint WHERE confrelid = $1 AND contype = 'f'
     UNION ALL
     SELECT DISTINCT format('%s depends on it: drop it, and create it again afterwards',
         CASE classid WHEN 'pg_rewrite'::regclass THEN (SELECT pg_describe_object('pg_class'::regclass, ev_class, 0) FROM pg_rewrite WHERE oid = objid)
           ELSE pg_describe_object(classid, objid, objsubid) END)
       FROM pg_depend LEFT JOIN pg_rewrite w ON w.oid = objid AND classid = 'pg_rewrite'::regclass
       WHERE deptype = 'n' AND classid IN ('pg_rewrite'::regclass, 'pg_proc'::regclass, 'pg_class'::regclass, 'pg_policy'::regclass) AND w.ev_class IS DISTINCT FROM $1::oid
         AND (refclassid = 'pg_class'::regclass AND refobjid = $1 AND classid <> 'pg_class'::regclass AND classid <> 'pg_policy'::regclass
           OR refclassid = 'pg_type'::regclass AND refobjid = (SELECT reltype FROM pg_class WHERE oid = $1))
     UNION ALL
     SELECT format('rule %s: drop it', rulename) FROM pg_rules JOIN pg_class c ON c.oid = $1 JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE schemaname = n.nspname AND tablename = c.relname AND c.relkind = 'r'
     UNION ALL
     SELECT 'it has row security, which a partition does not hand on: drop its policies' FROM pg_class WHERE oid = $1 AND relrowsecurity
     UNION ALL
     SELECT format('it inherits from, or to, table %s', CASE WHEN inhrelid = $1 THEN inhparent ELSE inhrelid END::regclass)
       FROM pg_inherits JOIN pg_class c ON c.oid = $1 WHERE (inhrelid = $1 OR inhparent = $1) AND NOT c.relispartition AND c.relkind = 'r'
     UNION ALL
     SELECT 'it is a table of a type (CREATE TABLE OF)' FROM pg_class WHERE oid = $1 AND reloftype <> 0
     UNION ALL
     SELECT format('it is in publication %s: take it out, and add it again afterwards', pubname)
       FROM pg_publication_rel JOIN pg_publication p ON p.oid = prpubid WHERE prrelid = $1`,
    [oid],
  )
  return found.map(({ text }) => text)
}

/** The columns that readings has: a partition has the same. */
export async function readingsColumns(session: Session): Promise<readonly Column[]> {
  const { columns: found } = (await tableFacts(session, 'readings')) ?? { columns: [] }
  return found.map(({ name, type, collation, notNull }) => {
    const order = collation === null || collation === 'default' ? '' : `COLLATE ${quoted(collation)}`
    return { name, type, constraint: `${order}${notNull ? ' NOT NULL' : ''}`.trim(), comment: '' }
  })
}

/** What is in the table. It is read once, and sorted once more if it has no unique key yet. */
export async function tableContents(session: Session, facts: TableFacts, settings: MoveSettings): Promise<TableContents> {
  const table = `${quoted(facts.schema)}.${quoted(facts.name)}`
  const time = quoted(settings.time)
  // What finds a row again in the copy, or is the device.
  const keyed = settings.target === 'readings' || settings.way === 'copy'
  const others = keyed ? settings.key.filter((name) => name !== settings.time).map(quoted) : []
  const noKey = others.length === 0 ? 'false' : others.map((name) => `${name} IS NULL`).join(' OR ')
  const [found] = await session.query<Omit<TableContents, 'duplicates' | 'duplicate'> & Record<string, unknown>>(
    'reading the table',
    `SELECT count(*)::float8 AS rows, count(*) FILTER (WHERE ${time} IS NULL)::float8 AS "nullTimes",
       count(*) FILTER (WHERE NOT isfinite(${time}))::float8 AS "infiniteTimes", count(*) FILTER (WHERE ${noKey})::float8 AS "nullKeys",
       extract(epoch FROM min(${time}) FILTER (WHERE isfinite(${time})))::float8 * 1000 AS "firstMs",
       extract(epoch FROM max(${time}) FILTER (WHERE isfinite(${time})))::float8 * 1000 AS "lastMs" FROM ${table}`,
  )
  const empty = { rows: 0, nullTimes: 0, infiniteTimes: 0, nullKeys: 0, firstMs: null, lastMs: null }
  const { duplicates, duplicate } =
    settings.key.length === 0 || keyIndex(facts, settings.key) !== undefined
      ? { duplicates: 0, duplicate: null }
      : await doubled(session, table, settings.key)
  return { ...(found ?? empty), duplicates, duplicate }
}

async function doubled(session: Session, table: string, key: readonly string[]): Promise<Pick<TableContents, 'duplicates' | 'duplicate'>> {
  const list = key.map(quoted).join(', ')
  const [found] = await session.query<{ duplicates: number; duplicate: string | null }>(
    'looking for keys that occur twice',
    `SELECT count(*)::float8 AS duplicates, min(concat_ws(', ', ${key.map((name) => `${quoted(name)}::text`).join(', ')})) AS duplicate
     FROM (SELECT ${list} FROM ${table} WHERE ${key.map((name) => `${quoted(name)} IS NOT NULL`).join(' AND ')} GROUP BY ${list} HAVING count(*) > 1) AS d`,
  )
  return found ?? { duplicates: 0, duplicate: null }
}
