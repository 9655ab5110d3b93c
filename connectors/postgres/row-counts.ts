import type { ConsumerName } from '../../processors/contract.ts'
import type { OffsetMove, RowCounts, SinkBatch, ValueConflicts } from '../contract.ts'
import { keyBytes, readKey, rowOffsets } from './copy-rows.ts'
import { CONFLICTING, INSERTED, MERGED, REPEATED, type RowOutcomes } from './fold-rows.ts'
import { KEY_COLUMNS, literal } from './readings-table.ts'

/** What became of a batch's rows. */
export interface BatchCounts extends RowCounts {
  readonly conflicts: readonly ValueConflicts[]
  /** Rows of each move that turned out not to be new. */
  readonly corrections: readonly Correction[]
}

interface Correction {
  readonly topic: string
  readonly partition: number
  readonly merged: number
  readonly repeated: number
  readonly conflicts: number
}

export function countRows(batch: SinkBatch, outcomes: RowOutcomes | undefined): BatchCounts {
  if (outcomes === undefined) return { inserted: batch.rows, merged: 0, repeated: 0, conflicts: [], corrections: [] }
  const counts = [0, 0, 0, 0]
  const corrections: Correction[] = []
  for (const move of batch.moves) {
    const own = ofMove(move, outcomes)
    for (const [code, count] of own.entries()) counts[code] = (counts[code] ?? 0) + count
    const [merged = 0, repeated = 0, conflicts = 0] = [own[MERGED], own[REPEATED], own[CONFLICTING]]
    if (merged + repeated + conflicts > 0) corrections.push({ topic: move.topic, partition: move.partition, merged, repeated, conflicts })
  }
  return {
    inserted: counts[INSERTED] ?? 0,
    merged: counts[MERGED] ?? 0,
    repeated: counts[REPEATED] ?? 0,
    conflicts: byDevice(batch, outcomes),
    corrections,
  }
}

function ofMove({ rows }: OffsetMove, { of }: RowOutcomes): readonly number[] {
  const counts = [0, 0, 0, 0]
  for (const { first, end } of rows) {
    for (let row = first; row < end; row++) {
      const code = of[row] as number
      counts[code] = (counts[code] ?? 0) + 1
    }
  }
  return counts
}

function byDevice(batch: SinkBatch, { conflicts }: RowOutcomes): readonly ValueConflicts[] {
  if (conflicts.size === 0) return []
  const offsets = rowOffsets(batch.copy, batch.rows)
  const devices = new Map<string, ValueConflicts>()
  for (const row of [...conflicts.keys()].sort((a, b) => a - b)) {
    const conflict = conflicts.get(row)
    if (conflict === undefined) continue
    const { device, tsMicros } = readKey(keyBytes(batch.copy, offsets[row] as number))
    const { kept, refused } = conflict
    devices.set(device, {
      device,
      rows: (devices.get(device)?.rows ?? 0) + 1,
      example: { tsMicros, column: batch.columns[KEY_COLUMNS + conflict.column] ?? '', kept, refused },
    })
  }
  return [...devices.values()]
}

/** SQL that corrects the counts: these rows were counted as stored when the offsets were moved. */
export function recount(consumer: ConsumerName, corrections: readonly Correction[]): string {
  const values = corrections.map(
    ({ topic, partition, merged, repeated, conflicts }) =>
      `(${literal(topic)}, ${partition}, ${merged}::bigint, ${repeated}::bigint, ${conflicts}::bigint)`,
  )
  return `UPDATE consumer_offset AS o SET stored = o.stored - m.merged - m.repeated - m.conflicts,
      merged = o.merged + m.merged, repeated = o.repeated + m.repeated, conflicts = o.conflicts + m.conflicts
    FROM (VALUES ${values.join(', ')}) AS m (topic, partition, merged, repeated, conflicts)
    WHERE o.consumer = ${literal(consumer)} AND o.topic = m.topic AND o.partition = m.partition`
}

/**
 * SQL that counts conflicts by device, in the order of the devices, so that two transactions lock
 * in the same order.
 */
export function noteConflicts(conflicts: readonly ValueConflicts[]): string {
  const values = [...conflicts]
    .sort((a, b) => (a.device < b.device ? -1 : 1))
    .map(
      ({ device, rows, example: { tsMicros, column, kept, refused } }) =>
        `(${literal(device)}, ${rows}, now(), 'epoch'::timestamptz + ${tsMicros} * interval '1 microsecond', ${literal(column)}, ${float(kept)}, ${float(refused)})`,
    )
  return `INSERT INTO reading_conflict AS c (device_id, conflicts, last_at, ts, quantity, kept, refused) VALUES ${values.join(', ')}
    ON CONFLICT (device_id) DO UPDATE SET conflicts = c.conflicts + excluded.conflicts, last_at = excluded.last_at, ts = excluded.ts,
      quantity = excluded.quantity, kept = excluded.kept, refused = excluded.refused`
}

function float(value: number): string {
  return `'${value}'::double precision`
}
