import type pg from 'pg'
import { contacts } from '../../processors/contact/contacts.ts'
import { applyContact, EXACT_TO_MICROS, isDue, type KnownContact, type Timed } from '../../processors/contact/known-contact.ts'
import type { DeviceId, KafkaRecord, Lookups } from '../../processors/contract.ts'
import { isMalformed } from '../../schemas/frame-reader.ts'
import { HOSTILE_DEVICES } from './hostile.ts'
import type { Silence } from './process-differences.ts'

/** What the readings of each device say of it: all its records, one after another. */
export interface ExactContacts {
  /** What cannot be read is left out, as by the process. */
  add(record: KafkaRecord): void
  readonly known: ReadonlyMap<DeviceId, KnownContact>
}

export function createExactContacts(lookups: Lookups): ExactContacts {
  const known = new Map<DeviceId, KnownContact>()
  return {
    known,
    add(record) {
      const device = (record.key?.toString('latin1') ?? '') as DeviceId
      try {
        contacts.decode(record, lookups, (contact) => known.set(device, applyContact(known.get(device), contact)))
      } catch (cause) {
        if (!isMalformed(cause)) throw cause
      }
    },
  }
}

/**
 * What `device_contact` has of devices otherwise than it should. It may be behind by what need not
 * be written yet, and never ahead.
 * @param written null for a device without a row
 */
export function contactDifferences(
  exact: ReadonlyMap<DeviceId, KnownContact>,
  written: ReadonlyMap<DeviceId, KnownContact | null>,
): readonly string[] {
  return [...written].flatMap(([device, row]) => {
    const all = exact.get(device)
    if (row === null) return all === undefined ? [] : [`${device}: device_contact lacks ${JSON.stringify(all)}`]
    if (all === undefined) return [`${device}: device_contact has, and no readings came: ${JSON.stringify(row)}`]
    if (!isDue(row, all) && row.boot === all.boot && row.lowestBoot === all.lowestBoot && !isAhead(row, all)) return []
    return [`${device}: device_contact has ${JSON.stringify(row)}, and all its records say ${JSON.stringify(all)}`]
  })
}

function isAhead(row: KnownContact, all: KnownContact): boolean {
  const times = ({ received, sampleAt, batteryVoltage, batteryLevel }: KnownContact): readonly (number | null | undefined)[] => [
    received,
    sampleAt,
    batteryVoltage?.at,
    batteryLevel?.at,
  ]
  const most = times(all)
  return times(row).some((at, index) => (at ?? -Infinity) > (most[index] ?? -Infinity))
}

interface ContactRow {
  readonly device: DeviceId
  readonly received: number | null
  readonly boot: number | null
  readonly boot_at: number | null
  readonly lowest_boot: number | null
  readonly firmware: string
  readonly sample_at: number | null
  readonly voltage: number | null
  readonly voltage_at: number | null
  readonly level: number | null
  readonly level_at: number | null
}

/**
 * Of each device of the app database what `device_contact` has; null if it has nothing. Hostile
 * ones send several boots within a millisecond: which of them counts depends on the batches.
 */
export async function readContacts(app: pg.Client): Promise<ReadonlyMap<DeviceId, KnownContact | null>> {
  const { rows } = await app.query<ContactRow>(
    `SELECT d.id AS device, ${micros('heard_at')} AS received, boot, ${micros('boot_at')} AS boot_at, lowest_boot, firmware,
       ${micros('sample_at')} AS sample_at, battery_voltage AS voltage, ${micros('battery_voltage_at')} AS voltage_at,
       battery_level AS level, ${micros('battery_level_at')} AS level_at
     FROM devices d LEFT JOIN device_contact c ON c.device_id = d.id WHERE d.id <> ALL($1)`,
    [HOSTILE_DEVICES],
  )
  return new Map(rows.map((row) => [row.device, contactOf(row)]))
}

function contactOf({ received, boot, firmware, ...row }: ContactRow): KnownContact | null {
  if (received === null) return null
  return {
    received,
    boot,
    bootAt: row.boot_at,
    lowestBoot: row.lowest_boot,
    firmware,
    sampleAt: row.sample_at,
    batteryVoltage: timed(row.voltage, row.voltage_at),
    batteryLevel: timed(row.level, row.level_at),
  }
}

/** Those that `device_silence` tells of: since then nothing should have come of the device. */
export async function readSilences(app: pg.Client, devices: readonly string[]): Promise<readonly Silence[]> {
  const { rows } = await app.query<{ device: string; heard: number; until: number }>(
    `SELECT device_id AS device, ${micros('heard_at')} AS heard, ${micros('silent_at')} AS until
     FROM device_silence WHERE device_id = ANY($1)`,
    [devices],
  )
  return rows.map(({ device, heard, until }) => ({ device, began: heard + EXACT_TO_MICROS, until }))
}

function timed(value: number | null, at: number | null): Timed | null {
  return value === null || at === null ? null : { value, at }
}

/** Exact: 2^53 microseconds are 285 years. */
function micros(column: string): string {
  return `(extract(epoch FROM ${column}) * 1000000)::double precision`
}
