/** What `test/bench/replay-day` runs, beside a local stack of its own. */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { DuckDBInstance } from '@duckdb/node-api'
import pg from 'pg'
import { decimal, whole } from '../../ops/figures.ts'
import { DAY_MS } from '../../processors/store/time-ranges.ts'
import { projectRoot } from '../../schemas/files.ts'
import { quantities } from '../../schemas/generated/readings.ts'
import { loadConfig } from '../../services/config.ts'
import { millrace, startService } from '../pipeline/service.ts'
import { ofProcess } from './processes.ts'
import { deviceName, type FleetShape, fillReadings, SAMPLES_OF_RECORD } from './replay-fill.ts'

const READINGS = Number(process.env.READINGS ?? 100_000_000)
const DEVICES = 10_000
const DAYS = 5
/** Any of them will do. */
const DEVICE = deviceName(4_711)
const LOOK_MS = 50
const SAY_MS = 20_000
/** The cap must not be what is measured. */
const BYTES_PER_SECOND = '1000000000'

const samplesOfDay = Math.round(READINGS / DEVICES / DAYS / SAMPLES_OF_RECORD) * SAMPLES_OF_RECORD
if (!(samplesOfDay > 0)) throw new RangeError(`READINGS: expected ${whole(DEVICES * DAYS * SAMPLES_OF_RECORD)} or more, got ${READINGS}`)
const shape: FleetShape = { devices: DEVICES, days: DAYS, samplesOfDay, beginMs: (Math.floor(Date.now() / DAY_MS) - DAYS) * DAY_MS }
const total = DEVICES * DAYS * samplesOfDay
const config = loadConfig(process.env, undefined)
const begunMs = performance.now()
const say = (text: string): void => console.log(`${String(Math.round((performance.now() - begunMs) / 1000)).padStart(5)} s  ${text}`)

/** Rows, and a checksum of what they say that does not depend on their order. */
interface Content {
  readonly rows: number
  readonly checksum: string
}

type Measured = Readonly<Record<string, unknown>>

const NAMES = quantities.map(({ name }) => name)

/** @param rows with `ts` in microseconds since 1970, as text */
function content(rows: readonly Measured[]): Content {
  const all = rows.map((row) => {
    const cells = ['device_id', 'ts', 'account_id', 'site_id', ...NAMES].map((name) => row[name] ?? null)
    return createHash('sha256').update(JSON.stringify(cells)).digest().readBigUInt64BE()
  })
  const sum = BigInt.asUintN(
    64,
    all.reduce((one, other) => one + other, 0n),
  )
  return { rows: rows.length, checksum: sum.toString(16).padStart(16, '0') }
}

/** Texts of times and IDs, numbers of quantities: the same from both databases. */
const columnsOf = (micros: string): string =>
  `device_id, (${micros})::text AS ts, account_id::text AS account_id, site_id::text AS site_id, ${NAMES.join(', ')}`

async function inTable(client: pg.Client, fromMs: number, toMs: number): Promise<Content> {
  const { rows } = await client.query<Measured>(
    `SELECT ${columnsOf('(extract(epoch FROM ts) * 1000000)::bigint')} FROM readings WHERE device_id = $1 AND ts >= $2 AND ts < $3`,
    [DEVICE, new Date(fromMs), new Date(toMs)],
  )
  return content(rows)
}

