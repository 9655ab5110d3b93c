import { STRANGERS } from '../../processors/continuity/device.ts'
import { Fold, foldInto } from '../../processors/continuity/fold.ts'
import { countsOf, NO_FLIGHT } from '../../processors/continuity/frame-counts.ts'
import { KEPT_BOOTS, MOST_BOOTS, MOST_STRANGERS, NEWEST_BOOTS } from '../../processors/continuity/limits.ts'
import { RangeSet } from '../../processors/continuity/ranges.ts'
import { redrivenOf } from './continuity-redriven.ts'
import { type BootRow, bootOf, COMPLETE, multirange, parseMultirange, selectBoots } from './continuity-rows.ts'
import type { Session } from './session.ts'

/** A device that may have too many rows, and its boots whose rows must stay. */
export interface Grown {
  readonly device: string
  readonly keep: readonly number[]
}

/**
 * Folds boots of devices that have too many rows: those that lack nothing first, then those heard
 * of least lately.
 * @returns how many
 */
export async function foldBoots(session: Session, grown: readonly Grown[]): Promise<number> {
  if (grown.length === 0) return 0
  const kept = new Map(grown.map(({ device, keep }) => [device, keep]))
  const full = await session.query<{ device: string; rows: number }>(
    'counting boots',
    `SELECT device_id AS device, count(*)::float8 AS rows FROM continuity_boot WHERE device_id = ANY ($1) GROUP BY device_id HAVING count(*) > $2`,
    [[...kept.keys()], MOST_BOOTS],
  )
  let folded = 0
  for (const { device, rows } of full) {
    const boots = await session.query<BootRow>(
      'choosing boots to fold',
      `${selectBoots('continuity_boot')} WHERE device_id = $1 AND boot <> ALL ($2::integer[]) AND boot NOT IN (
         SELECT boot FROM continuity_boot WHERE device_id = $1 ORDER BY last_received DESC LIMIT $3)
       ORDER BY ${COMPLETE} DESC, last_received LIMIT $4`,
      [device, kept.get(device) ?? [], NEWEST_BOOTS, rows - KEPT_BOOTS],
    )
    await fold(session, device, boots)
    folded += boots.length
  }
  return folded
}

async function fold(session: Session, device: string, rows: readonly BootRow[]): Promise<void> {
  if (rows.length === 0) return
  const numbers = rows.map(({ boot }) => boot)
  const redriven = await redrivenOf(session, device, numbers)
  const into = (await readFolds(session, [device])).get(device) ?? new Fold(device)
  foldInto(
    into,
    rows.map((row) => {
      const state = bootOf(row)
      return { counts: countsOf(state, NO_FLIGHT, redriven.get(row.boot) ?? new RangeSet()), firstReceivedMs: state.firstReceivedMs }
    }),
  )
  for (const table of ['continuity_boot', 'continuity_redriven'])
    await session.query('folding boots', `DELETE FROM ${table} WHERE device_id = $1 AND boot = ANY ($2::integer[])`, [device, numbers])
  await writeFold(session, into)
}

/** Bounds the rows of names that are no devices: of the oldest boots only the sums are kept. */
export async function pruneStrangers(session: Session): Promise<void> {
  const rows = await session.query<BootRow>(
    'choosing strangers to forget',
    `${selectBoots('continuity_stranger')} ORDER BY last_received DESC OFFSET $1`,
    [MOST_STRANGERS],
  )
  if (rows.length === 0) return
  await session.query(
    'forgetting strangers',
    `DELETE FROM continuity_stranger USING unnest($1::text[], $2::integer[]) AS k (device, number) WHERE device_id = k.device AND boot = k.number`,
    [rows.map(({ device }) => device), rows.map(({ boot }) => boot)],
  )
  const into = (await readFolds(session, [STRANGERS])).get(STRANGERS) ?? new Fold(STRANGERS)
  const boots = rows.map(bootOf)
  foldInto(
    into,
    boots.map((state) => ({ counts: countsOf(state, NO_FLIGHT, new RangeSet()), firstReceivedMs: state.firstReceivedMs })),
  )
  // The numbers of their boots say nothing without their names.
  into.numbers = new RangeSet()
  await writeFold(session, into)
}

