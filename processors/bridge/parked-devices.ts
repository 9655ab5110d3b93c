import type { DeviceId } from '../contract.ts'
import type { Received } from './forward.ts'

/** A message that waits for its schema, or behind one of its device's that does. */
export interface Parked {
  readonly message: Received
  /** When it came, on a clock that does not go back. */
  readonly parkedMs: number
  /** Numbers in the order in which messages were parked, over all devices. */
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

  /** Whether one more would be too many: of the device, or of all. */
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
   * Takes from the head of each device's queue what goes on, in order; what is behind a message
   * that waits, waits too.
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

  /**
   * When the first message came that is at the head of its device's queue; undefined if none
   * waits.
   */
  oldestMs(): number | undefined {
    let oldest: number | undefined
    for (const { entries } of this.queues.values()) {
      const [first] = entries
      if (first !== undefined && (oldest === undefined || first.parkedMs < oldest)) oldest = first.parkedMs
    }
    return oldest
  }
}
