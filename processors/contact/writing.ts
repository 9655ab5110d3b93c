import type { DeviceId } from '../contract.ts'
import type { Transaction } from '../process.ts'
import type { KnownContact } from './known-contact.ts'

/** Columns of `device_contact` after its key, their types, and what they get. */
const COLUMNS: readonly (readonly [name: string, type: string, of: (known: KnownContact) => number | string | null])[] = [
  ['heard_at', 'bigint', ({ received }) => received],
  ['boot', 'integer', ({ boot }) => boot],
  ['boot_at', 'bigint', ({ bootAt }) => bootAt],
  ['lowest_boot', 'integer', ({ lowestBoot }) => lowestBoot],
  ['firmware', 'text', ({ firmware }) => firmware],
  ['sample_at', 'bigint', ({ sampleAt }) => sampleAt],
  ['battery_voltage', 'double precision', ({ batteryVoltage }) => batteryVoltage?.value ?? null],
  ['battery_voltage_at', 'bigint', ({ batteryVoltage }) => batteryVoltage?.at ?? null],
  ['battery_level', 'double precision', ({ batteryLevel }) => batteryLevel?.value ?? null],
  ['battery_level_at', 'bigint', ({ batteryLevel }) => batteryLevel?.at ?? null],
]

const names = COLUMNS.map(([name]) => name)
/** A column of microseconds as a time. */
const given = COLUMNS.map(([name, type]) =>
  name.endsWith('_at') && type === 'bigint' ? `to_timestamp(0) + g.${name} * interval '1 microsecond'` : `g.${name}`,
)

/**
 * One statement for all of them. In order of their IDs, so that two writers do not wait for each
 * other; and a redrive that runs beside the process does not write over what is newer.
 */
const STATEMENT = `INSERT INTO device_contact AS c (device_id, ${names.join(', ')})
  SELECT g.device_id, ${given.join(', ')}
  FROM unnest($1::text[], ${COLUMNS.map(([, type], index) => `$${index + 2}::${type}[]`).join(', ')}) AS g (device_id, ${names.join(', ')})
  ORDER BY g.device_id COLLATE "C"
  ON CONFLICT (device_id) DO UPDATE SET ${names.map((name) => `${name} = excluded.${name}`).join(', ')}
  WHERE excluded.heard_at >= c.heard_at`

export async function writeContacts(
  tx: Pick<Transaction, 'query'>,
  due: readonly { readonly device: DeviceId; readonly known: KnownContact }[],
): Promise<void> {
  await tx.query(STATEMENT, [due.map(({ device }) => device), ...COLUMNS.map(([, , of]) => due.map(({ known }) => of(known)))])
}
