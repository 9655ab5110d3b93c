import type { DeviceId } from '../../processors/contract.ts'
import type { AssetId } from '../../processors/movement/asset.ts'
import { assignmentsOf, type Stay, staysFrom } from './asset-stays.ts'
import type { Session } from './session.ts'

/** Devices cannot be swapped as asked. */
export class SwapError extends Error {
  override readonly name = 'SwapError'
}

/** A device measures an asset from a moment on, in microseconds since 1970; null for ever since. */
export interface Period {
  readonly asset: AssetId
  readonly fromMicros: number | null
}

interface Asked {
  readonly old: DeviceId
  readonly replacement: DeviceId
  readonly at: Date | null
  readonly spare: boolean
}

export type Checked =
  | { readonly tag: 'repeat'; readonly asset: string; readonly at: Date }
  | {
      readonly tag: 'swap'
      readonly at: Date
      readonly atMicros: number
      /** What the old device measures at the moment. */
      readonly period: Period
      /** Assignments that the old device gets back, because this takes back the swap before. */
      readonly undoes: readonly Stay[]
    }

interface LastSwap extends Record<string, unknown> {
  readonly old: string
  readonly replacement: string
  readonly asset: string
  readonly at: Date
  readonly ended: readonly {
    readonly account: string
    readonly site: string | null
    readonly fromMicros: number
    readonly toMicros: number | null
  }[]
}

interface PeriodRow extends Record<string, unknown> {
  readonly asset: AssetId
  readonly since: bigint | null
  readonly until: Date | null
  /** A row of asset_devices says so. */
  readonly written: boolean
}

const DOING = 'checking a swap'
const MICROS = (time: string): string => `(extract(epoch FROM ${time}) * 1000000)::bigint`

/**
 * Whether devices can be swapped. Both are locked.
 * @throws SwapError
 */
export async function checkSwap(session: Session, { old, replacement, at, spare }: Asked): Promise<Checked> {
  if (old === replacement) throw new SwapError(`expected two devices, got ${old} twice`)
  const last = await lastSwap(session, old, replacement)
  if (last?.old === old && last.replacement === replacement && (at === null || at.getTime() === last.at.getTime()))
    return { tag: 'repeat', asset: last.asset, at: last.at }
  const moment = await momentOf(session, at)
  const atMicros = moment.getTime() * 1000
  const period = await periodAt(session, old, moment)
  if (period.until !== null) throw await swappedLater(session, old, period)
  const stays = staysFrom(await assignmentsOf(session, old), atMicros)
  if (period.drawer && stays.length === 0) throw await takenOff(session, old, moment)
  if (period.drawer && period.fromMicros === atMicros)
    throw new SwapError(`device ${old} measures ${period.asset} from ${shown(moment)} on: expected a later time`)
  await refuseOther(session, replacement, moment)
  const all = await assignmentsOf(session, replacement)
  const theirs = staysFrom(all, atMicros)
  const accounts = new Set(stays.map(({ account }) => account))
  if (theirs.some(({ account }) => !accounts.has(account)))
    throw new SwapError(
      `device ${replacement} is of ${await accountNames(session, theirs)} at ${shown(moment)} or later, device ${old} of ${await accountNames(session, stays)}: expected the same account`,
    )
  // It may have been placed since then, because it already stood where the old one did.
  const { drawer } = await periodAt(session, replacement, moment)
  const stands = staysFrom(
    all.filter(({ fromMicros, site }) => site !== null && (drawer || fromMicros === null || fromMicros < atMicros)),
    atMicros,
  )[0]
  if (stands !== undefined && !spare)
    throw new SwapError(
      `device ${replacement} is at site ${await siteName(session, stands)} at ${shown(moment)}${drawer ? ' or later' : ''}: if it is a spare there, add --spare; if it measures something of its own, that would have no device any more`,
    )
  const undone = last?.old === replacement && last.replacement === old && last.at.getTime() === moment.getTime()
  const undoes = undone ? await givenBack(session, last) : []
  return { tag: 'swap', at: moment, atMicros, period, undoes }
}

/** What a swap had ended. A site that is gone since is none. */
async function givenBack(session: Session, { ended }: LastSwap): Promise<readonly Stay[]> {
  const sites = await session.query<{ id: bigint }>(DOING, 'SELECT id FROM sites WHERE id = ANY($1::bigint[])', [
    ended.map(({ site }) => site),
  ])
  const known = new Set(sites.map(({ id }) => id))
  return ended.map(({ account, site, ...time }) => ({
    ...time,
    account: BigInt(account),
    site: site !== null && known.has(BigInt(site)) ? BigInt(site) : null,
  }))
}

