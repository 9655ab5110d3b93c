import { RangeSet } from '../../processors/continuity/ranges.ts'
import type { ContinuityFilter } from './continuity-question.ts'
import { parseMultirange } from './continuity-rows.ts'
import type { Session } from './session.ts'

/** A frame of a device that a redrive of the store has written rows of. */
export interface RedrivenFrame {
  readonly device: string
  readonly boot: number
  readonly seq: number
}

/**
 * Notes in the telemetry database that rows of these frames were written. Doing it again changes
 * nothing.
 */
export async function noteRedriven(session: Session, frames: readonly RedrivenFrame[]): Promise<void> {
  if (frames.length === 0) return
  await session.query(
    'noting redriven frames',
    `INSERT INTO continuity_redriven AS r (device_id, boot, stored)
     SELECT device, boot, range_agg(int8range(seq, seq + 1)) FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS f (device, boot, seq)
     GROUP BY device, boot
     ON CONFLICT (device_id, boot) DO UPDATE SET stored = r.stored + excluded.stored`,
    [frames.map(({ device }) => device), frames.map(({ boot }) => boot), frames.map(({ seq }) => seq)],
  )
}

/** Numbers of the frames of a boot that redrives of the store have written rows of. */
export async function redrivenFrames(
  session: Session,
  { device }: Pick<ContinuityFilter, 'device'>,
): Promise<(device: string, boot: number) => RangeSet> {
  const rows = await session.query<{ device: string; boot: number; stored: string }>(
    'reading redriven frames',
    'SELECT device_id AS device, boot, stored::text FROM continuity_redriven WHERE $1::text IS NULL OR device_id = $1',
    [device],
  )
  const boots = new Map(rows.map((row) => [`${row.device}/${row.boot}`, parseMultirange(row.stored)]))
  return (id, boot) => boots.get(`${id}/${boot}`) ?? new RangeSet()
}

/** The same for some boots of one device, by boot. Their rows are locked. */
export async function redrivenOf(session: Session, device: string, boots: readonly number[]): Promise<ReadonlyMap<number, RangeSet>> {
  const rows = await session.query<{ boot: number; stored: string }>(
    'reading redriven frames',
    'SELECT boot, stored::text FROM continuity_redriven WHERE device_id = $1 AND boot = ANY ($2::integer[]) FOR UPDATE',
    [device, boots],
  )
  return new Map(rows.map(({ boot, stored }) => [boot, parseMultirange(stored)]))
}

/**
 * By device: frames that redrives of the store have written rows of after their boots were folded.
 * Nobody knows how the sums of the folded boots count them.
 */
export async function redrivenLate(session: Session, { device }: Pick<ContinuityFilter, 'device'>): Promise<ReadonlyMap<string, number>> {
  const rows = await session.query<{ device: string; frames: number }>(
    'counting redriven frames of folded boots',
    `SELECT device_id AS device, sum((SELECT sum(upper(numbers) - lower(numbers)) FROM unnest(r.stored) AS numbers))::float8 AS frames
     FROM continuity_redriven r JOIN continuity_folded f USING (device_id)
     WHERE ($1::text IS NULL OR device_id = $1) AND f.numbers @> r.boot::bigint
       AND NOT EXISTS (SELECT FROM continuity_boot b WHERE (b.device_id, b.boot) = (r.device_id, r.boot))
     GROUP BY device_id`,
    [device],
  )
  return new Map(rows.map(({ device: id, frames }) => [id, frames]))
}
