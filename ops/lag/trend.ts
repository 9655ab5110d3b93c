import type { GroupPartitionLag } from './lag-table.ts'

/** A group's lag on one partition, at one look. */
export interface PartitionLook extends GroupPartitionLag {
  /**
   * The time of the next record that is not read yet, milliseconds since 1970: null if there is
   * none, undefined if it is not known.
   */
  readonly unreadMs: number | null | undefined
}

/** All groups at one moment. */
export interface LagLook {
  /** Milliseconds since 1970. */
  readonly atMs: number
  readonly partitions: readonly PartitionLook[]
}

/**
 * `idle`: nothing is left to read, and nothing comes. `following`: what comes is read at once.
 * `steady`: it stays as far behind as it is. `stalled`: records wait, and none is read.
 */
export type LagState = 'idle' | 'following' | 'catching up' | 'steady' | 'falling behind' | 'stalled' | 'unknown'

/** How a group, or a partition of it, gets on. What is not known is undefined. */
export interface Trend {
  readonly lag: bigint | undefined
  /** Age of the oldest record that is not read yet; 0 if there is none. */
  readonly timeLagSeconds: number | undefined
  /** Records a second that were written, and that were read. */
  readonly in: number | undefined
  readonly out: number | undefined
  readonly state: LagState
  /** Until nothing is left, if all goes on as it does now; undefined also if it never ends. */
  readonly catchUpSeconds: number | undefined
}

/** How late a service may be that is well. */
export interface Patience {
  /** It follows if what it has not read is not older. */
  readonly followsSeconds: number
  /** It is stalled if nothing was read and what waits is older. */
  readonly stalledSeconds: number
}

/** In and out are the same if they differ by less than this share. */
const SAME = 0.05

/**
 * How partitions got on between two looks, taken together.
 * @param first the same partitions at an earlier look; those that are not in it have no rates yet
 */
export function trendOf(last: LagLook, first: LagLook | undefined, of: (partition: PartitionLook) => boolean, patience: Patience): Trend {
  const now = last.partitions.filter(of)
  const before = new Map(first?.partitions.filter(of).map((each) => [placeOf(each), each]))
  const seconds = (last.atMs - (first?.atMs ?? last.atMs)) / 1_000
  const rate = (moved: (was: PartitionLook, is: PartitionLook) => bigint | undefined): number | undefined => {
    if (seconds <= 0) return undefined
    let sum = 0n
    for (const is of now) {
      const was = before.get(placeOf(is))
      const by = was === undefined ? undefined : moved(was, is)
      // A log that was cut, or a topic that is another one, has no rate.
      if (by === undefined || by < 0n) return undefined
      sum += by
    }
    return Number(sum) / seconds
  }
  const lag = known(now.map((each) => each.lag ?? undefined))?.reduce((sum, each) => sum + each, 0n)
  const incoming = rate((was, is) => is.end - was.end)
  const outgoing = rate((was, is) => {
    if (was.committed !== null && is.committed !== null) return is.committed - was.committed
    return was.lag === null || is.lag === null ? undefined : is.end - was.end - (is.lag - was.lag)
  })
  const timeLagSeconds = oldest(now, last.atMs)
  const state = stateOf({ lag, timeLagSeconds, in: incoming, out: outgoing }, patience)
  return { lag, timeLagSeconds, in: incoming, out: outgoing, state, catchUpSeconds: catchUp(lag, incoming, outgoing) }
}

/** The name of a group's partition. */
export function placeOf({ group, topic, partition }: Pick<PartitionLook, 'group' | 'topic' | 'partition'>): string {
  return `${group} ${topic}/${partition}`
}

function known<Value>(values: readonly (Value | undefined)[]): readonly Value[] | undefined {
  return values.every((value) => value !== undefined) ? (values as readonly Value[]) : undefined
}

/** A record from a clock that is ahead is not older than nothing. */
function oldest(partitions: readonly PartitionLook[], atMs: number): number | undefined {
  const times = known(partitions.map(({ unreadMs }) => unreadMs))
  if (times === undefined) return undefined
  return times.reduce<number>((most, time) => (time === null ? most : Math.max(most, (atMs - time) / 1_000)), 0)
}

function stateOf(
  { lag, timeLagSeconds, in: incoming, out: outgoing }: Pick<Trend, 'lag' | 'timeLagSeconds' | 'in' | 'out'>,
  { followsSeconds, stalledSeconds }: Patience,
): LagState {
  if (lag === undefined || timeLagSeconds === undefined) return 'unknown'
  if (lag === 0n) return incoming === 0 ? 'idle' : 'following'
  if (outgoing === 0 && timeLagSeconds > stalledSeconds) return 'stalled'
  if (timeLagSeconds <= followsSeconds) return 'following'
  if (incoming === undefined || outgoing === undefined) return 'unknown'
  if (outgoing === 0) return timeLagSeconds > followsSeconds ? 'falling behind' : 'following'
  if (Math.abs(outgoing - incoming) <= SAME * Math.max(incoming, outgoing)) return 'steady'
  return outgoing > incoming ? 'catching up' : 'falling behind'
}

function catchUp(lag: bigint | undefined, incoming: number | undefined, outgoing: number | undefined): number | undefined {
  if (lag === 0n) return 0
  if (lag === undefined || incoming === undefined || outgoing === undefined || outgoing <= incoming) return undefined
  return Number(lag) / (outgoing - incoming)
}
