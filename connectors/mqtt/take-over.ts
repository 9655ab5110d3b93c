/** MQTT 5.0, section 3.14.2.1. */
const SESSION_TAKEN_OVER = 0x8e

/**
 * Tells from how connections end whether another client has connected with our client ID. The
 * broker says so, or it ends the connection without a reason and accepts the next one at once.
 * (Mosquitto 2.0.11 ends it so, without the DISCONNECT that MQTT 5 has for it.)
 *
 * A connection can be taken over from CONNACK on, also before it has subscribed to anything. But
 * one that ends while the broker owes the answer to a SUBSCRIBE may have ended because of that.
 */
export class TakeOver {
  /** Attempts since the last connection. */
  private attempts = 0
  /** Whether the broker has accepted the present connection. */
  private up = false
  /** SUBSCRIBEs of the present connection that are not answered. */
  private asked = 0
  /** Whether the broker ended the last connection without a reason. */
  private wordless = false

  attempted(): void {
    this.attempts++
    this.up = false
    this.asked = 0
  }

  /** True if the session was taken over, as it seems. */
  accepted(): boolean {
    const seems = this.wordless && this.attempts === 1
    this.wordless = false
    this.attempts = 0
    this.up = true
    return seems
  }

  subscribing(): void {
    this.asked++
  }

  subscribed(): void {
    this.asked--
  }

  /** The broker has ended the connection. */
  ended(): void {
    this.wordless = this.up && this.asked === 0
  }

  /** The broker has given its reason. True if it says that the session was taken over. */
  disconnected(reasonCode: number | undefined): boolean {
    this.up = false
    this.wordless = false
    return reasonCode === SESSION_TAKEN_OVER
  }
}
