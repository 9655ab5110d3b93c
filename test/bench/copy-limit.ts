import { spawn } from 'node:child_process'
import { rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { findBackend } from '../../connectors/postgres/backend-choice.ts'
import { dayOf } from '../../connectors/postgres/days.ts'
import { libpqAddress } from '../../connectors/postgres/libpq-address.ts'
import { quoted, readingsTable } from '../../connectors/postgres/readings-table.ts'
import { readQuantities } from '../../schemas/files.ts'
import type { Line } from './line.ts'

export interface CopyLimit {
  readonly rows: number
  readonly seconds: number
  readonly rowsPerSecond: number
}

/** About 20 s of COPY. */
const MOST_ROWS = 2_000_000
const SCHEMA = 'bench_copy'

/**
 * How fast the same rows go into the same table by nothing but a binary COPY: psql sends a file in
 * one transaction into a table that the project's own code made, columns, key and chunks alike, in
 * another schema.
 * @param fromMs rows from this time on, in the order in which they were stored
 */
export async function measureCopy({ session, config, local }: Line, fromMs: number): Promise<CopyLimit> {
  const columns = readingsTable(readQuantities())
  const names = columns.map(({ name }) => quoted(name)).join(', ')
  const file = join(local, 'data', 'copy.bin')
  const backend = await findBackend(session, config.store.backend)
  const url = config.env.TELEMETRY_DATABASE_URL
  const since = `ts >= 'epoch'::timestamptz + ${Math.floor(fromMs)} * interval '1 ms'`
  await psql(url, `\\copy (SELECT ${names} FROM readings WHERE ${since} LIMIT ${MOST_ROWS}) TO '${file}' (FORMAT binary)`)
  await session.script(
    'preparing the table for COPY',
    `DROP SCHEMA IF EXISTS ${SCHEMA} CASCADE; CREATE SCHEMA ${SCHEMA}; SET search_path = ${SCHEMA}, public; CHECKPOINT`,
  )
  try {
    await backend.create(session, columns)
    await backend.ensureDays(session, [dayOf(fromMs), dayOf(Date.now())])
    const begun = process.hrtime.bigint()
    await psql(url, `SET search_path = ${SCHEMA}, public`, `\\copy readings (${names}) FROM '${file}' (FORMAT binary)`)
    const seconds = Number(process.hrtime.bigint() - begun) / 1e9
    const [count] = await session.query<{ rows: bigint }>('counting the copied rows', 'SELECT count(*) AS rows FROM readings')
    const rows = Number(count?.rows ?? 0)
    if (rows === 0 || statSync(file).size === 0) throw new Error('there are no rows to copy')
    return { rows, seconds, rowsPerSecond: rows / seconds }
  } finally {
    rmSync(file, { force: true })
    await session.script('removing the table for COPY', `RESET search_path; DROP SCHEMA ${SCHEMA} CASCADE`)
  }
}

/** Each command in a transaction of its own, on one connection. */
function psql(url: string, ...commands: readonly string[]): Promise<void> {
  const { address, password } = libpqAddress(url)
  const env = { ...process.env, ...(password === undefined ? {} : { PGPASSWORD: password }) }
  const child = spawn('psql', ['-X', '-q', '-v', 'ON_ERROR_STOP=1', ...commands.flatMap((command) => ['-c', command]), address], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let complaint = ''
  child.stderr.on('data', (text: Buffer) => {
    complaint += text.toString()
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => (code === 0 ? resolve() : reject(new Error(`psql: ${complaint.trim()}`))))
  })
}
