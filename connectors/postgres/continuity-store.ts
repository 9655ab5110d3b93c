import type { BootState } from '../../processors/continuity/boot.ts'
import type { DeviceCounts } from '../../processors/continuity/device.ts'
import type { BootKey, LoadedBoots } from '../../processors/continuity/ledger.ts'
import type { LedgerChanges } from '../../processors/continuity/unwritten.ts'
import type { ConsumerName, Topic } from '../../processors/contract.ts'
import type { OffsetStore } from '../contract.ts'
import { foldBoots, type Grown, promoteStrangers, pruneStrangers } from './continuity-folds.ts'
import { type BootRow, bootColumns, bootOf, selectBoots, upsertBoots } from './continuity-rows.ts'
import { createDatabase, type Database } from './database.ts'
import { type CountedMove, explainRefusal, moveOffsets, offsetStore, readPositions, type StoredPosition } from './offsets.ts'
import type { Session } from './session.ts'

/** One partition's share of a commit. */
export type LedgerMove = Pick<CountedMove, 'topic' | 'partition' | 'from' | 'to' | 'leaderEpoch' | 'epoch'>

/** Changes of the ledger as rows, taken at one moment, and the offsets that go with them. */
export interface LedgerBatch {
  readonly boots: readonly (readonly unknown[])[]
  readonly strangers: readonly (readonly unknown[])[]
  readonly promoted: readonly string[]
  readonly grown: readonly Grown[]
  readonly counts: readonly (readonly unknown[])[]
  readonly moves: readonly LedgerMove[]
}

/** The ledger in the telemetry database. Everything throws ConnectorError. */
export interface ContinuityStore extends OffsetStore, AsyncDisposable {
  /** What was written of these boots. */
  load(keys: readonly BootKey[]): Promise<LoadedBoots>
  /**
   * One transaction: offsets by compare-and-set, then the rows; boots of devices that have too many
   * are folded. After a transient error call it again with the same batch: if that was committed
   * already, it finds out. False if another owner has at least one of the partitions: nothing was
   * written then.
   */
  commit(consumer: ConsumerName, batch: LedgerBatch): Promise<boolean>
  /** How far a consumer of this database has come on a topic. */
  positions(consumer: ConsumerName, topic: Topic): Promise<readonly StoredPosition[]>
}

/** Rows of one statement: some hundred KB of parameters. */
const ROWS = 5_000

/** Encodes changes at once, because the ledger goes on changing. */
export function ledgerBatch({ boots, strangers, promoted, grown, counts }: LedgerChanges, moves: readonly LedgerMove[]): LedgerBatch {
  return {
    boots: chunks(boots).map(bootColumns),
    strangers: chunks(strangers).map(bootColumns),
    promoted,
    grown,
    counts: chunks(counts).map(countColumns),
    moves,
  }
}

/** @param url the telemetry database */
export function createContinuityStore(url: string): ContinuityStore {
  // synchronous_commit off: rows and offsets are in one WAL, so a crash of the server takes back
  // both, and the records are read again.
  const database: Database = createDatabase({ url, applicationName: 'millrace continuity', synchronousCommit: 'off' })

  async function attempt(
    session: Session,
    consumer: ConsumerName,
    { boots, strangers, promoted, grown, counts, moves }: LedgerBatch,
  ): Promise<boolean> {
    const counted = moves.map((move) => ({ ...move, stored: 0, dead: 0 }))
    const affected = await session.script('moving offsets', `BEGIN; ${moveOffsets(consumer, counted)}`)
    if (affected[1] !== moves.length) {
      await session.script('leaving the offsets', 'ROLLBACK')
      return (await explainRefusal(session, consumer, counted)).tag === 'done-before'
    }
    if (promoted.length > 0) await promoteStrangers(session, promoted)
    for (const columns of boots) await session.query('writing frame numbers', upsertBoots('continuity_boot'), columns)
    for (const columns of strangers) await session.query('writing frame numbers of strangers', upsertBoots('continuity_stranger'), columns)
    if (strangers.length > 0) await pruneStrangers(session)
    await foldBoots(session, grown)
    for (const columns of counts) await session.query('writing device counts', UPSERT_COUNTS, columns)
    await session.commit('committing frame numbers')
    return true
  }

  return {
    ...offsetStore(database),
    load: (keys) => database.use((session) => loadBoots(session, keys)),
    commit: (consumer, batch) => database.use((session) => attempt(session, consumer, batch)),
    positions: (consumer, topic) => database.use((session) => readPositions(session, consumer, topic)),
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  }
}