/** The last swap that one of the devices was in. */
async function lastSwap(session: Session, old: DeviceId, replacement: DeviceId): Promise<LastSwap | undefined> {
  const [row] = await session.query<LastSwap>(
    DOING,
    `SELECT old_device AS old, new_device AS replacement, asset_id AS asset, at, ended FROM device_swaps
     WHERE old_device = ANY($1::text[]) OR new_device = ANY($1::text[]) ORDER BY id DESC LIMIT 1`,
    [[old, replacement]],
  )
  return row
}

async function momentOf(session: Session, at: Date | null): Promise<Date> {
  const [row] = await session.query<{ now: Date }>(DOING, `SELECT date_trunc('milliseconds', clock_timestamp()) AS now`)
  if (row === undefined) throw new Error('no time')
  if (at !== null && at > row.now)
    throw new SwapError(`--at: expected a time that has been, got ${shown(at)}: the clock of the database says ${shown(row.now)}`)
  return at ?? row.now
}

async function periodAt(
  session: Session,
  device: DeviceId,
  at: Date,
): Promise<Period & { readonly until: Date | null; readonly drawer: boolean }> {
  const [row] = await session.query<PeriodRow>(
    DOING,
    `SELECT p.asset_id AS asset, ${MICROS('lower(p.valid)')} AS since, upper(p.valid) AS until,
       EXISTS (SELECT FROM asset_devices a WHERE a.device_id = p.device_id AND a.valid = p.valid) AS written
     FROM asset_periods p WHERE p.device_id = $1 AND p.valid @> $2::timestamptz`,
    [device, at],
  )
  if (row === undefined) throw new Error(`no period of ${device}`)
  const { asset, since, until, written } = row
  // In a drawer: it was taken off what it measured. It may have been put on something else since.
  return { asset, fromMicros: since === null ? null : Number(since), until, drawer: !written && since !== null }
}

/** Swaps of a device are made, and taken back, in the order of their times. */
async function swappedLater(
  session: Session,
  old: DeviceId,
  { asset, until }: { readonly asset: AssetId; readonly until: Date | null },
): Promise<SwapError> {
  const [next] = await session.query<{ by: string | null; on: string | null }>(
    DOING,
    'SELECT device_of($1, $3) AS by, asset_of($2, $3) AS on',
    [asset, old, until],
  )
  const what = next?.by == null ? `is put on ${next?.on} then` : `${next.by} takes its place then`
  return new SwapError(
    `device ${old} measures ${asset} until ${until === null ? 'now' : shown(until)}, ${what}: take that back first, the later swap before the earlier`,
  )
}

async function takenOff(session: Session, old: DeviceId, at: Date): Promise<SwapError> {
  const [before] = await session.query<{ asset: string; by: string | null; ended: Date }>(
    DOING,
    `SELECT a.asset_id AS asset, device_of(a.asset_id, upper(a.valid)) AS by, upper(a.valid) AS ended
     FROM asset_devices a WHERE a.device_id = $1 AND upper(a.valid) <= $2 ORDER BY upper(a.valid) DESC LIMIT 1`,
    [old, at],
  )
  const why =
    before === undefined
      ? ''
      : `: it was taken off ${before.asset} at ${shown(before.ended)}${before.by === null ? '' : ` for ${before.by}`}`
  return new SwapError(`device ${old} measures nothing at ${shown(at)}${why}`)
}

async function refuseOther(session: Session, replacement: DeviceId, at: Date): Promise<void> {
  const [other] = await session.query<{ asset: string; since: Date | null }>(
    DOING,
    `SELECT asset_id AS asset, lower(valid) AS since FROM asset_devices
     WHERE device_id = $1 AND valid && tstzrange($2, NULL) ORDER BY lower(valid) NULLS FIRST LIMIT 1`,
    [replacement, at],
  )
  if (other === undefined) return
  const since = other.since === null ? '' : ` since ${shown(other.since)}`
  throw new SwapError(
    `device ${replacement} measures ${other.asset}${since}: expected one that measures nothing else at ${shown(at)} or later`,
  )
}

async function accountNames(session: Session, stays: readonly Stay[]): Promise<string> {
  const rows = await session.query<{ name: string }>(DOING, 'SELECT name FROM accounts WHERE id = ANY($1::bigint[]) ORDER BY id', [
    stays.map(({ account }) => account),
  ])
  return rows.length === 0 ? 'no account' : `account ${rows.map(({ name }) => JSON.stringify(name)).join(', ')}`
}

async function siteName(session: Session, { site }: Stay): Promise<string> {
  const [row] = await session.query<{ name: string }>(DOING, 'SELECT name FROM sites WHERE id = $1', [site])
  return JSON.stringify(row?.name ?? String(site))
}

function shown(date: Date): string {
  return `${date.toISOString()} (UTC)`
}
