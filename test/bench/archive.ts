import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type pg from 'pg'
import { DAY_MS } from '../../processors/store/time-ranges.ts'
import { projectRoot } from '../../schemas/files.ts'
import { type TestStore, testStore } from '../pipeline/test-store.ts'

/*
 * What a day costs in the table and in the archive. On a stack whose PostgreSQL runs:
 *
 *   BENCH_DAYS=30 BENCH_ROWS=10000000 BENCH_BACKEND=postgres node dist/test/bench/archive.js
 *
 * Days are written, measured and archived one after the other, so one day's table is on the disk at
 * a time. A row has 5 quantities of a bee hive, each 10 s: with the resolution of the sensors, and
 * as they change over a day. Each line says how long all days take at that pace. With the first day
 * late rows are merged, too, and on TimescaleDB under its own licence its chunk is measured in the
 * columnstore.
 */

const DAYS = Number(process.env.BENCH_DAYS ?? 1)
const ROWS = Number(process.env.BENCH_ROWS ?? 1_000_000)
const BACKEND = process.env.BENCH_BACKEND === 'timescaledb' ? 'timescaledb' : 'postgres'
const PERIOD_S = 10
const QUANTITIES = 5
const DEVICES = Math.ceil(ROWS / (86_400 / PERIOD_S))

interface Archived {
  readonly event: string
  readonly rows: number
  readonly bytes: number
}

const folder = mkdtempSync(join(tmpdir(), 'millrace-archive-bench-'))
const config = join(folder, 'millrace.yaml')
writeFileSync(config, `storage: { archive: ${folder}/archive, archive_after_days: 1 }\nstore: { backend: ${BACKEND} }\n`)
try {
  await using store = await testStore(BACKEND)
  const client = await store.database.connect()
  const today = Math.floor(Date.now() / DAY_MS)
  // Age counts from the newest day that has rows.
  await store.write([{ device: 'today', tsMs: today * DAY_MS, temperature: 1 }])
  const firstDay = today - 1 - DAYS
  const allBeganMs = performance.now()
  for (let day = firstDay; day < today - 1; day++) {
    await store.write([{ device: 'day', tsMs: day * DAY_MS, temperature: 1 }])
    await client.query(fill(day))
    await client.query("SELECT rollup_take_marks(1000000, '0', '0')")
    await client.query('SELECT rollup_hours(1000000)')
    const sizes = await tableSizes(client, day)
    const columnstore = day === firstDay ? await columnstoreBytes(client, day) : undefined
    const beganMs = performance.now()
    const { event, peakKiB } = await archive(store.database.url)
    const seconds = (performance.now() - beganMs) / 1000
    const merged = day === firstDay ? await mergeLate(store, client, day) : ''
    const each = (bytes: number): string =>
      `${(bytes / event.rows).toFixed(1)} B a row, ${(bytes / event.rows / QUANTITIES).toFixed(2)} a reading`
    const done = day - firstDay + 1
    const minutes = (performance.now() - allBeganMs) / 60_000
    const columns = columnstore === undefined ? '' : `; columnstore ${each(columnstore)}`
    console.log(
      `${new Date(day * DAY_MS).toISOString().slice(0, 10)}: ${event.rows} rows, ${seconds.toFixed(1)} s, peak memory ${Math.round(peakKiB / 1024)} MiB; table ${each(sizes.table)}; with its key ${each(sizes.all)}${columns}; Parquet ${each(event.bytes)}${merged}; ${done} of ${DAYS} days took ${minutes.toFixed(1)} min, all take ${((minutes / done) * DAYS).toFixed(1)}`,
    )
  }
} finally {
  rmSync(folder, { recursive: true })
}

function fill(day: number): string {
  const wave = (middle: number, swing: number, noise: number, digits: number): string =>
    `round((${middle} + ${swing} * sin(2 * pi() * (s / 86400.0 + d % 97 / 97.0)) + ${noise} * random())::numeric, ${digits})::float8`
  return `SET millrace.marks = 'on';
    INSERT INTO readings (device_id, ts, time_estimated, account_id, site_id, temperature, humidity, weight, battery_voltage, sound_level)
    SELECT 'hive-' || lpad(d::text, 6, '0'), timestamptz 'epoch' + ${day} * interval '1 day' + (s + d % ${PERIOD_S}) * interval '1 second' + (d % 1000) * interval '1 millisecond',
      false, d / 50, d / 10, ${wave(20, 8, 0.3, 2)}, ${wave(60, 15, 1, 1)}, ${wave(42, 0.5, 0.05, 2)}, round((3.9 - s / 864000.0 + 0.01 * random())::numeric, 3)::float8,
      ${wave(45, 5, 6, 1)}
    FROM generate_series(0, 86399, ${PERIOD_S}) AS s, generate_series(1, ${DEVICES}) AS d`
}

