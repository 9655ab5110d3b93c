import type { LookupTable } from '../../processors/lookup-table.ts'
import { ConnectorError } from '../contract.ts'
import { quotedTable } from './lookup-table-rows.ts'
import { literal, quoted } from './readings-table.ts'
import { type DatabaseKind, MEMBERSHIPS, OWNERS_ALONE, READER_SETTINGS, RIGHTS, type Rights, ROLES, type Role } from './roles.ts'
import type { Session } from './session.ts'

const INSUFFICIENT_PRIVILEGE = '42501'
/**
 * Roles are the server's: whoever migrates another database of it may be faster. And what this user
 * may not create has no settings.
 */
const PASSED_OVER: ReadonlySet<string> = new Set(['42710', '23505', '42704'])

export interface RoleOptions {
  readonly database: DatabaseKind
  /** What the names of the roles begin with: millrace gives millrace_store and so on. */
  readonly prefix: string
  /** Tables of the app database that processors and processes look up. */
  readonly tables?: readonly LookupTable[]
}

/** SQL that is left to be run. */
export interface RolePlan {
  /**
   * By a superuser, or a role with CREATEROLE: the roles, what they are members of, and the
   * settings of the reader.
   */
  readonly roles: readonly string[]
  /** By the owner of the tables, once the roles are there. */
  readonly grants: readonly string[]
}

/**
 * What the roles lack in this database. It only reads. What somebody else has granted, or set for
 * the reader, stays.
 */
export async function planRoles(session: Session, options: RoleOptions): Promise<RolePlan> {
  const names = ROLES.map((role) => roleName(options.prefix, role))
  const found = await session.query<{ name: string; memberships: readonly string[]; settings: readonly string[] }>(
    'looking for the roles',
    `SELECT name, ARRAY(
       SELECT g.rolname::text FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member JOIN pg_roles g ON g.oid = m.roleid
       WHERE r.rolname = name) AS memberships, ARRAY(
       SELECT split_part(setting, '=', 1) FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole, unnest(s.setconfig) AS setting
       WHERE r.rolname = name AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))) AS settings
     FROM unnest($1::text[]) AS name WHERE EXISTS (SELECT FROM pg_roles WHERE rolname = name)`,
    [names],
  )
  const there = new Map(found.map(({ name, ...rest }) => [name, rest]))
  const [here] = await session.query<{ database: string }>('asking for the database', 'SELECT current_database() AS database')
  const reader = roleName(options.prefix, 'reader')
  const settings = Object.entries(READER_SETTINGS)
    .filter(([name]) => there.get(reader)?.settings.includes(name) !== true)
    .map(([name, value]) => `ALTER ROLE ${quoted(reader)} IN DATABASE ${quoted(here?.database ?? '')} SET ${name} = ${literal(value)}`)
  const memberships = ROLES.flatMap((role) => {
    const [name, group] = [roleName(options.prefix, role), MEMBERSHIPS[role]]
    return group === undefined || there.get(name)?.memberships.includes(group) ? [] : [`GRANT ${group} TO ${quoted(name)}`]
  })
  const grants: string[] = []
  for (const role of ROLES) {
    const name = roleName(options.prefix, role)
    grants.push(...(await lackingGrants(session, { role, name, exists: there.has(name) }, options)))
  }
  return {
    roles: [...names.filter((name) => !there.has(name)).map((name) => `CREATE ROLE ${quoted(name)} LOGIN`), ...memberships, ...settings],
    grants,
  }
}

export interface RolesDone {
  /** In words. */
  readonly done: readonly string[]
  /** SQL for somebody who may do the rest. */
  readonly byHand: readonly string[]
}

/** Makes the roles and gives them what they lack, as far as this user may. */
export async function grantRoles(session: Session, options: RoleOptions): Promise<RolesDone> {
  const before = await planRoles(session, options)
  const done: string[] = []
  for (const sql of before.roles)
    if ((await attempt(session, sql)) && sql.startsWith('CREATE')) done.push(`created role ${sql.split('"')[1]}`)
  const { roles, grants } = await planRoles(session, options)
  // Without the roles there is nobody to grant anything to.
  if (roles.some((sql) => sql.startsWith('CREATE'))) return { done, byHand: roles }
  for (const sql of grants) await attempt(session, sql)
  // A GRANT by somebody who has the right, but not to give it on, is a warning only.
  const left = await planRoles(session, options)
  const given = grants.length - left.grants.length
  if (given > 0) done.push(`gave the roles their rights in the ${options.database} database: ${given} grants`)
  return { done, byHand: [...left.roles, ...left.grants] }
}

export function roleName(prefix: string, role: Role): string {
  return `${prefix}_${role}`
}

/** False if this user may not, or somebody else was faster. */
async function attempt(session: Session, sql: string): Promise<boolean> {
  try {
    await session.script('giving roles their rights', sql)
    return true
  } catch (error) {
    if (!(error instanceof ConnectorError) || (error.code !== INSUFFICIENT_PRIVILEGE && !PASSED_OVER.has(error.code))) throw error
    return false
  }
}

interface Grantee {
  readonly role: Role
  readonly name: string
  readonly exists: boolean
}

