/** What `test/bench/queries` runs, beside a local stack's PostgreSQL. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import type { BackendName } from '../../connectors/postgres/backend.ts'
import { migrateTelemetry } from '../../connectors/postgres/migrate.ts'
import { readMigrations } from '../../connectors/postgres/migrations.ts'
import { whole } from '../../ops/figures.ts'
import { projectRoot } from '../../schemas/files.ts'
import { quantities } from '../../schemas/generated/readings.ts'
import { fillHistory, type HistoryShape } from '../pipeline/history-fill.ts'
import { type Question, usualQuestions } from '../pipeline/usual-questions.ts'
import { type Measured, withFigures } from './query-figures.ts'

const ROWS = Number(process.env.ROWS ?? 100_000_000)
/** From so many on the page gets the figures. */
const PAGE_ROWS = 10_000_000
const BACKENDS: readonly BackendName[] = ['postgres', 'timescaledb']
const asked = process.env.BACKEND ?? 'both'
const chosen = BACKENDS.filter((name) => asked === name || asked === 'both')
if (chosen.length === 0) throw new Error(`BACKEND=${asked}: expected both, postgres or timescaledb`)
const PAGE = join(projectRoot, 'docs/queries.md')
const WARM_RUNS = 5
/** A reading each 5 minutes for 36 days, of which an hour in a hundred is missing. */
const shape: HistoryShape = { devices: Math.max(20, Math.ceil(ROWS / 10_000)), days: 36, periodS: 300 }
/**
 * The rows are worth nothing after a crash, and a table that is made in the transaction that fills
 * it needs no WAL.
 */
const SETTINGS = { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off', wal_level: 'minimal', max_wal_senders: '0' }

const server = new URL(process.env.TELEMETRY_DATABASE_URL ?? '')
server.username = 'postgres'
const urlOf = (database: string): string => Object.assign(new URL(server), { pathname: `/${database}` }).href

async function connected<Result>(url: string, work: (client: pg.Client) => Promise<Result>): Promise<Result> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

function restart(): void {
  for (const verb of ['stop', 'start'])
    execFileSync(join(projectRoot, 'deploy/local', verb), ['postgres'], { stdio: ['ignore', 'ignore', 'inherit'] })
}

/** Neither PostgreSQL nor the system has anything of the tables in memory. */
function forget(): void {
  restart()
  execFileSync('sync')
  writeFileSync('/proc/sys/vm/drop_caches', '3')
}

/** A database with the history, made anew if what fills it has changed. */
async function history(backend: BackendName): Promise<string> {
  const database = `queries_${backend}`
  const url = urlOf(database)
  const source = readFileSync(join(projectRoot, 'test/pipeline/history-fill.ts'), 'utf8')
  const made = `${JSON.stringify(shape)} ${createHash('sha256').update(source).digest('hex')}`
  const beganMs = performance.now()
  await connected(urlOf('postgres'), async (client) => {
    const { rows } = await client.query<{ made: string | null }>(
      "SELECT shobj_description(oid, 'pg_database') AS made FROM pg_database WHERE datname = $1",
      [database],
    )
    if (rows[0]?.made === made) return
    await client.query(`DROP DATABASE IF EXISTS ${database}`)
    await client.query(`CREATE DATABASE ${database} OWNER millrace`)
    await client.query(`COMMENT ON DATABASE ${database} IS '${made}'`)
  })
  await migrateTelemetry({ url, migrations: await readMigrations(join(projectRoot, 'db/telemetry')), quantities, backend })
  const clients = Array.from({ length: availableParallelism() }, () => new pg.Client({ connectionString: url }))
  for (const client of clients) {
    await client.connect()
    // The trigger that marks what others write is not asked for each row.
    await client.query('SET session_replication_role = replica')
  }
  const filled = (left: number): void =>
    console.log(`${backend}: ${left} days to go, ${Math.round((performance.now() - beganMs) / 1000)} s`)
  await fillHistory({ url, backend, shape, clients, filled })
  for (const client of clients) await client.end()
  return url
}

async function timed(client: pg.Client, { sql }: Question): Promise<{ ms: number; rows: number }> {
  const beganMs = performance.now()
  const { rows } = await client.query(sql)
  return { ms: performance.now() - beganMs, rows: rows.length }
}

async function measured(url: string, question: Question): Promise<Measured> {
  forget()
  return connected(url, async (client) => {
    await client.query('SET jit = off')
    const cold = await timed(client, question)
    const warm: number[] = []
    for (let run = 0; run < WARM_RUNS; run++) warm.push((await timed(client, question)).ms)
    warm.sort((a, b) => a - b)
    return { title: question.title, rows: cold.rows, coldMs: cold.ms, warmMs: warm[WARM_RUNS >> 1] ?? Number.NaN }
  })
}

await connected(urlOf('postgres'), async (client) => {
  for (const [name, value] of Object.entries(SETTINGS)) await client.query(`ALTER SYSTEM SET ${name} = '${value}'`)
})
restart()
for (const backend of chosen) {
  const url = await history(backend)
  const [held] = await connected(url, async (client) => {
    await client.query('CHECKPOINT')
    return (
      await client.query<{ rows: string; bytes: string }>(
        'SELECT (SELECT sum(rows) FROM readings_hourly_kept)::text AS rows, pg_database_size(current_database())::text AS bytes',
      )
    ).rows
  })
  console.log(`${backend}: ${whole(Number(held?.rows))} rows, ${(Number(held?.bytes) / 1e9).toFixed(1)} GB`)
  const figures: Measured[] = []
  for (const question of usualQuestions()) {
    const one = await measured(url, question)
    figures.push(one)
    console.log(`${one.title}: ${one.rows} rows, cold ${Math.round(one.coldMs)} ms, warm ${Math.round(one.warmMs)} ms`)
  }
  const page = readFileSync(PAGE, 'utf8')
  if (Number(held?.rows) >= PAGE_ROWS)
    writeFileSync(PAGE, withFigures(page, backend, { readings: Number(held?.rows), bytes: Number(held?.bytes), shape, figures }))
}
