import { type DropReason, dropReasons, type Reason, reasons } from './reasons.ts'
import type { BrokerUptime } from './session.ts'

/**
 * Figures for metrics: every message received ends in exactly one of frames, raw, statuses, dead
 * or dropped. A reason that never occurred is zero, not unknown.
 */
export class BridgeCounters {
  /** Frames forwarded as they came. */
  frames = 0
  /** Messages copied as they came, for a dialect. */
  raw = 0
  statuses = 0
  /**
   * Messages that had to wait for their device's rate limit. Each is in one of the other figures
   * too.
   */
  delayed = 0
  /**
   * Messages that waited for their schema, or behind such a message of their device. Each is in one
   * of the other figures too.
   */
  parked = 0
  /**
   * Messages over their device's rate, or of unknown topics, whose bytes no dead letter keeps. They
   * are among the rejected ones, or the dropped ones.
   */
  unkept = 0
  /**
   * How many messages the broker says it has dropped since it started; undefined if it does not
   * say.
   */
  brokerDropped: number | undefined
  /** The uptime that the broker said last; undefined if it says none. */
  brokerUptime: BrokerUptime | undefined
  /** Bytes of all payloads received. */
  payloadBytes = 0
  readonly dead: Record<Reason, number> = zeros(reasons)
  readonly dropped: Record<DropReason, number> = zeros(dropReasons)
}

function zeros<Name extends string>(names: Readonly<Record<Name, unknown>>): Record<Name, number> {
  return Object.fromEntries(Object.keys(names).map((name) => [name, 0])) as Record<Name, number>
}