/** What was written of boots. */
export async function loadBoots(session: Session, keys: readonly BootKey[]): Promise<LoadedBoots> {
  const boots: BootState[] = []
  const folded: BootKey[] = []
  const strangers = new Set<string>()
  const since = new Map<string, number>()
  for (const chunk of chunks(keys)) {
    const parameters = [chunk.map(({ device }) => device), chunk.map(({ boot }) => boot)]
    const asked = 'unnest($1::text[], $2::integer[]) AS k (device, number)'
    const rows = await session.query<BootRow>(
      'reading frame numbers',
      `${selectBoots('continuity_boot')} JOIN ${asked} ON device_id = k.device AND boot = k.number`,
      parameters,
    )
    for (const row of rows) boots.push(bootOf(row))
    if (rows.length === chunk.length) continue
    // The other queries are for boots that were never heard of, or not for a long time.
    const devices = [[...new Set(chunk.map(({ device }) => device))]]
    const foreign = await session.query<BootRow>(
      'reading frame numbers of strangers',
      `${selectBoots('continuity_stranger')} WHERE device_id = ANY ($1)`,
      devices,
    )
    for (const row of foreign) {
      boots.push(bootOf(row))
      strangers.add(row.device)
    }
    const parts = await session.query<{ device: string; boot: number }>(
      'reading folded boots',
      `SELECT k.device, k.number AS boot FROM ${asked} JOIN continuity_folded ON device_id = k.device AND numbers @> k.number::bigint`,
      parameters,
    )
    folded.push(...parts)
    const first = await session.query<{ device: string; ms: number }>(
      'reading since when devices are known',
      `SELECT device_id AS device, round(extract(epoch FROM min(first_received)) * 1000)::float8 AS ms FROM (
         SELECT device_id, first_received FROM continuity_boot WHERE device_id = ANY ($1)
         UNION ALL SELECT device_id, first_received FROM continuity_folded WHERE device_id = ANY ($1)) AS known GROUP BY device_id`,
      devices,
    )
    for (const { device, ms } of first) since.set(device, ms)
  }
  return { boots, folded, strangers, since }
}

const UPSERT_COUNTS = `INSERT INTO continuity_device AS d (device_id, unnumbered, unreadable, conflicts, last_conflict, late, implausible)
  SELECT device, unnumbered, unreadable, conflicts, to_timestamp(nullif(last_conflict, 0) / 1000.0), late, implausible
  FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::float8[], $6::bigint[], $7::bigint[])
    AS c (device, unnumbered, unreadable, conflicts, last_conflict, late, implausible)
  ON CONFLICT (device_id) DO UPDATE SET unnumbered = d.unnumbered + excluded.unnumbered, unreadable = d.unreadable + excluded.unreadable,
    conflicts = d.conflicts + excluded.conflicts, last_conflict = greatest(d.last_conflict, excluded.last_conflict),
    late = d.late + excluded.late, implausible = d.implausible + excluded.implausible`

function countColumns(counts: readonly DeviceCounts[]): readonly unknown[] {
  return [
    counts.map(({ device }) => device),
    counts.map(({ unnumbered }) => unnumbered),
    counts.map(({ unreadable }) => unreadable),
    counts.map(({ conflicts }) => conflicts),
    counts.map(({ lastConflictMs }) => lastConflictMs),
    counts.map(({ late }) => late),
    counts.map(({ implausible }) => implausible),
  ]
}

function chunks<Item>(items: readonly Item[]): readonly (readonly Item[])[] {
  return Array.from({ length: Math.ceil(items.length / ROWS) }, (_, index) => items.slice(index * ROWS, (index + 1) * ROWS))
}
