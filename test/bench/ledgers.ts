import { wholeLines } from '../../bin/demo/csv-lines.ts'
import type { Session } from '../../connectors/postgres/session.ts'

/** What the ledgers of all loads say, against what is in the table. */
export interface Exactness {
  /** Rows that were sent and acknowledged. */
  readonly sent: number
  readonly rows: number
  /** Sum over the devices of rows that are missing. */
  readonly lost: number
  /** Sum over the devices of rows beyond what was sent. */
  readonly doubled: number
}

export interface Latency {
  readonly frames: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

/**
 * About how many frames' latency is looked up: joining each of a million would take longer than the
 * load.
 */
const SAMPLED_FRAMES = 50_000
/** Connections and caches are warm by then. */
const WARM_UP_MS = 3_000
/**
 * At the end of a load every device seals what it has, all at one moment: that burst is a second's
 * worth of frames, and not the load's rate.
 */
const COOL_DOWN_MS = 500

/**
 * Reads a ledger of the fleet into table `ledger` of the session; `load` tells its frames from
 * those of other loads.
 */
export async function readLedger(session: Session, path: string, load: number): Promise<void> {
  await session.script(
    'preparing the ledger',
    `CREATE TEMP TABLE IF NOT EXISTS ledger (device text COLLATE "C", boot integer, seq integer, base_ms bigint, last_ms bigint, samples integer, bytes integer,
       published_us bigint, acked_us bigint, load integer);
     ALTER TABLE ledger ALTER load SET DEFAULT ${load}`,
  )
  let header = true
  for await (const chunk of wholeLines(path)) {
    const lines = header ? chunk.subarray(chunk.indexOf('\n') + 1) : chunk
    header = false
    const copy = 'COPY ledger (device, boot, seq, base_ms, last_ms, samples, bytes, published_us, acked_us) FROM STDIN (FORMAT csv)'
    if (lines.length > 0) await session.copy('reading the ledger', copy, lines)
  }
}

/**
 * Compares, device by device, what was sent with what is there. The key admits no two rows of one
 * time, so counts tell all.
 */
export async function checkExactness(session: Session): Promise<Exactness> {
  const [found] = await session.query<{ sent: bigint; rows: bigint; lost: bigint; doubled: bigint }>(
    'comparing the table with the ledgers',
    `WITH sent AS (SELECT device, sum(samples)::bigint AS n FROM ledger GROUP BY device),
          stored AS (SELECT device_id AS device, count(*) AS n FROM readings GROUP BY device_id)
     SELECT coalesce(sum(sent.n), 0)::bigint AS sent, coalesce(sum(stored.n), 0)::bigint AS rows,
       coalesce(sum(greatest(coalesce(sent.n, 0) - coalesce(stored.n, 0), 0)), 0)::bigint AS lost,
       coalesce(sum(greatest(coalesce(stored.n, 0) - coalesce(sent.n, 0), 0)), 0)::bigint AS doubled
     FROM sent FULL JOIN stored USING (device)`,
  )
  return { sent: Number(found?.sent), rows: Number(found?.rows), lost: Number(found?.lost), doubled: Number(found?.doubled) }
}

/**
 * From a frame's first publication until its last row was committed, as the server's commit
 * timestamps have it. Undefined if no row has one: the server forgets them with old transaction
 * IDs.
 * @param endMs when the load ended: milliseconds since 1970
 */
export async function measureLatency(session: Session, load: number, endMs: number): Promise<Latency | undefined> {
  const [found] = await session.query<{ frames: bigint; p: readonly number[]; max: number }>(
    'measuring the latency',
    `WITH begun AS (SELECT min(published_us) AS us, count(*) AS frames FROM ledger WHERE load = $1),
          picked AS (SELECT device, last_ms, published_us FROM ledger, begun
                     WHERE load = $1 AND published_us > begun.us + $2::bigint * 1000 AND published_us < $4::bigint * 1000 AND hashint8(published_us) % greatest(begun.frames / $3, 1) = 0),
          timed AS (SELECT extract(epoch FROM pg_xact_commit_timestamp(r.xmin))::double precision * 1000 - published_us / 1000.0::double precision AS ms
                    FROM picked JOIN readings AS r ON r.device_id = picked.device AND r.ts = 'epoch'::timestamptz + last_ms * interval '1 ms'
                    WHERE r.ts >= (SELECT 'epoch'::timestamptz + (us / 1000 - 60000) * interval '1 ms' FROM begun))
     SELECT count(*) AS frames, percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY ms) AS p, max(ms) AS max FROM timed`,
    [load, WARM_UP_MS, SAMPLED_FRAMES, Math.floor(endMs - COOL_DOWN_MS)],
  )
  const [p50Ms, p99Ms] = found?.p ?? []
  if (p50Ms === undefined || p99Ms === undefined || found === undefined) return undefined
  return { frames: Number(found.frames), p50Ms, p99Ms, maxMs: found.max }
}
