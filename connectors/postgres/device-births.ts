import type { Database } from './database.ts'

/** A known device and the firmware of its last birth. */
export interface DeviceBirth {
  readonly device: string
  /** Null if it never said one. It is a device's own text. */
  readonly firmware: string | null
  /** When the bridge received the last status, milliseconds since 1970; null if none came. */
  readonly seenMs: number | null
}

/** Every device, or one, by ID. 100,000 take less than a second. */
export function deviceBirths(database: Database, device: string | null): Promise<readonly DeviceBirth[]> {
  return database.use((session) =>
    session.query<DeviceBirth & Record<string, unknown>>(
      'reading what devices said of their firmware',
      `SELECT d.id AS device, s.firmware, (extract(epoch FROM s.seen_at) * 1000)::float8 AS "seenMs"
       FROM devices d LEFT JOIN device_status s ON s.device_id = d.id WHERE $1::text IS NULL OR d.id = $1 ORDER BY d.id`,
      [device],
    ),
  )
}
