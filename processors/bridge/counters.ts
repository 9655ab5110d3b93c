import { type DropReason, dropReasons, type Reason, reasons } from './reasons.ts'
import type { BrokerUptime } from './session.ts'

/**
 * Figures for metrics: every message received ends in exactly one of frames, json, statuses, dead
 * or dropped.
 */
export interface BridgeCounters {
  /** Frames forwarded as they came. */
  frames: number
  /** JSON messages forwarded as frames. */
  json: number
  statuses: number
  /**
   * Messages that had to wait for their device's rate limit; each ends in one of the others too.
   */
  delayed: number
  /**
   * Messages that waited for their schema, or behind one of their device's that did; each ends in
   * one of the others too.
   */
  parked: number
  /**
   * Of the dead ones: messages over their device's rate of which no dead letter keeps the bytes.
   */
  unkept: number
  /** What the broker says that it has dropped since it started; undefined if it does not say. */
  brokerDropped: number | undefined
  /** The last that the broker said; undefined if it does not say. */
  brokerUptime: BrokerUptime | undefined
  /** Of all messages received. */
  payloadBytes: number
  readonly dead: Record<Reason, number>
  readonly dropped: Record<DropReason, number>
}

/** All at zero: a reason that never occurred is zero, not unknown. */
export function createBridgeCounters(): BridgeCounters {
  return {
    frames: 0,
    json: 0,
    statuses: 0,
    delayed: 0,
    parked: 0,
    unkept: 0,
    brokerDropped: undefined,
    brokerUptime: undefined,
    payloadBytes: 0,
    dead: zeros(reasons),
    dropped: zeros(dropReasons),
  }
}

function zeros<Name extends string>(names: Readonly<Record<Name, unknown>>): Record<Name, number> {
  return Object.fromEntries(Object.keys(names).map((name) => [name, 0])) as Record<Name, number>
}
