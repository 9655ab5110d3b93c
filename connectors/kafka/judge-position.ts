import type { Extent, Position, PositionCheck } from '../contract.ts'
import type { EpochEnd } from './raw-requests.ts'

/**
 * Says what became of a position (after KIP-320, "Allow fetchers to detect and handle log
 * truncation"). A leader begins its epoch at the end of the log that it found. So if the epochs up
 * to the position's end before it, the log was cut there and what follows was written later,
 * however far it goes by now.
 * @param end of the epochs up to the position's; undefined if the position has none, as before
 *   anything was read
 */
export function judgePosition(position: Position, extent: Extent, end: EpochEnd | undefined): PositionCheck {
  const { nextOffset } = position
  // Positions are read from below Kafka's high watermark, which may lag behind for a moment after a
  // change of leaders: without an epoch, only its end tells.
  if (end === undefined) return nextOffset > extent.end ? truncated(position, extent, 0n, -1) : retained(position, extent)
  // A leader that never heard of the epoch has a log from before it, as from a backup: where the
  // two part cannot be told.
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
