/** How much received data may be held without an acknowledgement. */
export interface FlowLimits {
  readonly publishes: number
  readonly bytes: number
}

/**
 * What is held now, over all connections: what an old connection left behind still takes memory.
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
 * MQTT's receive maximum bounds the QoS 1 messages of a connection. It bounds neither QoS 0
 * messages, nor sizes, nor what earlier connections left. This does. It is checked between reads,
 * so one read (64 KiB, or one packet) may come on top.
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