async function tableSizes(client: pg.Client, day: number): Promise<{ table: number; all: number }> {
  const name = `readings_${new Date(day * DAY_MS).toISOString().slice(0, 10).replaceAll('-', '')}`
  const { rows } = await client.query<{ table: string; all: string }>(
    `SELECT pg_table_size(t)::text AS table, pg_total_relation_size(t)::text AS all FROM (SELECT ${BACKEND === 'postgres' ? `'${name}'::regclass` : chunkOf(day)} AS t) AS each`,
  )
  return { table: Number(rows[0]?.table), all: Number(rows[0]?.all) }
}

/** A late row of each of some devices: the whole day is written anew. */
async function mergeLate(store: TestStore, client: pg.Client, day: number): Promise<string> {
  await store.write(Array.from({ length: 100 }, (_, n) => ({ device: `late-${n}`, tsMs: day * DAY_MS + n, temperature: 1 })))
  await client.query("SELECT rollup_take_marks(1000000, '0', '0')")
  await client.query('SELECT rollup_hours(1000000)')
  const beganMs = performance.now()
  const { peakKiB } = await archive(store.database.url)
  const seconds = (performance.now() - beganMs) / 1000
  return `; 100 late rows merged in ${seconds.toFixed(1)} s, peak memory ${Math.round(peakKiB / 1024)} MiB`
}

/**
 * What the day's chunk takes in the columnstore, from which it is taken out again; undefined if the
 * server has none.
 */
async function columnstoreBytes(client: pg.Client, day: number): Promise<number | undefined> {
  const { rows: found } = await client.query<{ license: string | null }>("SELECT current_setting('timescaledb.license', true) AS license")
  if (BACKEND === 'postgres' || found[0]?.license !== 'timescale') return undefined
  await client.query(
    "ALTER TABLE readings SET (timescaledb.compress, timescaledb.compress_segmentby = 'device_id', timescaledb.compress_orderby = 'ts')",
  )
  const { rows: chunks } = await client.query<{ chunk: string }>(`SELECT compress_chunk(${chunkOf(day)})::text AS chunk`)
  const { rows } = await client.query<{ bytes: string }>(
    `SELECT after_compression_total_bytes AS bytes FROM chunk_compression_stats('readings')
     WHERE format('%I.%I', chunk_schema, chunk_name)::regclass = $1::regclass`,
    [chunks[0]?.chunk],
  )
  await client.query(`SELECT decompress_chunk(${chunkOf(day)})`)
  await client.query('ALTER TABLE readings SET (timescaledb.compress = false)')
  return Number(rows[0]?.bytes)
}

function chunkOf(day: number): string {
  return `(SELECT show_chunks('readings', newer_than => timestamptz 'epoch' + ${day} * interval '1 day', older_than => timestamptz 'epoch' + ${day + 1} * interval '1 day') LIMIT 1)`
}

async function archive(url: string): Promise<{ event: Archived; peakKiB: number }> {
  const args = [join(projectRoot, 'dist/bin/millrace.js'), 'partitions', 'archive', '--json', '--config', config]
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    // Of the stack only PostgreSQL need be there.
    env: { ...process.env, MQTT_PASSWORD_FILE: undefined, TELEMETRY_DATABASE_URL: url, TELEMETRY_OWNER_URL: url },
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += String(chunk)))
  let peakKiB = 0
  const watch = setInterval(() => {
    const status = readStatus(child.pid)
    peakKiB = Math.max(peakKiB, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0))
  }, 50)
  await new Promise((resolve) => child.once('close', resolve))
  clearInterval(watch)
  const event = output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line || '{}') as Archived)
    .find((each) => each.event === 'archived')
  if (event === undefined) throw new Error(`nothing was archived: ${output}`)
  return { event, peakKiB }
}

function readStatus(pid: number | undefined): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8')
  } catch {
    return ''
  }
}
