import type { DeviceId } from '../contract.ts'
import type { Received } from './forward.ts'

/** A message that waits for its schema, or behind such a message of its device. */
export interface Parked {
  readonly message: Received
  /** When it came, on a clock that does not go back. */
  readonly parkedMs: number
  /** Its number among all messages that were parked, of all devices, in order. */
  readonly number: number
}

export interface ParkingLimits {
  readonly deviceMessages: number
  readonly deviceBytes: number
  readonly messages: number
  readonly bytes: number
}

interface Queue<Entry> {
  readonly entries: Entry[]
  bytes: number
}

/** Messages that wait, in order within each device. No I/O, no clock. */
export class ParkedDevices<Entry extends Parked> {
  private readonly limits: ParkingLimits
  private readonly queues = new Map<DeviceId, Queue<Entry>>()
  private messages = 0
  private bytes = 0

  constructor(limits: ParkingLimits) {
    this.limits = limits
  }

  get size(): number {
    return this.messages
  }

  has(device: DeviceId): boolean {
    return this.queues.has(device)
  }

  /** Whether one more message would be too many, for the device or for all devices together. */
  full(device: DeviceId, bytes: number): 'device' | 'all' | undefined {
    const queue = this.queues.get(device)
    if (queue !== undefined && (queue.entries.length >= this.limits.deviceMessages || queue.bytes + bytes > this.limits.deviceBytes))
      return 'device'
    return this.messages >= this.limits.messages || this.bytes + bytes > this.limits.bytes ? 'all' : undefined
  }

  add(device: DeviceId, entry: Entry): void {
    let queue = this.queues.get(device)
    if (queue === undefined) {
      queue = { entries: [], bytes: 0 }
      this.queues.set(device, queue)
    }
    const bytes = entry.message.payload.length
    queue.entries.push(entry)
    queue.bytes += bytes
    this.messages++
    this.bytes += bytes
  }

  /**
   * Takes the messages that go on from the head of each device's queue, in order. A message behind
   * one that waits also waits.
   * @param only this device's
   */
  take(goesOn: (entry: Entry) => boolean, only?: DeviceId): readonly Entry[] {
    const taken: Entry[] = []
    const one = only === undefined ? undefined : this.queues.get(only)
    const queues = only === undefined ? [...this.queues] : one === undefined ? [] : ([[only, one]] as const)
    for (const [device, queue] of queues) {
      let count = 0
      for (const entry of queue.entries) {
        if (!goesOn(entry)) break
        count++
        queue.bytes -= entry.message.payload.length
        this.bytes -= entry.message.payload.length
        taken.push(entry)
      }
      this.messages -= count
      queue.entries.splice(0, count)
      if (queue.entries.length === 0) this.queues.delete(device)
    }
    return taken
  }

  /** When the oldest message that waits came; undefined if none waits. */
  oldestMs(): number | undefined {
    let oldest: number | undefined
    for (const { entries } of this.queues.values()) {
      const [first] = entries
      if (first !== undefined && (oldest === undefined || first.parkedMs < oldest)) oldest = first.parkedMs
    }
    return oldest
  }
}
