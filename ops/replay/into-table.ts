import { createDatabase, type Database } from '../../connectors/postgres/database.ts'
import { literal, quoted } from '../../connectors/postgres/readings-table.ts'
import type { Topic } from '../../processors/contract.ts'
import type { ArchiveKind } from '../../processors/store/archive-figures.ts'
import { ConfigError } from '../../services/config.ts'
import { type ThroughOutagesOptions, throughOutages } from '../../services/through-outages.ts'
import type { Cell, RowColumn } from '../rows/row.ts'
import type { Matched, ReplayOutput } from './replay-output.ts'

export interface IntoTableOptions extends ThroughOutagesOptions {
  /** The telemetry database, as a user who may make tables. */
  readonly url: string
  readonly table: string
  /** Where records come from. */
  readonly from: Topic
  readonly columns: readonly RowColumn[]
  /** Whether the table is that of a run that was interrupted. */
  readonly resume: boolean
}

/** Number of the row among those of its record that match, from 0. */
const ROW_NUMBER = 'record_row'
const KEY = ['record_partition', 'record_offset', ROW_NUMBER]

const SQL_TYPES: Readonly<Record<ArchiveKind, string>> = {
  text: 'text',
  timestamp: 'timestamptz',
  boolean: 'boolean',
  whole: 'bigint',
  double: 'double precision',
}

/**
 * Writes rows into a table of their own, which the run makes. Where a row was in Kafka is its key:
 * what is written again, after an outage or a kill, is there once.
 * @throws ConfigError if there is a table of that name, or none to go on with
 */
export async function intoTable(options: IntoTableOptions): Promise<ReplayOutput> {
  const { url, table, columns, log, signal } = options
  const database = createDatabase({ url, applicationName: 'millrace replay' })
  try {
    await prepare(database, options)
  } catch (cause) {
    await database[Symbol.asyncDispose]()
    throw cause
  }
  const all = [...columns, { name: ROW_NUMBER, kind: 'whole' } as const]
  const arrays = all.map(({ kind }, index) => `$${index + 1}::${kind === 'timestamp' ? 'bigint' : SQL_TYPES[kind]}[]`)
  const cells = all.map(({ kind }, index) =>
    kind === 'timestamp' ? `timestamptz 'epoch' + c${index} * interval '1 microsecond'` : `c${index}`,
  )
  const insert = `INSERT INTO ${quoted(table)} (${all.map(({ name }) => quoted(name)).join(', ')})
    SELECT ${cells.join(', ')} FROM unnest(${arrays.join(', ')}) AS u (${all.map((_, index) => `c${index}`).join(', ')})
    ON CONFLICT (${KEY.join(', ')}) DO NOTHING`
  const doing = `writing into table ${table}`
  return {
    async write(matched) {
      const values = byColumn(matched, columns)
      await throughOutages(doing, () => database.use((session) => session.query(doing, insert, values)), { log, signal })
    },
    mark: async () => ({ bytes: 0, groups: null }),
    finish: async () => undefined,
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  }
}

async function prepare(database: Database, { table, from, columns, resume }: IntoTableOptions): Promise<void> {
  await database.use(async (session) => {
    const doing = `making table ${table}`
    const [found] = await session.query<{ there: boolean }>(doing, 'SELECT to_regclass($1) IS NOT NULL AS there', [quoted(table)])
    if (resume !== found?.there)
      throw new ConfigError(
        resume
          ? `--resume: there is no table ${table} to go on with`
          : `--into: there is a table ${table} already: expected one that is not there yet`,
      )
    if (resume) return
    const described = columns.map(({ name, kind }) => `${quoted(name)} ${SQL_TYPES[kind]}`)
    const units = columns.flatMap(({ name, unit }) =>
      unit === null ? [] : [`COMMENT ON COLUMN ${quoted(table)}.${quoted(name)} IS ${literal(`Unit: ${unit}`)}`],
    )
    await session.script(
      doing,
      [
        'BEGIN',
        `CREATE TABLE ${quoted(table)} (${[...described, `${ROW_NUMBER} bigint`].join(', ')}, PRIMARY KEY (${KEY.join(', ')}))`,
        `COMMENT ON TABLE ${quoted(table)} IS ${literal(`Records of ${from}, written by millrace replay.`)}`,
        ...units,
        'COMMIT',
      ].join(';\n'),
    )
  })
}

function byColumn(matched: readonly Matched[], columns: readonly RowColumn[]): readonly (readonly unknown[])[] {
  const values: unknown[][] = columns.map(() => [])
  const numbers: number[] = []
  for (const { rows } of matched)
    for (const [number, row] of rows.entries()) {
      for (let index = 0; index < columns.length; index++) values[index]?.push(storable(row[index] ?? null))
      numbers.push(number)
    }
  return [...values, numbers]
}

/** PostgreSQL's text has no NUL: its picture stands for it. */
function storable(cell: Cell): unknown {
  if (typeof cell === 'bigint') return String(cell)
  if (typeof cell === 'string' && cell.includes('\0')) return cell.replaceAll('\0', '\u2400')
  return cell
}
