import type { ConsumerName, Topic } from '../contract.ts'
import { type DeclaredService, deadTopics } from '../declaration.ts'
import { topics } from '../topics.ts'

/** Name of the ledger of frame numbers: the configuration lists it among the processors. */
export const CONTINUITY = 'continuity' as ConsumerName

/**
 * Whether a service is on the way of a frame to its rows, so that its dead letters are about
 * frames. What makes readings of something else, as translate does, is not.
 */
export function isOnTheWay({ kind, reads, writes }: DeclaredService): boolean {
  const isWritten = (wanted: Topic): boolean => writes.some(({ topic }) => topic === wanted)
  return kind === 'store' || isWritten(topics.frames) || (reads.includes(topics.frames) && isWritten(topics.readings))
}

/**
 * The ledger of frame numbers: readings, and dead letters of those on the way to them, become
 * ranges in the telemetry database.
 * @param others all other services of the line
 */
export function declareContinuity(others: readonly DeclaredService[]): DeclaredService {
  return {
    kind: 'continuity',
    name: CONTINUITY,
    reads: [topics.readings, ...deadTopics(others.filter(isOnTheWay))],
    offsets: 'telemetry',
    fetching: { pace: 'unhurried', coPartitioned: true },
    writes: [],
    needs: ['firmware'],
    reasons: undefined,
    metricsPort: 9468,
    // What it says of the line may be late. The line must not be late because of it.
    niceness: 10,
  }
}
