import { instant } from './days.ts'
import { retryOnLock } from './lock-retry.ts'
import { LOCK_TIMEOUT_MS } from './partition-turns.ts'
import { literal } from './readings-table.ts'
import type { Session } from './session.ts'

/** What became of old chunks. */
export type Compressed = { readonly tag: 'done'; readonly chunks: number } | { readonly tag: 'not offered'; readonly why: string }

/** Turns chunks that end before a time into TimescaleDB's columnstore, if its licence offers it. */
export async function compressChunks(session: Session, cutoffMs: number): Promise<Compressed> {
  const [found] = await session.query<{ license: string | null }>(
    'asking for the licence of TimescaleDB',
    "SELECT current_setting('timescaledb.license', true) AS license",
  )
  if (found?.license !== 'timescale')
    return { tag: 'not offered', why: `the licence of TimescaleDB is ${found?.license ?? 'unknown'}, expected timescale` }
  if (!Number.isFinite(cutoffMs)) return { tag: 'done', chunks: 0 }
  const old = await session.query<{ chunk: string }>(
    'looking for chunks to compress',
    `SELECT format('%I.%I', chunk_schema, chunk_name) AS chunk FROM timescaledb_information.chunks
     WHERE hypertable_name = 'readings' AND NOT is_compressed AND range_end <= $1::timestamptz ORDER BY range_start`,
    [instant(cutoffMs)],
  )
  if (old.length === 0) return { tag: 'done', chunks: 0 }
  for (const { chunk } of old)
    await retryOnLock(session, async () => {
      await session.script(
        `compressing ${chunk}`,
        `BEGIN; SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS};
         ALTER TABLE readings SET (timescaledb.compress, timescaledb.compress_segmentby = 'device_id', timescaledb.compress_orderby = 'ts')`,
      )
      await session.commit(`compressing ${chunk}`, `SELECT compress_chunk(${literal(chunk)}, if_not_compressed => true)`)
    })
  return { tag: 'done', chunks: old.length }
}
