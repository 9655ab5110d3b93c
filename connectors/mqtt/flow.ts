/** How much received, but unacknowledged, data may be held. */
export interface FlowLimits {
  readonly publishes: number
  readonly bytes: number
}

/**
 * What is held now. Counts over connections: what an old connection left behind still takes memory.
 */
export interface Flow {
  readonly publishes: number
  readonly bytes: number
  /** Reading must stop. */
  readonly full: boolean
  take(publishes: number, bytes: number): void
  release(publishes: number, bytes: number): void
}

/**
 * The receive maximum bounds QoS 1 messages, but not QoS 0, nor their size, nor what is left from
 * connections before. This does. The bound is checked between reads, so one read (64 KiB, or one
 * packet) may come on top.
 */
export function createFlow(limits: FlowLimits): Flow {
  let publishes = 0
  let bytes = 0
  return {
    get publishes() {
      return publishes
    },
    get bytes() {
      return bytes
    },
    get full() {
      return publishes > limits.publishes || bytes >= limits.bytes
    },
    take(morePublishes, moreBytes) {
      publishes += morePublishes
      bytes += moreBytes
    },
    release(lessPublishes, lessBytes) {
      publishes -= lessPublishes
      bytes -= lessBytes
    },
  }
}
