import type { SinkBatch } from '../contract.ts'
import { REPEATED, type RowOutcomes } from './fold-rows.ts'
import { literal } from './readings-table.ts'

/**
 * Tells the trigger of table readings that this session writes its marks itself
 * (db/telemetry/0016-rollups.sql). Trigger and marks are for every other writer.
 */
export const MARKS_ITSELF = "SET millrace.marks = 'on'"

/** Signature, flags and length of the header extension, which is empty. */
const HEADER_BYTES = 19
const HOUR_MICROS = 3_600_000_000
/** Microseconds from 1970-01-01 to 2000-01-01, PostgreSQL's epoch: whole hours. */
const POSTGRES_EPOCH_MICROS = 946_684_800_000_000
const TWO_32 = 4_294_967_296

/** First and last reading of each device of an hour, in microseconds from the start of the hour. */
export type HourMarks = ReadonlyMap<string, { readonly first: number; readonly last: number }>

/**
 * The hours of devices that a batch changes, by the hour (hours since 1970, UTC). Rows that had
 * nothing new change none.
 *
 * One pass over the bytes: rows of a device stand next to each other, so a row costs the steps over
 * its columns and a comparison with the row before.
 */
export function changedHours(batch: Pick<SinkBatch, 'copy' | 'rows'>, outcomes?: RowOutcomes): ReadonlyMap<number, HourMarks> {
  const { copy, rows } = batch
  const hours = new Map<number, Map<string, { first: number; last: number }>>()
  let at = HEADER_BYTES
  let [device, length, hour, first, last]: [number, number, number, number, number] = [0, -1, Number.NaN, 0, 0]
  const note = (): void => {
    if (length < 0) return
    let marks = hours.get(hour)
    if (marks === undefined) {
      marks = new Map()
      hours.set(hour, marks)
    }
    const id = copy.toString('utf8', device, device + length)
    const known = marks.get(id)
    if (known === undefined) marks.set(id, { first, last })
    else {
      if (first < known.first) known.first = first
      if (last > known.last) known.last = last
    }
  }
  for (let row = 0; row < rows; row++) {
    const columns = copy.readInt16BE(at)
    const own = copy.readInt32BE(at + 2)
    const key = at + 6
    const micros = copy.readInt32BE(key + own + 4) * TWO_32 + copy.readUInt32BE(key + own + 8) + POSTGRES_EPOCH_MICROS
    at = key + own
    for (let column = 1; column < columns; column++) {
      const bytes = copy.readInt32BE(at)
      at += bytes < 0 ? 4 : 4 + bytes
    }
    if (outcomes !== undefined && outcomes.of[row] === REPEATED) continue
    const its = Math.floor(micros / HOUR_MICROS)
    const within = micros - its * HOUR_MICROS
    if (its === hour && own === length && same(copy, device, key, own)) {
      if (within < first) first = within
      else if (within > last) last = within
      continue
    }
    note()
    device = key
    length = own
    hour = its
    first = within
    last = within
  }
  note()
  return hours
}

function same(bytes: Buffer, one: number, other: number, length: number): boolean {
  for (let at = length - 1; at >= 0; at--) if (bytes[one + at] !== bytes[other + at]) return false
  return true
}

/** SQL that marks what a batch changes, in its own transaction; undefined if it changes nothing. */
export function markChanged(batch: Pick<SinkBatch, 'copy' | 'rows'>, outcomes?: RowOutcomes): string | undefined {
  const rows = [...changedHours(batch, outcomes)].map(([hour, marks]) => {
    const edges = [...marks.values()]
    const devices = [...marks.keys()].map((id) => `"${id.replaceAll(/["\\]/g, '\\$&')}"`)
    return `(to_timestamp(${hour * 3_600}), ${literal(`{${devices.join(',')}}`)}::text[], '{${edges.map(({ first }) => first).join(',')}}'::bigint[], '{${edges.map(({ last }) => last).join(',')}}'::bigint[])`
  })
  return rows.length === 0 ? undefined : `INSERT INTO rollup_mark (hour, devices, firsts, lasts) VALUES ${rows.join(', ')}`
}
