/** MQTT 5.0, section 3.14.2.1. */
const SESSION_TAKEN_OVER = 0x8e

/**
 * Tells from how connections end whether another client has connected with our client ID. The
 * broker says so, or it ends the connection without a reason and accepts the next one at once.
 * (Mosquitto 2.0.11 ends it so, without the DISCONNECT that MQTT 5 has for it.)
 */
export class TakeOver {
  /** Attempts since the last connection. */
  private attempts = 0
  /** Whether the broker ended the last connection without a reason. */
  private wordless = false

  attempted(): void {
    this.attempts++
  }

  /** True if the session was taken over, as it seems. */
  accepted(): boolean {
    const seems = this.wordless && this.attempts === 1
    this.wordless = false
    this.attempts = 0
    return seems
  }

  /** @param up whether the session was up */
  ended(up: boolean): void {
    this.wordless = up
  }

  /** The broker has given its reason. True if it says that the session was taken over. */
  disconnected(reasonCode: number | undefined): boolean {
    this.wordless = false
    return reasonCode === SESSION_TAKEN_OVER
  }
}
