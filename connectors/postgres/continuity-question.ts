import type { BootState } from '../../processors/continuity/boot.ts'
import { type DeviceCounts, STRANGERS } from '../../processors/continuity/device.ts'
import type { Fold } from '../../processors/continuity/fold.ts'
import type { BootKey } from '../../processors/continuity/ledger.ts'
import { type FoldRow, foldOf, SELECT_FOLDS } from './continuity-folds.ts'
import { type BootRow, bootOf, COMPLETE, selectBoots } from './continuity-rows.ts'
import type { Session } from './session.ts'

/** Which boots are asked for. */
export interface ContinuityFilter {
  /** One device; null for all. */
  readonly device: string | null
  /**
   * Only boots of which a frame was received since this time, milliseconds since 1970; null for
   * all.
   */
  readonly sinceMs: number | null
}

/** Boots of one device of which every frame is stored: nothing about them needs to be named. */
export interface CompleteBoots {
  readonly device: string
  readonly boots: number
  /** Frames numbered, and stored. */
  readonly numbered: number
  /** Numbers before the ledger was begun. */
  readonly unknown: number
  /** Samples that the device says it discarded. */
  readonly dropped: number
}

const ASKED = `($1::text IS NULL OR device_id = $1) AND ($2::float8 IS NULL OR last_received >= to_timestamp($2 / 1000.0))
  AND NOT EXISTS (SELECT FROM unnest($3::text[], $4::integer[]) AS k (device, number) WHERE device_id = k.device AND boot = k.number)`

/**
 * Begins a transaction in which every query sees the database as of one moment, and nothing can be
 * written.
 */
export async function beginSnapshot(session: Session): Promise<void> {
  await session.script('beginning a snapshot', 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
}

/**
 * Boots of which every frame is stored, summed by the database: there may be very many.
 * @param except boots to leave out
 */
export async function completeBoots(
  session: Session,
  filter: ContinuityFilter,
  except: readonly BootKey[],
): Promise<readonly CompleteBoots[]> {
  const rows = await session.query<{ device: string; boots: bigint; numbered: bigint; unknown: bigint; dropped: bigint }>(
    'summing frame numbers',
    `SELECT device_id AS device, count(*) AS boots, sum(greatest(next_number - begins_at, 0))::bigint AS numbered,
       sum(least(begins_at, next_number))::bigint AS unknown, sum(dropped)::bigint AS dropped
     FROM continuity_boot WHERE ${COMPLETE} AND ${ASKED} GROUP BY device_id`,
    parameters(filter, except),
  )
  return rows.map(({ device, boots, numbered, unknown, dropped }) => ({
    device,
    boots: Number(boots),
    numbered: Number(numbered),
    unknown: Number(unknown),
    dropped: Number(dropped),
  }))
}

/** The other boots, whole. @param except boots to leave out */
export async function incompleteBoots(
  session: Session,
  filter: ContinuityFilter,
  except: readonly BootKey[],
): Promise<readonly BootState[]> {
  const rows = await session.query<BootRow>(
    'reading frame numbers',
    `${selectBoots('continuity_boot')} WHERE NOT ${COMPLETE} AND ${ASKED}`,
    parameters(filter, except),
  )
  return rows.map(bootOf)
}

/** The folded boots that are asked for, and the folded boots of names that are no devices. */
export async function foldedBoots(session: Session, { device, sinceMs }: ContinuityFilter): Promise<readonly Fold[]> {
  const rows = await session.query<FoldRow>(
    'reading folded boots',
    `${SELECT_FOLDS} WHERE ($1::text IS NULL OR device_id IN ($1, $3)) AND ($2::float8 IS NULL OR last_received >= to_timestamp($2 / 1000.0))`,
    [device, sinceMs, STRANGERS],
  )
  return rows.map(foldOf)
}

/** Boots of names that are no devices: few, see limits.ts. @param except boots to leave out */
export async function strangers(session: Session, filter: ContinuityFilter, except: readonly BootKey[]): Promise<readonly BootState[]> {
  const rows = await session.query<BootRow>(
    'reading frame numbers of strangers',
    `${selectBoots('continuity_stranger')} WHERE ${ASKED}`,
    parameters(filter, except),
  )
  return rows.map(bootOf)
}

/** What is counted for devices beside their frames. */
export async function deviceCounts(session: Session, { device }: ContinuityFilter): Promise<readonly DeviceCounts[]> {
  const rows = await session.query<{
    device: string
    unnumbered: bigint
    unreadable: bigint
    conflicts: bigint
    lastConflictMs: number
    late: bigint
    implausible: bigint
  }>(
    'reading device counts',
    `SELECT device_id AS device, unnumbered, unreadable, conflicts, late, implausible,
       coalesce(round(extract(epoch FROM last_conflict) * 1000), 0)::float8 AS "lastConflictMs"
     FROM continuity_device WHERE $1::text IS NULL OR device_id IN ($1, $2)`,
    [device, STRANGERS],
  )
  return rows.map(({ device: id, unnumbered, unreadable, conflicts, lastConflictMs, late, implausible }) => ({
    device: id,
    unnumbered: Number(unnumbered),
    unreadable: Number(unreadable),
    conflicts: Number(conflicts),
    lastConflictMs,
    late: Number(late),
    implausible: Number(implausible),
  }))
}

function parameters({ device, sinceMs }: ContinuityFilter, except: readonly BootKey[]): readonly unknown[] {
  return [device, sinceMs, except.map((key) => key.device), except.map(({ boot }) => boot)]
}