async function lackingGrants(session: Session, grantee: Grantee, options: RoleOptions): Promise<readonly string[]> {
  const { role, name, exists } = grantee
  const own = options.database === 'app' && role === 'processes'
  const schemas = own ? (options.tables ?? []).flatMap(({ schema }) => (schema === null ? [] : [schema])) : []
  const wanted: Rights = { ...RIGHTS[options.database][role], ...(own ? await ownTables(session, options) : {}) }
  const list = Object.entries(wanted).flatMap(([relation, rights]) =>
    rights.map((each) => {
      const [, right = each, columns = null] = /^([A-Z]+)\((.+)\)$/.exec(each) ?? []
      return { relation, right, columns }
    }),
  )
  const has = `CASE WHEN columns IS NULL THEN has_table_privilege(${literal(name)}, to_regclass(relation), privilege)
    ELSE (SELECT bool_and(has_column_privilege(${literal(name)}, to_regclass(relation), c, privilege)) FROM unnest(string_to_array(columns, ',')) AS c) END`
  const lacking = await session.query<{ relation: string; rights: readonly string[] }>(
    'looking for rights that are lacking',
    `SELECT relation, array_agg(concat(privilege, '(' || columns || ')') ORDER BY nr) AS rights
     FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS w (relation, privilege, columns, nr)
     WHERE to_regclass(relation) IS NOT NULL AND NOT (${exists ? has : 'false'}) GROUP BY relation ORDER BY min(nr)`,
    [list.map(({ relation }) => relation), list.map(({ right }) => right), list.map(({ columns }) => columns)],
  )
  return [
    ...(await lackingAccess(session, grantee, schemas)),
    ...lacking.map(({ relation, rights }) => `GRANT ${rights.join(', ')} ON ${relation} TO ${quoted(name)}`),
    ...(own ? await sequencesAndLater(session, grantee, schemas) : []),
  ]
}

/** To the database and the schemas, which PUBLIC may have lost, or never had. */
async function lackingAccess(session: Session, { name, exists }: Grantee, schemas: readonly string[]): Promise<readonly string[]> {
  const who = exists ? literal(name) : "'public'"
  const found = await session.query<{ grant: string }>(
    'looking whether a role may connect',
    `SELECT format('GRANT CONNECT ON DATABASE %I', current_database()) AS grant WHERE NOT has_database_privilege(${who}, current_database(), 'CONNECT')
     UNION ALL
     SELECT format('GRANT USAGE ON SCHEMA %I', nspname) FROM pg_namespace
     WHERE (nspname = current_schema() OR nspname = ANY ($1)) AND NOT has_schema_privilege(${who}, oid, 'USAGE')`,
    [schemas],
  )
  return found.map(({ grant }) => `${grant} TO ${quoted(name)}`)
}

/** Tables and views of business processes of the deployment's own, and what is looked up. */
async function ownTables(session: Session, { database, tables = [] }: RoleOptions): Promise<Rights> {
  const known = [...OWNERS_ALONE[database], ...ROLES.flatMap((role) => Object.keys(RIGHTS[database][role]))]
  const found = await session.query<{ relation: string; table: boolean }>(
    'looking for tables of business processes',
    `SELECT quote_ident(relname) AS relation, relkind IN ('r', 'p') AS table FROM pg_class c
     WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm') AND NOT relispartition
       AND pg_has_role(relowner, 'USAGE') AND relname <> ALL ($1)
       AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e') ORDER BY relname`,
    [known],
  )
  const own = found.map(({ relation, table }) => [relation, table ? ['SELECT', 'INSERT', 'UPDATE', 'DELETE'] : ['SELECT']] as const)
  return { ...Object.fromEntries(own), ...Object.fromEntries(tables.map((table) => [quotedTable(table), ['SELECT']])) }
}

/**
 * Sequences of tables of the deployment's own, and tables to look up that it makes after this. An
 * identity's needs no grant.
 */
async function sequencesAndLater(session: Session, { name, exists }: Grantee, schemas: readonly string[]): Promise<readonly string[]> {
  const has = exists ? `has_sequence_privilege(${literal(name)}, c.oid, 'USAGE')` : 'false'
  const sequences = await session.query<{ sequence: string }>(
    'looking for sequences',
    // CASE: of what is no sequence the function must not be asked.
    `SELECT quote_ident(relname) AS sequence FROM pg_class c WHERE relnamespace = current_schema()::regnamespace
       AND CASE relkind WHEN 'S' THEN pg_has_role(relowner, 'USAGE') AND NOT ${has} ELSE false END
       AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype IN ('i', 'e')) ORDER BY relname`,
  )
  const later = await session.query<{ schema: string }>(
    'looking for rights on later tables',
    `SELECT quote_ident(nspname) AS schema FROM pg_namespace n WHERE (nspname = current_schema() OR nspname = ANY ($2)) AND NOT EXISTS (
       SELECT FROM pg_default_acl d, aclexplode(d.defaclacl) AS a JOIN pg_roles r ON r.oid = a.grantee
       WHERE d.defaclrole = current_user::regrole AND d.defaclnamespace = n.oid AND d.defaclobjtype = 'r'
         AND r.rolname = $1 AND a.privilege_type = 'SELECT')`,
    [name, schemas],
  )
  return [
    ...sequences.map(({ sequence }) => `GRANT USAGE ON SEQUENCE ${sequence} TO ${quoted(name)}`),
    ...later.map(({ schema }) => `ALTER DEFAULT PRIVILEGES IN SCHEMA ${schema} GRANT SELECT ON TABLES TO ${quoted(name)}`),
  ]
}
