import type { LockWait, TableLock } from '../../connectors/postgres/lock-waits.ts'
import { decimal, whole } from '../figures.ts'
import { describeGone, type GonePartition } from './gone.ts'
import type { LagState } from './trend.ts'

/** What is known of a service when one asks why its group is behind. */
export interface ServiceEvidence {
  readonly group: string
  readonly state: LagState
  /** Why its offsets cannot be read; undefined if they can. */
  readonly unreadable?: string | undefined
  /** Members of its consumer group; undefined if Kafka did not say. */
  readonly members: number | undefined
  /** Where its metrics should be; undefined if its machine is not known. */
  readonly address: string | undefined
  /** What its health says: undefined if it does not answer. */
  readonly problems: readonly HealthProblem[] | undefined
  /**
   * Share of the time in each stage since the look before, and of a core; undefined if there is no
   * look before.
   */
  readonly stages: ReadonlyMap<string, number> | undefined
  readonly cores: number | undefined
  readonly lockWaits: readonly LockWait[]
  readonly tableLocks: readonly TableLock[]
  /** Partitions that have most of what is behind. */
  readonly hot: readonly HotPartition[]
  /** Partitions of which it can no longer read what comes after its position. */
  readonly gone: readonly GonePartition[]
}

export interface HealthProblem {
  readonly part: string
  readonly problem: string
  /** As in 2026-11-30T12:00:00.000Z; undefined if it does not say. */
  readonly since: string | undefined
}

/** A partition with much more than its share of a group's lag. */
export interface HotPartition {
  readonly topic: string
  readonly partition: number
  /** Of the group's lag, from 0 to 1. */
  readonly share: number
  /** Devices with most of the records that were looked at, and their share of these. */
  readonly devices: readonly { readonly device: string; readonly share: number }[]
}

/** States that need no reason. */
const WELL: readonly LagState[] = ['idle', 'following']
/** A stage with so much of the time is what the service waits for. */
const MOST_OF_TIME = 0.5
/** A process that takes so much of a core can do no more. */
const WHOLE_CORE = 0.85
const SHOWN_DEVICES = 3

const STAGES: ReadonlyMap<string, string> = new Map([
  ['lookups', 'looking up schemas and devices'],
  ['handling', 'decoding and handling'],
  ['sending', 'waiting for Kafka to acknowledge what it writes'],
  ['database', 'in transactions of the database'],
])

/**
 * Why a group is behind, the most certain reason first, and before all others what it will never
 * read; empty if nothing is to be said.
 */
export function causesOf(evidence: ServiceEvidence): readonly string[] {
  return [...describeGone(evidence.gone), ...behind(evidence)]
}

function behind(evidence: ServiceEvidence): readonly string[] {
  const { group, state, unreadable, members, address, problems, lockWaits, hot } = evidence
  const offsets = unreadable === undefined ? [] : [`its offsets cannot be read: ${unreadable}`]
  if (members === 0 && problems === undefined)
    return WELL.includes(state) ? [] : ['not running: nobody is in its consumer group', ...offsets, ...hot.map(describeHot)]
  const said = (problems ?? []).map(
    ({ part, problem, since }) => `${part}: ${problem}${since === undefined ? '' : `, since ${clockTime(since)}`}`,
  )
  const waits = lockWaits.filter(({ application }) => application === `millrace ${group}`).map(describeLock)
  // It gave up waiting, and will try again in a moment.
  const timedOut = waits.length === 0 && (problems ?? []).some(({ problem }) => problem.includes('lock timeout'))
  const locks = timedOut ? evidence.tableLocks.map(describeTableLock) : waits
  if (WELL.includes(state)) return [...locks, ...said]
  return [
    ...offsets,
    ...locks,
    ...said,
    ...(problems !== undefined ? slow(evidence) : address === undefined ? [] : [`nothing answers at ${address}`]),
    ...hot.map(describeHot),
  ]
}

function slow({ state, stages, cores }: ServiceEvidence): readonly string[] {
  if (stages === undefined) return []
  const [most, share = 0] = [...stages].toSorted(([, a], [, b]) => b - a)[0] ?? []
  if (most !== undefined && share >= MOST_OF_TIME) return [`${percent(share)} of the time ${STAGES.get(most) ?? most}`]
  if (cores !== undefined && cores >= WHOLE_CORE) return [`its process takes ${decimal(cores, 2)} cores`]
  // It is busy for a part of the time only, and what it waits for is its next records.
  if (state === 'stalled' || state === 'falling behind') return [`waits for records ${percent(1 - share)} of the time: fetching from Kafka`]
  return []
}

function describeLock({ waitsSeconds, table, holders }: LockWait): string {
  const by = holders.map(({ pid, application }) => `PID ${pid}${application === '' ? '' : ` (${application})`}`).join(', ')
  return `its transaction waits ${decimal(waitsSeconds, 0)} s for a lock${table === null ? '' : ` on ${table}`} that ${by === '' ? 'somebody' : by} holds`
}

function describeTableLock({ pid, application, table }: TableLock): string {
  return `PID ${pid}${application === '' ? '' : ` (${application})`} holds a lock on ${table}`
}

function describeHot({ topic, partition, share, devices }: HotPartition): string {
  const named = devices
    .slice(0, SHOWN_DEVICES)
    .map(({ device, share: of }) => `${device} ${percent(of)}`)
    .join(', ')
  return `${percent(share)} of it in ${topic}/${partition}${named === '' ? '' : `, of which ${named}`}`
}

function percent(share: number): string {
  return `${whole(Math.round(100 * share))} %`
}

/** 12:00:05Z of 2026-11-30T12:00:05.123Z. */
function clockTime(iso: string): string {
  return `${iso.slice(11, 19)}Z`
}
