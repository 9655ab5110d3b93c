import type { StorageBackend } from './backend.ts'
import { type Day, dayStart, partitionDay, partitionName } from './days.ts'
import { retryOnLock } from './lock-retry.ts'
import { APPEND_ONLY, columnDefinitions } from './readings-table.ts'
import type { Session } from './session.ts'

const LOCK_TIMEOUT_MS = 200

/**
 * `readings` as range partitions of a UTC day each, and a default partition that should stay empty.
 */
export function createPostgresBackend(): StorageBackend {
  let known: Set<Day> | undefined

  const knownDays = async (session: Session): Promise<Set<Day>> => {
    const partitions = await session.query<{ name: string }>(
      'listing the partitions of readings',
      `SELECT relname AS name FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = 'readings'::regclass`,
    )
    return new Set(partitions.flatMap(({ name }) => partitionDay(name) ?? []))
  }

  const ensureDays = async (session: Session, days: readonly Day[]): Promise<void> => {
    if (known !== undefined && days.every((day) => known?.has(day))) return
    known = await knownDays(session)
    for (const day of days) {
      if (known.has(day)) continue
      await retryOnLock(session, () => makeDay(session, day))
      known.add(day)
    }
  }

  return {
    name: 'postgres',
    async create(session, columns) {
      await session.script(
        'creating partitioned table readings',
        `CREATE TABLE readings (${columnDefinitions(columns)}, PRIMARY KEY (device_id, ts)) PARTITION BY RANGE (ts);
         CREATE TABLE readings_default PARTITION OF readings DEFAULT`,
      )
    },
    ensureDays,
    async strays(session) {
      const [row] = await session.query<{ strays: bigint }>('counting strays', 'SELECT count(*) AS strays FROM readings_default')
      return row?.strays ?? 0n
    },
    async strayDays(session) {
      const rows = await session.query<{ day: number | null; rows: bigint; devices: bigint }>(
        'listing strays by day',
        `SELECT CASE WHEN isfinite(ts) AND ts >= '0001-01-01 00:00:00+00' AND ts < '9999-12-31 00:00:00+00'
             THEN floor(extract(epoch FROM ts) / 86400)::integer END AS day, count(*) AS rows, count(DISTINCT device_id) AS devices
         FROM readings_default GROUP BY 1 ORDER BY 1`,
      )
      return rows.map(({ day, rows: count, devices }) => ({ day, rows: Number(count), devices: Number(devices) }))
    },
    async drainDay(session, day) {
      const made = await retryOnLock(session, () => makeDay(session, day))
      if (!made) return `there is a table ${partitionName(day)} that is no partition of readings: attach it, or rename it and try again`
      known?.add(day)
      return undefined
    },
    async partitions(session) {
      const days = [...(await knownDays(session))].sort((one, other) => one - other)
      return { count: days.length, first: days[0] ?? null, last: days.at(-1) ?? null }
    },
  }
}

/**
 * Makes the partition of a day. The table is created apart and then attached, which lets writes go
 * on: CREATE … PARTITION OF would lock all of `readings`. ATTACH scans the new table, which is
 * empty or filled by this transaction, and the default partition, which is normally empty. So a
 * CHECK constraint to save the scan is not worth it. Stray rows of the day are moved into the
 * partition.
 * @returns false if there is a table of this name that is no partition: then the rows stay in the
 *   default partition
 */
async function makeDay(session: Session, day: Day): Promise<boolean> {
  const name = partitionName(day)
  const [from, to] = [dayStart(day), dayStart(day + 1)]
  await session.script(
    `making partition ${name}`,
    `BEGIN; SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS};
     SELECT pg_advisory_xact_lock(hashtextextended('millrace partitions of readings', 0))`,
  )
  const [state] = await session.query<{ there: boolean; attached: boolean; strays: boolean }>(
    `looking for partition ${name}`,
    `SELECT to_regclass($1) IS NOT NULL AS there,
       EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass($1) AND inhparent = 'readings'::regclass) AS attached,
       EXISTS (SELECT FROM readings_default WHERE ts >= $2 AND ts < $3) AS strays`,
    [name, from, to],
  )
  if (state?.there !== true) {
    const drain = `LOCK TABLE readings_default IN ACCESS EXCLUSIVE MODE;
      WITH moved AS (DELETE FROM readings_default WHERE ts >= '${from}' AND ts < '${to}' RETURNING *) INSERT INTO ${name} SELECT * FROM moved;`
    await session.script(
      `making partition ${name}`,
      `CREATE TABLE ${name} (LIKE readings INCLUDING ALL) WITH (${APPEND_ONLY});
       ${state?.strays === true ? drain : ''}
       ALTER TABLE readings ATTACH PARTITION ${name} FOR VALUES FROM ('${from}') TO ('${to}')`,
    )
  }
  await session.commit(`making partition ${name}`)
  return state?.there !== true || state.attached
}
