import type { DeviceId } from '../../processors/contract.ts'
import type { Undone } from '../../processors/movement/swap.ts'
import type { Session } from './session.ts'

/** What a device is assigned to; half-open, in microseconds since 1970, null for no limit. */
export interface Stay {
  readonly account: bigint
  readonly site: bigint | null
  readonly fromMicros: number | null
  readonly toMicros: number | null
}

interface Row extends Record<string, unknown> {
  readonly account: bigint
  readonly site: bigint | null
  readonly since: bigint | null
  readonly until: bigint | null
}

/** All assignments of a device, in order. */
export async function assignmentsOf(session: Session, device: DeviceId): Promise<readonly Stay[]> {
  const rows = await session.query<Row>(
    'reading assignments',
    `SELECT account_id AS account, site_id AS site, (extract(epoch FROM lower(valid)) * 1000000)::bigint AS since,
       (extract(epoch FROM upper(valid)) * 1000000)::bigint AS until
     FROM assignments WHERE device_id = $1 ORDER BY lower(valid) NULLS FIRST`,
    [device],
  )
  return rows.map(({ account, site, since, until }) => ({ account, site, fromMicros: micros(since), toMicros: micros(until) }))
}

function micros(value: bigint | null): number | null {
  return value === null ? null : Number(value)
}

/** The parts of stays from a moment on. */
export function staysFrom(stays: readonly Stay[], fromMicros: number): readonly Stay[] {
  return stays
    .filter(({ toMicros }) => toMicros === null || toMicros > fromMicros)
    .map((stay) => ({ ...stay, fromMicros: Math.max(fromMicros, stay.fromMicros ?? Number.NEGATIVE_INFINITY) }))
}

/**
 * Where the asset of a device is from a moment on. Stays that began because of decisions that were
 * taken back are not its own: there it stayed where it was before.
 */
export function staysOfAsset(assignments: readonly Stay[], undone: readonly Undone[], fromMicros: number): readonly Stay[] {
  const stays: Stay[] = []
  for (const assignment of assignments) {
    const before = stays.at(-1)
    const { fromMicros: since, account, site } = assignment
    const taken = since !== null && undone.some((each) => each.sinceMicros === since && each.site === site)
    if (taken && before !== undefined && before.toMicros === since && before.account === account)
      stays.splice(-1, 1, { ...before, toMicros: assignment.toMicros })
    else stays.push(assignment)
  }
  return staysFrom(stays, fromMicros)
}
