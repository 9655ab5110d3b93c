import type { Session } from './session.ts'

/** A PostgreSQL server as it is set up. */
export interface ServerSettings {
  /**
   * By name. Bytes and milliseconds if the server counts in units of these, else as it shows them;
   * those that only some roles may see are missing for others.
   */
  readonly values: ReadonlyMap<string, string | number>
  readonly connections: number
  /** Bytes of all its databases. */
  readonly sizeBytes: number
  /** The largest number of partitions or chunks of a table in this database. */
  readonly partitions: number
}

/** Factor to bytes or milliseconds, by the units of pg_settings. */
const UNITS: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1_024,
  '8kB': 8_192,
  '16MB': 16_777_216,
  MB: 1_048_576,
  ms: 1,
  s: 1_000,
  min: 60_000,
}

/** Asks catalogs only. */
export async function serverSettings(session: Session): Promise<ServerSettings> {
  const settings = await session.query<{ name: string; setting: string; unit: string | null; source: string }>(
    'reading the settings of the server',
    // What this session has set for itself is not the server's.
    `SELECT name, CASE WHEN source = 'client' THEN coalesce(boot_val, setting) ELSE setting END AS setting, unit FROM pg_settings`,
  )
  const values = settings.map(({ name, setting, unit }): [string, string | number] => {
    const factor = UNITS[unit ?? '']
    return [name, factor === undefined ? setting : Number(setting) < 0 ? Number(setting) : Number(setting) * factor]
  })
  const [row] = await session.query<Omit<ServerSettings, 'values'> & Record<string, number>>(
    'reading how large the server is',
    `SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::double precision AS connections,
       (SELECT sum(pg_database_size(oid)) FROM pg_database WHERE has_database_privilege(oid, 'CONNECT'))::double precision AS "sizeBytes",
       coalesce((SELECT max(count) FROM (SELECT count(*) FROM pg_inherits GROUP BY inhparent) AS children), 0)::double precision AS partitions`,
  )
  return { values: new Map(values), connections: row?.connections ?? 0, sizeBytes: row?.sizeBytes ?? 0, partitions: row?.partitions ?? 0 }
}
