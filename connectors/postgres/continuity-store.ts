import type { BootState, DeviceCounts, LedgerChanges } from '../../processors/continuity/ledger.ts'
import type { ConsumerName, Topic } from '../../processors/contract.ts'
import type { OffsetStore } from '../contract.ts'
import { type BootRow, bootColumns, bootOf, SELECT_BOOT, UPSERT_BOOTS } from './continuity-rows.ts'
import { createDatabase, type Database } from './database.ts'
import { type CountedMove, explainRefusal, moveOffsets, offsetStore, readPositions, type StoredPosition } from './offsets.ts'
import type { Session } from './session.ts'

/** A boot of a device. */
export interface BootKey {
  readonly device: string
  readonly boot: number
}

/** One partition's share of a commit. */
export type LedgerMove = Pick<CountedMove, 'topic' | 'partition' | 'from' | 'to' | 'leaderEpoch' | 'epoch'>

/** Changes of the ledger as rows, taken at one moment, and the offsets that they stand for. */
export interface LedgerBatch {
  readonly boots: readonly (readonly unknown[])[]
  readonly counts: readonly (readonly unknown[])[]
  readonly moves: readonly LedgerMove[]
}

/** The ledger in the telemetry database. Everything throws ConnectorError. */
export interface ContinuityStore extends OffsetStore, AsyncDisposable {
  /** The boots that were written; those that were not are left out. */
  load(keys: readonly BootKey[]): Promise<readonly BootState[]>
  /**
   * One transaction: offsets by compare-and-set, then the rows. After a transient error call it again with the same batch: where that was
   * committed already, it finds out. False where another owner has at least one of the partitions: nothing was written then.
   */
  commit(consumer: ConsumerName, batch: LedgerBatch): Promise<boolean>
  /** How far a consumer of this database has come on a topic. */
  positions(consumer: ConsumerName, topic: Topic): Promise<readonly StoredPosition[]>
}

/** Rows of one statement: some hundred KB of parameters. */
const ROWS = 5_000

/** Encodes changes while they are what they are: the ledger goes on meanwhile. */
export function ledgerBatch({ boots, counts }: LedgerChanges, moves: readonly LedgerMove[]): LedgerBatch {
  return { boots: chunks(boots).map(bootColumns), counts: chunks(counts).map(countColumns), moves }
}

/** @param url the telemetry database */
export function createContinuityStore(url: string): ContinuityStore {
  // synchronous_commit off: rows and offsets are in one WAL; what a crash of the server takes back is read again.
  const database: Database = createDatabase({ url, applicationName: 'millrace continuity', synchronousCommit: 'off' })

  async function attempt(session: Session, consumer: ConsumerName, { boots, counts, moves }: LedgerBatch): Promise<boolean> {
    const counted = moves.map((move) => ({ ...move, stored: 0, dead: 0 }))
    const affected = await session.script('moving offsets', `BEGIN; ${moveOffsets(consumer, counted)}`)
    if (affected[1] !== moves.length) {
      await session.script('leaving the offsets', 'ROLLBACK')
      return (await explainRefusal(session, consumer, counted)).tag === 'done-before'
    }
    for (const columns of boots) await session.query('writing frame numbers', UPSERT_BOOTS, columns)
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

/** Boots by key, as written; those that were not are left out. */
export async function loadBoots(session: Session, keys: readonly BootKey[]): Promise<readonly BootState[]> {
  const states: BootState[] = []
  for (const chunk of chunks(keys)) {
    const rows = await session.query<BootRow>(
      'reading frame numbers',
      `${SELECT_BOOT} JOIN unnest($1::text[], $2::integer[]) AS k (device, number) ON device_id = k.device AND boot = k.number`,
      [chunk.map(({ device }) => device), chunk.map(({ boot }) => boot)],
    )
    for (const row of rows) states.push(bootOf(row))
  }
  return states
}

const UPSERT_COUNTS = `INSERT INTO continuity_device AS d (device_id, unnumbered, unreadable, conflicts, last_conflict)
  SELECT device, unnumbered, unreadable, conflicts, to_timestamp(nullif(last_conflict, 0) / 1000.0)
  FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::float8[]) AS c (device, unnumbered, unreadable, conflicts, last_conflict)
  ON CONFLICT (device_id) DO UPDATE SET unnumbered = d.unnumbered + excluded.unnumbered, unreadable = d.unreadable + excluded.unreadable,
    conflicts = d.conflicts + excluded.conflicts, last_conflict = greatest(d.last_conflict, excluded.last_conflict)`

function countColumns(counts: readonly DeviceCounts[]): readonly unknown[] {
  return [
    counts.map(({ device }) => device),
    counts.map(({ unnumbered }) => unnumbered),
    counts.map(({ unreadable }) => unreadable),
    counts.map(({ conflicts }) => conflicts),
    counts.map(({ lastConflictMs }) => lastConflictMs),
  ]
}

function chunks<Item>(items: readonly Item[]): readonly (readonly Item[])[] {
  return Array.from({ length: Math.ceil(items.length / ROWS) }, (_, index) => items.slice(index * ROWS, (index + 1) * ROWS))
}
