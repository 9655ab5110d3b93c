const REMEMBERED = 32

/**
 * Sample times of a boot's newest frames. A second device with the same ID and boot number
 * contradicts them. One device does not: its frames keep their bytes when they are sent again, and
 * its time goes on as its numbers do.
 */
export class RecentNumbers {
  private readonly times = new Float64Array(REMEMBERED).fill(Number.NaN)
  private highest = -1

  /**
   * Notes a frame. True if it contradicts those before it: its number had another time, or its
   * number is below all remembered ones and its time is later than that of the oldest. A clock that
   * was set back does neither, unless an earlier frame is sent again late.
   * @param time of the first sample, in any unit
   */
  contradicts(number: number, time: number): boolean {
    if (number > this.highest) {
      if (number - this.highest > REMEMBERED) this.times.fill(Number.NaN)
      else for (let skipped = this.highest + 1; skipped < number; skipped++) this.times[skipped % REMEMBERED] = Number.NaN
      this.highest = number
      this.times[number % REMEMBERED] = time
      return false
    }
    if (number > this.highest - REMEMBERED) {
      const before = this.times[number % REMEMBERED] as number
      if (Number.isNaN(before)) this.times[number % REMEMBERED] = time
      return !Number.isNaN(before) && before !== time
    }
    for (let oldest = this.highest - REMEMBERED + 1; oldest < this.highest; oldest++) {
      const then = this.times[oldest % REMEMBERED] as number
      if (!Number.isNaN(then)) return time > then
    }
    return time > (this.times[this.highest % REMEMBERED] as number)
  }
}
