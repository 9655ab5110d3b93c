import type { BootState } from '../../processors/continuity/boot.ts'
import { RangeSet } from '../../processors/continuity/ranges.ts'

/**
 * A row of continuity_boot as SELECT_BOOT gives it: sample times in microseconds since 1970, times
 * of receipt in milliseconds.
 */
export type BootRow = {
  readonly device: string
  readonly boot: number
  readonly next: bigint
  readonly begins: bigint
  readonly firstNumber: bigint
  readonly stored: string
  readonly dead: string
  readonly partly: string
  readonly settledBelow: bigint
  readonly settledStored: bigint
  readonly settledDead: bigint
  readonly settledPartly: bigint
  readonly settledUnknown: bigint
  readonly dropped: bigint
  readonly firstSample: number | null
  readonly lastSample: number | null
  readonly aheadSample: number | null
  readonly firstReceivedMs: number
  readonly lastReceivedMs: number
}

/** The tables of boots: those of devices, and those of names that are none. */
export type BootTable = 'continuity_boot' | 'continuity_stranger'

/** To be followed by what selects the rows. */
export function selectBoots(table: BootTable): string {
  return `SELECT device_id AS device, boot, next_number AS next, begins_at AS begins, first_number AS "firstNumber", stored::text, dead::text,
  partly_dead::text AS partly, settled_below AS "settledBelow", settled_stored AS "settledStored", settled_dead AS "settledDead",
  settled_partly AS "settledPartly", settled_unknown AS "settledUnknown", dropped,
  round(extract(epoch FROM first_sample) * 1000000)::float8 AS "firstSample",
  round(extract(epoch FROM last_sample) * 1000000)::float8 AS "lastSample",
  round(extract(epoch FROM ahead_sample) * 1000000)::float8 AS "aheadSample",
  round(extract(epoch FROM first_received) * 1000)::float8 AS "firstReceivedMs",
  round(extract(epoch FROM last_received) * 1000)::float8 AS "lastReceivedMs"
  FROM ${table}`
}

/**
 * Whether nothing of a boot is missing, dead or implausible. If so, its row says no more than a
 * count.
 */
export const COMPLETE = `(settled_below = 0 AND partly_dead = '{}' AND dead <@ stored
  AND stored = CASE WHEN begins_at < next_number THEN int8multirange(int8range(begins_at, next_number)) ELSE '{}' END)`

/** Takes `bootColumns` as its parameters. */
export function upsertBoots(table: BootTable): string {
  return `INSERT INTO ${table} (device_id, boot, next_number, begins_at, stored, dead, partly_dead, dropped,
    first_sample, last_sample, first_received, last_received,
    settled_below, settled_stored, settled_dead, settled_partly, settled_unknown, ahead_sample, first_number)
  SELECT device, boot, next, begins, stored::int8multirange, dead::int8multirange, partly::int8multirange, dropped,
    to_timestamp(first_sample / 1000000.0), to_timestamp(last_sample / 1000000.0),
    to_timestamp(first_received / 1000.0), to_timestamp(last_received / 1000.0),
    settled_below, settled_stored, settled_dead, settled_partly, settled_unknown, to_timestamp(ahead_sample / 1000000.0), first_number
  FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::bigint[],
    $9::float8[], $10::float8[], $11::float8[], $12::float8[],
    $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], $18::float8[], $19::bigint[])
    AS b (device, boot, next, begins, stored, dead, partly, dropped, first_sample, last_sample, first_received, last_received,
      settled_below, settled_stored, settled_dead, settled_partly, settled_unknown, ahead_sample, first_number)
  ON CONFLICT (device_id, boot) DO UPDATE SET next_number = excluded.next_number, begins_at = excluded.begins_at, stored = excluded.stored,
    dead = excluded.dead, partly_dead = excluded.partly_dead, dropped = excluded.dropped, first_sample = excluded.first_sample,
    last_sample = excluded.last_sample, first_received = excluded.first_received, last_received = excluded.last_received,
    settled_below = excluded.settled_below, settled_stored = excluded.settled_stored, settled_dead = excluded.settled_dead,
    settled_partly = excluded.settled_partly, settled_unknown = excluded.settled_unknown, ahead_sample = excluded.ahead_sample,
    first_number = excluded.first_number`
}

export function bootColumns(boots: readonly BootState[]): readonly unknown[] {
  return [
    boots.map(({ device }) => device),
    boots.map(({ boot }) => boot),
    boots.map(({ next }) => next),
    boots.map(({ begins }) => begins),
    boots.map(({ stored }) => multirange(stored)),
    boots.map(({ dead }) => multirange(dead)),
    boots.map(({ partly }) => multirange(partly)),
    boots.map(({ dropped }) => dropped),
    boots.map(({ firstSample }) => knownTime(firstSample)),
    boots.map(({ lastSample }) => knownTime(lastSample)),
    boots.map(({ firstReceivedMs }) => firstReceivedMs),
    boots.map(({ lastReceivedMs }) => lastReceivedMs),
    boots.map(({ settled }) => settled.below),
    boots.map(({ settled }) => settled.stored),
    boots.map(({ settled }) => settled.dead),
    boots.map(({ settled }) => settled.partly),
    boots.map(({ settled }) => settled.unknown),
    boots.map(({ aheadSample }) => knownTime(aheadSample)),
    boots.map(({ firstNumber }) => firstNumber),
  ]
}

export function bootOf(row: BootRow): BootState {
  return {
    device: row.device,
    boot: row.boot,
    next: Number(row.next),
    begins: Number(row.begins),
    firstNumber: Number(row.firstNumber),
    settled: {
      below: Number(row.settledBelow),
      stored: Number(row.settledStored),
      dead: Number(row.settledDead),
      partly: Number(row.settledPartly),
      unknown: Number(row.settledUnknown),
    },
    stored: parseMultirange(row.stored),
    dead: parseMultirange(row.dead),
    partly: parseMultirange(row.partly),
    dropped: Number(row.dropped),
    firstSample: row.firstSample ?? Number.NaN,
    lastSample: row.lastSample ?? Number.NaN,
    aheadSample: row.aheadSample ?? Number.NaN,
    firstReceivedMs: row.firstReceivedMs,
    lastReceivedMs: row.lastReceivedMs,
  }
}

/** As PostgreSQL writes a multirange: the upper bound of each range is left out. */
export function multirange(set: RangeSet): string {
  return `{${set
    .ranges()
    .map(({ first, last }) => `[${first},${last + 1})`)
    .join(',')}}`
}

/** @throws RangeError if the text is no multirange in PostgreSQL's canonical form */
export function parseMultirange(text: string): RangeSet {
  if (!/^\{(\[-?\d+,-?\d+\)(,\[-?\d+,-?\d+\))*)?\}$/.test(text))
    throw new RangeError(`expected a multirange of whole numbers, got ${text.slice(0, 100)}`)
  return new RangeSet(
    Array.from(text.matchAll(/\[(-?\d+),(-?\d+)\)/g), ([, first, end]) => ({ first: Number(first), last: Number(end) - 1 })),
  )
}

function knownTime(time: number): number | null {
  return Number.isNaN(time) ? null : time
}
