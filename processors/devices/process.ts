import type { DeviceState } from '../../schemas/generated/device-status.ts'
import { reject } from '../contract.ts'
import { defineProcess } from '../process.ts'
import { reasons } from './reasons.ts'
import { applyStatus, deviceStatus, type KnownStatus } from './status.ts'

interface StatusRow extends Record<string, unknown> {
  readonly known: boolean
  readonly state: DeviceState | null
  readonly boot: number | null
  readonly lowest_boot: number | null
  readonly firmware: string | null
  readonly seen: bigint | null
  readonly seen_offset: bigint | null
}

/** Keeps what each device last said of itself: state, boot, firmware, and when. */
export const businessProcess = defineProcess({
  from: deviceStatus,
  database: 'app',
  // A later status does not always supersede an earlier one: a stale will does not.
  order: 'as-they-came',
  time: ({ received }) => received,
  reasons,
  metricsPort: 9467,
  handle: async (device, statuses, tx) => {
    const [row] = await tx.query<StatusRow>(
      `SELECT state, boot, lowest_boot, firmware, (extract(epoch FROM seen_at) * 1000000)::bigint AS seen, seen_offset
       FROM devices LEFT JOIN device_status ON device_id = id WHERE id = $1 FOR UPDATE OF devices`,
      [device],
    )
    if (row === undefined) return reject('unknown-device', `${device} is not in the app database`)
    const before = knownStatus(row)
    const known = statuses.reduce<KnownStatus | undefined>(applyStatus, before)
    if (known === undefined || known === before) return undefined
    await tx.query(
      `INSERT INTO device_status (device_id, state, boot, firmware, seen_at, seen_offset, lowest_boot, boot_at)
       VALUES ($1, $2, $3, $4, to_timestamp(0) + $5::bigint * interval '1 microsecond', $6, $7, to_timestamp(0) + $5::bigint * interval '1 microsecond')
       ON CONFLICT (device_id) DO UPDATE
       SET state = excluded.state, boot = excluded.boot, firmware = excluded.firmware, seen_at = excluded.seen_at,
         seen_offset = excluded.seen_offset, lowest_boot = excluded.lowest_boot,
         boot_at = CASE WHEN device_status.boot IS DISTINCT FROM excluded.boot THEN excluded.boot_at ELSE device_status.boot_at END`,
      [device, known.state, known.boot, known.firmware, known.seenMicros, known.seenOffset, known.lowestBoot],
    )
    return undefined
  },
})

function knownStatus({
  state,
  boot,
  lowest_boot: lowestBoot,
  firmware,
  seen,
  seen_offset: seenOffset,
}: StatusRow): KnownStatus | undefined {
  return state === null || seen === null ? undefined : { state, boot, lowestBoot, firmware, seenMicros: Number(seen), seenOffset }
}
