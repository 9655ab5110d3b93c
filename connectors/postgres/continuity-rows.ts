import type { BootState } from '../../processors/continuity/ledger.ts'
import { RangeSet } from '../../processors/continuity/ranges.ts'

/** A row of continuity_boot as SELECT_BOOT gives it: sample times in microseconds since 1970, times of receipt in milliseconds. */
export type BootRow = {
  readonly device: string
  readonly boot: number
  readonly next: bigint
  readonly begins: bigint
  readonly stored: string
  readonly dead: string
  readonly partly: string
  readonly dropped: bigint
  readonly firstSample: number | null
  readonly lastSample: number | null
  readonly firstReceivedMs: number
  readonly lastReceivedMs: number
}

/** To be followed by what selects the rows. */
export const SELECT_BOOT = `SELECT device_id AS device, boot, next_number AS next, begins_at AS begins, stored::text, dead::text,
  partly_dead::text AS partly, dropped,
  round(extract(epoch FROM first_sample) * 1000000)::float8 AS "firstSample",
  round(extract(epoch FROM last_sample) * 1000000)::float8 AS "lastSample",
  round(extract(epoch FROM first_received) * 1000)::float8 AS "firstReceivedMs",
  round(extract(epoch FROM last_received) * 1000)::float8 AS "lastReceivedMs"
  FROM continuity_boot`

/** Takes `bootColumns` as its parameters. */
export const UPSERT_BOOTS = `INSERT INTO continuity_boot (device_id, boot, next_number, begins_at, stored, dead, partly_dead, dropped,
    first_sample, last_sample, first_received, last_received)
  SELECT device, boot, next, begins, stored::int8multirange, dead::int8multirange, partly::int8multirange, dropped,
    to_timestamp(first_sample / 1000000.0), to_timestamp(last_sample / 1000000.0),
    to_timestamp(first_received / 1000.0), to_timestamp(last_received / 1000.0)
  FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::bigint[],
    $9::float8[], $10::float8[], $11::float8[], $12::float8[])
    AS b (device, boot, next, begins, stored, dead, partly, dropped, first_sample, last_sample, first_received, last_received)
  ON CONFLICT (device_id, boot) DO UPDATE SET next_number = excluded.next_number, begins_at = excluded.begins_at, stored = excluded.stored,
    dead = excluded.dead, partly_dead = excluded.partly_dead, dropped = excluded.dropped, first_sample = excluded.first_sample,
    last_sample = excluded.last_sample, first_received = excluded.first_received, last_received = excluded.last_received`

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
  ]
}

export function bootOf(row: BootRow): BootState {
  return {
    device: row.device,
    boot: row.boot,
    next: Number(row.next),
    begins: Number(row.begins),
    stored: parseMultirange(row.stored),
    dead: parseMultirange(row.dead),
    partly: parseMultirange(row.partly),
    dropped: Number(row.dropped),
    firstSample: row.firstSample ?? Number.NaN,
    lastSample: row.lastSample ?? Number.NaN,
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

/** @throws RangeError where the text is no multirange in PostgreSQL's canonical form */
export function parseMultirange(text: string): RangeSet {
  if (!/^\{(\[\d+,\d+\)(,\[\d+,\d+\))*)?\}$/.test(text))
    throw new RangeError(`expected a multirange of whole numbers, got ${text.slice(0, 100)}`)
  return new RangeSet(Array.from(text.matchAll(/\[(\d+),(\d+)\)/g), ([, first, end]) => ({ first: Number(first), last: Number(end) - 1 })))
}

function knownTime(time: number): number | null {
  return Number.isNaN(time) ? null : time
}
