import { type DeviceId, drop } from '../contract.ts'
import { noteListening } from '../listening-since.ts'
import { type DeviceInputs, defineProcess, type Transaction } from '../process.ts'
import { contacts } from './contacts.ts'
import { applyContact, type Contact, isDue, type KnownContact, type Timed } from './known-contact.ts'
import { reasons } from './reasons.ts'
import { findSilent } from './silence.ts'
import { writeContacts } from './writing.ts'

interface ContactRow extends Record<string, unknown> {
  readonly id: DeviceId
  readonly heard: bigint | null
  readonly boot: number | null
  readonly boot_at: bigint | null
  readonly lowest_boot: number | null
  readonly firmware: string | null
  readonly sample_at: bigint | null
  readonly battery_voltage: number | null
  readonly battery_voltage_at: bigint | null
  readonly battery_level: number | null
  readonly battery_level_at: bigint | null
  /** When the last will came that says it is lost. */
  readonly lost: bigint | null
}

/** How often silence is looked for: it goes over all devices. */
const EVERY_MS = 10_000

/**
 * Keeps what the readings of each device say of it (last contact, boot, firmware, battery), and
 * finds the devices that are silent. Most batches bring nothing that must be written, so their
 * devices are handled together: one query, and one statement for what is due.
 */
export const businessProcess = defineProcess({
  from: contacts,
  database: 'app',
  // What is late is told by its time of receipt.
  order: 'as-they-came',
  time: ({ received }) => received,
  reasons,
  metricsPort: 9472,
  together: keepKnown,
  handle: async (device, items, tx) => {
    const unknown = await keepKnown([{ device, items }], tx)
    return unknown.length === 0 ? undefined : drop('unknown-device')
  },
  regularly: {
    everyMs: EVERY_MS,
    async handle(tx, behindSeconds) {
      const listens = await noteListening(tx, 'contact', behindSeconds)
      await findSilent(tx, 'contact', listens ? behindSeconds : undefined)
    },
  },
})

/** @returns the devices that are not in the app database any more */
async function keepKnown<Inputs extends Pick<DeviceInputs<Contact>, 'device' | 'items'>>(
  devices: readonly Inputs[],
  tx: Pick<Transaction, 'query'>,
): Promise<readonly Inputs[]> {
  const rows = await tx.query<ContactRow>(
    `SELECT d.id, ${micros('c.heard_at')} AS heard, c.boot, ${micros('c.boot_at')} AS boot_at, c.lowest_boot, c.firmware,
       ${micros('c.sample_at')} AS sample_at, c.battery_voltage, ${micros('c.battery_voltage_at')} AS battery_voltage_at,
       c.battery_level, ${micros('c.battery_level_at')} AS battery_level_at, CASE WHEN s.state = 'lost' THEN ${micros('s.seen_at')} END AS lost
     FROM devices d LEFT JOIN device_contact c ON c.device_id = d.id LEFT JOIN device_status s ON s.device_id = d.id
     WHERE d.id = ANY($1::text[])`,
    [devices.map(({ device }) => device)],
  )
  const found = new Map(rows.map((row) => [row.id, row]))
  const due = devices.flatMap(({ device, items }) => {
    const row = found.get(device)
    if (row === undefined) return []
    const written = knownContact(row)
    const known = items.reduce<KnownContact | undefined>(applyContact, written)
    if (known === undefined) return []
    return isDue(written, known) || isBack(row, written, known) ? [{ device, known }] : []
  })
  if (due.length > 0) await writeContacts(tx, due)
  return devices.filter(({ device }) => !found.has(device))
}

/** Whether it was heard after a last will, which it has not been yet. */
function isBack({ lost }: ContactRow, written: KnownContact | undefined, known: KnownContact): boolean {
  return lost !== null && known.received > Number(lost) && (written === undefined || written.received <= Number(lost))
}

function knownContact(row: ContactRow): KnownContact | undefined {
  const { heard, boot, boot_at: bootAt, lowest_boot: lowestBoot, firmware, sample_at: sampleAt } = row
  if (heard === null) return undefined
  return {
    received: Number(heard),
    boot,
    bootAt: bootAt === null ? null : Number(bootAt),
    lowestBoot,
    firmware: firmware ?? '',
    sampleAt: sampleAt === null ? null : Number(sampleAt),
    batteryVoltage: timed(row.battery_voltage, row.battery_voltage_at),
    batteryLevel: timed(row.battery_level, row.battery_level_at),
  }
}

function timed(value: number | null, at: bigint | null): Timed | null {
  return value === null || at === null ? null : { value, at: Number(at) }
}

function micros(column: string): string {
  return `(extract(epoch FROM ${column}) * 1000000)::bigint`
}
