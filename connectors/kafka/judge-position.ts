import type { Extent, Position, PositionCheck } from '../contract.ts'
import type { EpochEnd } from './raw-requests.ts'

/**
 * Says what became of a position (after KIP-320, "Allow fetchers to detect and handle log
 * truncation"). A leader begins its epoch at the end of the log that it found. So if the position's
 * epoch, and all before it, end below the position, the log was cut there. What follows was written
 * later, however far it goes by now.
 * @param end where the epochs up to the position's end; undefined if the position has no epoch, as
 *   before anything was read
 */
export function judgePosition(position: Position, extent: Extent, end: EpochEnd | undefined): PositionCheck {
  const { nextOffset } = position
  // Positions are read from below Kafka's high watermark, which may lag behind for a moment after a
  // change of leaders: without an epoch, only the end of the log tells.
  if (end === undefined) return nextOffset > extent.end ? truncated(position, extent, 0n, -1) : retained(position, extent)
  // A leader that never heard of the epoch has an older log, as from a backup. Nobody can tell
  // where the two logs part.
  if (end.leaderEpoch < 0) return truncated(position, extent, 0n, -1)
  return end.endOffset < nextOffset ? truncated(position, extent, end.endOffset, end.leaderEpoch) : retained(position, extent)
}

function truncated({ topic, partition, nextOffset }: Position, { earliest }: Extent, cut: bigint, leaderEpoch: number): PositionCheck {
  const to = cut > earliest ? cut : earliest
  return {
    position: { topic, partition, nextOffset: to, leaderEpoch },
    change: { topic, partition, tag: 'truncated', from: nextOffset, to },
  }
}

function retained(position: Position, { earliest }: Extent): PositionCheck {
  const { topic, partition, nextOffset } = position
  if (nextOffset >= earliest) return { position, change: null }
  return {
    position: { ...position, nextOffset: earliest },
    change: { topic, partition, tag: 'deleted', from: nextOffset, to: earliest },
  }
}