async function inFile(path: string): Promise<Content> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  try {
    const types = `{ts: 'TIMESTAMPTZ', account_id: 'BIGINT', site_id: 'BIGINT', ${NAMES.map((name) => `${name}: 'DOUBLE'`).join(', ')}}`
    const from = path.endsWith('.parquet')
      ? `'${path}'`
      : path.endsWith('.csv')
        ? `read_csv('${path}', header = true, types = ${types})`
        : `read_json('${path}', format = 'newline_delimited', columns = ${types.replace('{', "{device_id: 'VARCHAR', ")})`
    const result = await connection.runAndReadAll(`SELECT ${columnsOf('epoch_us(ts)')} FROM ${from}`)
    return content(result.getRowObjectsJson())
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

interface Replayed {
  readonly seconds: number
  readonly peakMb: number
  /** Its last words. */
  readonly said: string
}

async function replay(...args: readonly string[]): Promise<Replayed> {
  const beganMs = performance.now()
  const child = spawn(join(projectRoot, 'bin/millrace'), ['replay', ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  let [said, peakMb] = ['', 0]
  child.stderr.on('data', (chunk: Buffer) => (said += String(chunk)))
  const watching = setInterval(() => {
    if (child.pid !== undefined) peakMb = Math.max(peakMb, ofProcess(child.pid)?.residentMb ?? 0)
  }, LOOK_MS)
  const [code] = (await once(child, 'close')) as [number | null]
  clearInterval(watching)
  if (code !== 0) throw new Error(`millrace replay ${args.join(' ')} exited with ${code}:\n${said}`)
  return { seconds: (performance.now() - beganMs) / 1000, peakMb, said: said.trim().split('\n').at(-1) ?? '' }
}

async function storedRows(): Promise<number> {
  const { rows } = await client.query<{ stored: string | null }>(
    "SELECT sum(stored)::text AS stored FROM consumer_offset WHERE consumer = 'store'",
  )
  return Number(rows[0]?.stored ?? 0)
}

/** Fills Kafka, and has the store fill the table. An earlier run of today may have done so. */
async function fill(): Promise<void> {
  if ((await storedRows()) === total) return
  await using _store = await startService('store')
  let saidMs = performance.now()
  const sayNow = (readings: number, where: string): void => {
    if (performance.now() - saidMs < SAY_MS) return
    saidMs = performance.now()
    say(`${whole(readings)} of ${whole(total)} in ${where}`)
  }
  await fillReadings(config, shape, (sent) => sayNow(sent, 'Kafka'))
  say('all are in Kafka')
  for (let stored = await storedRows(); stored < total; stored = await storedRows()) {
    sayNow(stored, 'the table')
    await delay(500)
  }
}

const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-replay-'))
const client = new pg.Client({ connectionString: config.env.TELEMETRY_DATABASE_URL })
let failed = false
try {
  say(`${whole(total)} readings of ${whole(DEVICES)} devices in ${DAYS} days, ${SAMPLES_OF_RECORD} in a record`)
  await millrace('migrate')
  await millrace('schemas', 'register')
  await client.connect()
  await fill()
  const fromMs = shape.beginMs + Math.floor(DAYS / 2) * DAY_MS
  const toMs = fromMs + DAY_MS
  const day = ['--from', new Date(fromMs).toISOString(), '--to', new Date(toMs).toISOString()]
  const expected = await inTable(client, fromMs, toMs)
  say(`the table has ${whole(expected.rows)} rows of ${DEVICE} and that day, checksum ${expected.checksum}`)
  const command = ['--topic', 'readings', '--device', DEVICE, ...day, '--max-bytes-per-second', BYTES_PER_SECOND]
  for (const format of ['ndjson', 'csv', 'parquet']) {
    const path = join(folder, `day.${format}`)
    const { seconds, peakMb, said } = await replay(...command, '--format', format, '--out', path)
    const found = await inFile(path)
    const same = found.rows === expected.rows && found.checksum === expected.checksum
    failed ||= !same
    say(
      `${format}: ${same ? 'the same' : `DIFFERENT, ${whole(found.rows)} rows, checksum ${found.checksum}`}; ${decimal(seconds, 1)} s, peak memory ${whole(peakMb)} MiB; ${said}`,
    )
  }
  const path = join(folder, 'receipt.csv')
  const { seconds, peakMb, said } = await replay(...command, '--by', 'receipt', '--format', 'csv', '--out', path)
  say(`csv, by receipt: ${decimal(seconds, 1)} s, peak memory ${whole(peakMb)} MiB; ${said}`)
} finally {
  await client.end()
  rmSync(folder, { recursive: true })
}
process.exitCode = failed ? 1 : 0
