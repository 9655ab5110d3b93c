import { once } from 'node:events'
import pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { readQuantities } from '../../schemas/files.ts'
import { HIVES } from './hives.ts'
import { HOSTILE_DEVICES } from './hostile.ts'
import type { LedgerFrame } from './ledger.ts'
import type { GoodReading } from './publisher.ts'

/** Samples of a frame that are not stored. */
export interface MissingFrame {
  readonly phase: string
  readonly device: string
  readonly boot: number
  readonly seq: number
  readonly samples: number
}

/** The table `readings` against what was sent. */
export interface Comparison {
  /** Samples by phase. */
  readonly sent: Readonly<Record<string, number>>
  readonly stored: Readonly<Record<string, number>>
  readonly missing: readonly MissingFrame[]
  /** Stored with another value, account or mark than sent. */
  readonly corrupted: number
  /** Stored, and never sent by anyone; what hostile devices sent is not looked at. */
  readonly unexpected: number
  /**
   * What the offsets' own count of stored rows has above the rows that there are: a row counted,
   * and so written, twice.
   */
  readonly countedTwice: number
}

/** A sample as a line of COPY. */
export type ExpectedLine = string

const LINES_PER_CHUNK = 2000

/** The names of the quantities, which are columns of `readings`. */
const quantities = readQuantities().map(({ name }) => name)

/** A frame's samples as lines for `compareReadings`. */
export function frameLines(phase: string, { device, boot, seq, samples }: LedgerFrame): readonly ExpectedLine[] {
  return samples.map(({ tsMs, values }) => line(phase, device, tsMs, boot, seq, values))
}

/** A JSON reading as a line: it has no boot, and its number stands for the frame's. */
export function goodLine(phase: string, device: string, { tsMs, temperature, others = {} }: GoodReading, number: number): ExpectedLine {
  return line(phase, device, tsMs, -1, number, new Map(Object.entries({ temperature, ...others })))
}

function line(
  phase: string,
  device: string,
  tsMs: number,
  boot: number,
  seq: number,
  values: ReadonlyMap<string, number | null>,
): ExpectedLine {
  const columns = quantities.map((name) => values.get(name) ?? '\\N')
  return `${phase}\t${device}\t${new Date(tsMs).toISOString()}\t${boot}\t${seq}\t${columns.join('\t')}\n`
}

/**
 * Compares sets in the database, so that millions of samples are no matter. Two samples of one
 * device at one time are refused.
 */
export async function compareReadings(url: string, expected: AsyncIterable<readonly ExpectedLine[]>): Promise<Comparison> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    await client.query(`SET timezone = 'UTC'; SET work_mem = '256MB'; SET jit = off;
      CREATE TEMP TABLE expected (phase text, device_id text COLLATE "C", ts timestamptz, boot integer, seq integer,
        ${quantities.map((name) => `"${name}" double precision`).join(', ')})`)
    await copyIn(client, expected)
    await client.query('ALTER TABLE expected ADD PRIMARY KEY (device_id, ts); ANALYZE expected; ANALYZE readings')
    return await compare(client)
  } finally {
    await client.end()
  }
}

async function copyIn(client: pg.Client, expected: AsyncIterable<readonly ExpectedLine[]>): Promise<void> {
  const copy = client.query(copyFrom('COPY expected FROM STDIN'))
  const finished = once(copy, 'finish')
  let chunk: string[] = []
  const flush = async (): Promise<void> => {
    const more = copy.write(chunk.join(''))
    chunk = []
    if (!more) await once(copy, 'drain')
  }
  for await (const lines of expected) {
    chunk.push(...lines)
    if (chunk.length >= LINES_PER_CHUNK) await flush()
  }
  await flush()
  copy.end()
  await finished
}

async function compare(client: pg.Client): Promise<Comparison> {
  const tuple = (table: string): string => `(${quantities.map((name) => `${table}."${name}"`).join(', ')})`
  const byPhase = async (text: string): Promise<Record<string, number>> => {
    const { rows } = await client.query<{ phase: string; count: string }>(text)
    return Object.fromEntries(rows.map(({ phase, count }) => [phase, Number(count)]))
  }
  const one = async (text: string, values: readonly unknown[] = []): Promise<number> => {
    const { rows } = await client.query<{ count: string }>(text, [...values])
    return Number(rows[0]?.count ?? 0)
  }
  const there = 'r.device_id = e.device_id AND r.ts = e.ts'
  const { rows: missing } = await client.query<MissingFrame>(
    `SELECT phase, device_id AS device, boot, seq, count(*)::integer AS samples FROM expected e
     WHERE NOT EXISTS (SELECT FROM readings r WHERE ${there}) GROUP BY phase, device_id, boot, seq ORDER BY device_id, boot, seq`,
  )
  return {
    sent: await byPhase('SELECT phase, count(*) FROM expected GROUP BY phase'),
    stored: await byPhase(`SELECT phase, count(*) FROM expected e JOIN readings r ON ${there} GROUP BY phase`),
    missing,
    corrupted: await one(
      `SELECT count(*) FROM expected e JOIN readings r ON ${there}
       WHERE ${tuple('e')} IS DISTINCT FROM ${tuple('r')} OR r.time_estimated OR r.account_id IS NULL
         OR (r.site_id IS NULL AND r.device_id <> ALL ($1))`,
      // They are on the road now and then.
      [HIVES],
    ),
    unexpected: await one(
      `SELECT count(*) FROM readings r WHERE NOT EXISTS (SELECT FROM expected e WHERE ${there}) AND device_id <> ALL ($1)`,
      [HOSTILE_DEVICES],
    ),
    countedTwice:
      (await one("SELECT coalesce(sum(stored), 0) AS count FROM consumer_offset WHERE consumer = 'store'")) -
      (await one('SELECT count(*) FROM readings')),
  }
}
