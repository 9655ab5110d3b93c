import { literal, quoted } from './readings-table.ts'

/** A column of numbers of table readings, and of the roll-ups. */
export interface RollupQuantity {
  readonly name: string
  /** False if the roll-ups have it and readings no longer does. */
  readonly present: boolean
  /** What it is, and its unit. */
  readonly comment: string
}

/** What a roll-up has of each quantity, in the order of its columns. */
export const PARTS = [
  { part: 'count', type: 'bigint', says: 'Number of values' },
  { part: 'sum', type: 'double precision', says: 'Sum' },
  { part: 'min', type: 'double precision', says: 'Smallest value' },
  { part: 'max', type: 'double precision', says: 'Largest value' },
  { part: 'first', type: 'double precision', says: 'First value' },
  { part: 'first_at', type: 'timestamptz', says: 'Time of the first value' },
  { part: 'last', type: 'double precision', says: 'Last value' },
  { part: 'last_at', type: 'timestamptz', says: 'Time of the last value' },
] as const

/** Tables that keep roll-ups: what comes before the quantities. */
const KEPT = {
  readings_hourly_kept: `device_id text COLLATE "C" NOT NULL, hour timestamptz NOT NULL, upto timestamptz NOT NULL, rows bigint NOT NULL,
    PRIMARY KEY (device_id, hour)`,
  readings_hourly_base: `device_id text COLLATE "C" NOT NULL, hour timestamptz NOT NULL, upto timestamptz NOT NULL, rows bigint NOT NULL,
    PRIMARY KEY (device_id, hour)`,
  readings_daily_kept: `device_id text COLLATE "C" NOT NULL, day timestamptz NOT NULL, rows bigint NOT NULL, PRIMARY KEY (device_id, day)`,
  readings_daily_base: `device_id text COLLATE "C" NOT NULL, day timestamptz NOT NULL, rows bigint NOT NULL, PRIMARY KEY (device_id, day)`,
  latest_readings_kept: `device_id text COLLATE "C" NOT NULL PRIMARY KEY`,
} as const

const KEPT_COMMENTS = {
  readings_hourly_kept:
    'Roll-ups of hours as the job left them. Those that rollup_pending or rollup_mark name are out of date: query readings_hourly.',
  readings_hourly_base: 'Roll-ups of hours whose readings were dropped, and got readings since: what is to be added to those.',
  readings_daily_kept: 'Roll-ups of days as the job left them, some out of date: query readings_daily.',
  readings_daily_base: 'Roll-ups of days whose hours were dropped, and got readings since: what is to be added to those.',
  latest_readings_kept: 'The newest value of each quantity as the job left it, some out of date: query latest_readings.',
} as const

/**
 * For questions about all devices at one time, which the key does not serve. What is updated is
 * not indexed: updates stay HOT.
 */
const BY_TIME = [
  'CREATE INDEX IF NOT EXISTS readings_hourly_kept_hour ON readings_hourly_kept (hour)',
  'CREATE INDEX IF NOT EXISTS readings_daily_kept_day ON readings_daily_kept (day)',
] as const

/** Statements that make the tables of roll-ups, and give them the columns that they lack. */
export function rollupTables(quantities: readonly RollupQuantity[]): string {
  const made = Object.entries(KEPT).map(
    ([table, columns]) => `CREATE TABLE IF NOT EXISTS ${table} (${columns}) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05)`,
  )
  const comments = Object.entries(KEPT_COMMENTS).map(([table, comment]) => `COMMENT ON TABLE ${table} IS ${literal(comment)}`)
  const parts = (['readings_hourly_kept', 'readings_hourly_base', 'readings_daily_kept', 'readings_daily_base'] as const).flatMap((table) =>
    added(
      table,
      quantities.flatMap(({ name }) => PARTS.map(({ part, type }) => [`${name}_${part}`, type] as const)),
    ),
  )
  const latest = added(
    'latest_readings_kept',
    quantities.flatMap(
      ({ name }) =>
        [
          [name, 'double precision'],
          [`${name}_at`, 'timestamptz'],
        ] as const,
    ),
  )
  return [...made, ...BY_TIME, ...comments, ...parts, ...latest].join(';\n')
}

/** One ALTER TABLE for all: each by itself would write the catalogue anew for each column. */
function added(table: string, columns: readonly (readonly [string, string])[]): readonly string[] {
  if (columns.length === 0) return []
  return [`ALTER TABLE ${table} ${columns.map(([name, type]) => `ADD COLUMN IF NOT EXISTS ${quoted(name)} ${type}`).join(', ')}`]
}

/** Statements that say what the columns of the views are. */
export function rollupComments(quantities: readonly RollupQuantity[]): readonly string[] {
  return quantities.flatMap(({ name, comment }) => [
    ...['readings_hourly', 'readings_daily'].flatMap((view) =>
      PARTS.map(({ part, says }) => `COMMENT ON COLUMN ${view}.${quoted(`${name}_${part}`)} IS ${literal(`${says}. ${comment}`)}`),
    ),
    `COMMENT ON COLUMN latest_readings.${quoted(name)} IS ${literal(comment)}`,
    `COMMENT ON COLUMN latest_readings.${quoted(`${name}_at`)} IS ${literal(`Time of ${name}.`)}`,
  ])
}
