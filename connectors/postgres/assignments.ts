import type { Assignment, DeviceId } from '../../processors/contract.ts'
import type { Session } from './session.ts'

/** Known devices; each one's assignments in order of time. */
export type Assignments = ReadonlyMap<DeviceId, readonly Assignment[]>

interface Row extends Record<string, unknown> {
  readonly device: DeviceId
  /** Null for a device without an assignment. */
  readonly account: bigint | null
  readonly site: bigint | null
  /** Microseconds since 1970; null if unbounded. */
  readonly since: bigint | null
  readonly until: bigint | null
}

const SELECT = `
  SELECT d.id AS device, a.account_id AS account, a.site_id AS site,
    CASE WHEN isfinite(lower(a.valid)) THEN (extract(epoch FROM lower(a.valid)) * 1000000)::bigint END AS since,
    CASE WHEN isfinite(upper(a.valid)) THEN (extract(epoch FROM upper(a.valid)) * 1000000)::bigint END AS until
  FROM devices d LEFT JOIN assignments a ON a.device_id = d.id`
const ORDER = 'ORDER BY d.id, lower(a.valid) NULLS FIRST'

/** Reads every device. 20,000 take about 50 ms. */
export async function loadAssignments(session: Session): Promise<Assignments> {
  return grouped(await session.query<Row>('loading devices', `${SELECT} ${ORDER}`))
}

/** Reads those of these devices that are known. */
export async function findAssignments(session: Session, devices: readonly string[]): Promise<Assignments> {
  return grouped(await session.query<Row>('looking up devices', `${SELECT} WHERE d.id = ANY ($1) ${ORDER}`, [devices]))
}

function grouped(rows: readonly Row[]): Assignments {
  const devices = new Map<DeviceId, Assignment[]>()
  for (const { device, account, site, since, until } of rows) {
    const assignments = devices.get(device) ?? []
    devices.set(device, assignments)
    if (account === null) continue
    assignments.push({
      fromMicros: since === null ? Number.NEGATIVE_INFINITY : Number(since),
      toMicros: until === null ? Number.POSITIVE_INFINITY : Number(until),
      accountId: Number(account),
      siteId: site === null ? null : Number(site),
    })
  }
  return devices
}