/** Moves rows that were written before their names became devices. */
export async function promoteStrangers(session: Session, devices: readonly string[]): Promise<void> {
  await session.query(
    'moving the rows of new devices',
    `WITH moved AS (DELETE FROM continuity_stranger WHERE device_id = ANY ($1) RETURNING *)
     INSERT INTO continuity_boot SELECT * FROM moved ON CONFLICT DO NOTHING`,
    [devices],
  )
}

export type FoldRow = {
  readonly device: string
  readonly boots: bigint
  readonly numbers: string
  readonly numbered: bigint
  readonly stored: bigint
  readonly dead: bigint
  readonly missing: bigint
  readonly partlyDead: bigint
  readonly unknown: bigint
  readonly dropped: bigint
  readonly implausible: bigint
  readonly firstReceivedMs: number
  readonly lastReceivedMs: number
}

/** To be followed by what selects the rows. */
export const SELECT_FOLDS = `SELECT device_id AS device, boots, numbers::text, numbered, stored, dead, missing, partly_dead AS "partlyDead", unknown, dropped,
    implausible, round(extract(epoch FROM first_received) * 1000)::float8 AS "firstReceivedMs",
    round(extract(epoch FROM last_received) * 1000)::float8 AS "lastReceivedMs"
  FROM continuity_folded`

async function readFolds(session: Session, devices: readonly string[]): Promise<ReadonlyMap<string, Fold>> {
  const rows = await session.query<FoldRow>('reading folded boots', `${SELECT_FOLDS} WHERE device_id = ANY ($1) FOR UPDATE`, [devices])
  return new Map(rows.map((row) => [row.device, foldOf(row)]))
}

export function foldOf(row: FoldRow): Fold {
  return {
    device: row.device,
    boots: Number(row.boots),
    numbers: parseMultirange(row.numbers),
    frames: {
      numbered: Number(row.numbered),
      stored: Number(row.stored),
      deadLettered: Number(row.dead),
      inFlight: 0,
      missing: Number(row.missing),
    },
    partlyDead: Number(row.partlyDead),
    unknown: Number(row.unknown),
    dropped: Number(row.dropped),
    implausible: Number(row.implausible),
    firstReceivedMs: row.firstReceivedMs,
    lastReceivedMs: row.lastReceivedMs,
  }
}

async function writeFold(session: Session, fold: Fold): Promise<void> {
  await session.query(
    'writing folded boots',
    `INSERT INTO continuity_folded (device_id, boots, numbers, numbered, stored, dead, missing, partly_dead, unknown, dropped, implausible,
       first_received, last_received)
     VALUES ($1, $2, $3::int8multirange, $4, $5, $6, $7, $8, $9, $10, $11, to_timestamp($12 / 1000.0), to_timestamp($13 / 1000.0))
     ON CONFLICT (device_id) DO UPDATE SET boots = excluded.boots, numbers = excluded.numbers, numbered = excluded.numbered, stored = excluded.stored,
       dead = excluded.dead, missing = excluded.missing, partly_dead = excluded.partly_dead, unknown = excluded.unknown, dropped = excluded.dropped,
       implausible = excluded.implausible, first_received = excluded.first_received, last_received = excluded.last_received`,
    [
      fold.device,
      fold.boots,
      multirange(fold.numbers),
      fold.frames.numbered,
      fold.frames.stored,
      fold.frames.deadLettered,
      fold.frames.missing,
      fold.partlyDead,
      fold.unknown,
      fold.dropped,
      fold.implausible,
      fold.firstReceivedMs,
      fold.lastReceivedMs,
    ],
  )
}
