/**
 * Pings in place of MQTT.js, so that neither side takes the other for dead. A PINGRESP may be late
 * though the connection is fine: reading is held, or the broker has so much to do that it reads our
 * packets, one a turn, long after they came. Then its publishes show that it lives. On a new
 * connection it would send again everything whose PUBACKs it has not read.
 */
export class KeepAlive {
  /** Whether anything was received since the last look. */
  private heard = false
  private heldAtMs = 0
  /** When each ping that has not been answered was sent. */
  private pings: number[] = []
  private readonly keepaliveMs: number

  constructor(keepaliveMs: number) {
    this.keepaliveMs = keepaliveMs
  }

  /** A new connection: what the one before did not answer does not count. */
  connected(): void {
    this.pings = []
  }

  received(): void {
    this.heard = true
  }

  pinged(nowMs: number): void {
    this.pings.push(nowMs)
  }

  answered(): void {
    this.pings.shift()
  }

  /**
   * To be called a few times within the keepalive time.
   * @param held whether we do not read
   * @returns whether the connection lives for all we know, so that a ping is due at once
   */
  look(held: boolean, nowMs: number): boolean {
    if (held) this.heldAtMs = nowMs
    const alive = held || this.heard
    this.heard = false
    return alive
  }

  /** When the ping was sent that is not answered for the keepalive time, though we read. */
  unansweredSinceMs(nowMs: number): number | undefined {
    const [oldest] = this.pings
    return oldest !== undefined && nowMs - Math.max(oldest, this.heldAtMs) >= this.keepaliveMs ? oldest : undefined
  }
}
