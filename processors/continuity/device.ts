import type { Boot } from './boot.ts'

/** What is counted of a device, but has no number. */
export interface DeviceCounts {
  /** STRANGERS for all names together that are no devices. */
  readonly device: string
  /** Readings and dead letters of messages that are no frames. A repeat counts again. */
  unnumbered: number
  /** Dead letters out of which no number can be read. */
  unreadable: number
  /** Frames that contradict those before them: another device has the same ID. */
  conflicts: number
  /** When the last contradiction was received: milliseconds since 1970, 0 for never. */
  lastConflictMs: number
  /** Frames of settled numbers, or of folded boots. A repeat counts again. */
  late: number
  /**
   * Frames whose number, or count of discarded samples, cannot be true, and that are not noted one
   * by one. A repeat counts again.
   */
  implausible: number
}

/** Stands for all names that are no devices. */
export const STRANGERS = ''

/** A device in memory. */
export interface Device {
  readonly name: string
  /** Whether it is known to be a device. Only devices have readings. */
  known: boolean
  /** The partition of its records. */
  partition: number
  counts: DeviceCounts
  readonly boots: Map<number, Boot<Device>>
  /** Boot of the last frame that had a time of day, in order of arrival. */
  last: Boot<Device> | undefined
  sinceMs: number
}

/** A name of which nothing is known yet. */
export function newDevice(name: string): Device {
  return { name, known: false, partition: -1, counts: noDeviceCounts(name), boots: new Map(), last: undefined, sinceMs: Number.NaN }
}

export function noDeviceCounts(device: string): DeviceCounts {
  return { device, unnumbered: 0, unreadable: 0, conflicts: 0, lastConflictMs: 0, late: 0, implausible: 0 }
}
