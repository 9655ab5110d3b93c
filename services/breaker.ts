import { NOWHERE, RecentDevices } from './recent-devices.ts'

/**
 * When too many devices turn bad together. Then the cause is one mistake in one place, not a fault
 * of each device.
 */
export interface BreakerLimits {
  /** Share of the devices that were good lately, 0 to 1; 1 never stops a partition. */
  readonly share: number
  /** Fewer devices than this never stop a partition. */
  readonly minimumDevices: number
  /**
   * A device that turned bad longer ago no longer counts. So nothing stands still for longer than
   * this.
   */
  readonly longestMs: number
}

/** How many devices were good lately, and how many of them turned bad. */
export interface Turned {
  readonly turned: number
  readonly devices: number
}

/** What is judged: a record, or a device that a record is about. */
export interface Keyed {
  readonly key: Buffer | null
}

/** One or two bad records happen; with three in a row a device has turned bad. */
const STREAK = 3
/** A device that was not good for a day cannot turn bad. */
const REMEMBERED_SECONDS = 86_400
/** The table is counted at most this often. */
const COUNT_AGAIN_SECONDS = 1

/**
 * A circuit breaker that looks at devices, not at records. A device that was never good (it is
 * unknown, or its firmware is) does not count, however much it sends. A device that was good counts
 * once. So no device stops another: a partition stops only if many devices that were good turn bad
 * together, and it has some of them. A record is bad if anything of it is refused. All partitions
 * of a service share one table, because a mistake shows sooner in all of them together.
 */
export class Breaker {
  private readonly limits: BreakerLimits
  private readonly devices = new RecentDevices()
  private counted: Turned = { turned: 0, devices: 0 }
  private countedAt = 0

  constructor(limits: BreakerLimits) {
    this.limits = limits
  }

  /**
   * Judges a batch of one partition. If it must not be written, returns how many devices have
   * turned bad. Nothing counts as good before `passed`.
   * @param bad indexes of the bad records, ascending
   * @param nowMs milliseconds since 1970
   */
  judge(records: readonly Keyed[], bad: readonly number[], nowMs: number): Turned | undefined {
    // A batch without a bad record is never stopped for earlier batches.
    if (bad.length === 0) return undefined
    const now = Math.floor(nowMs / 1000)
    const streaks = this.streaksAfter(records, bad)
    let [isTurned, newly, recovered] = [false, 0, 0]
    for (const [slot, streak] of streaks) {
      const counts = this.hasTurned(slot, now)
      if (streak < STREAK) recovered += counts ? 1 : 0
      else if ((this.devices.streak[slot] as number) < STREAK) newly += this.isFickle(slot, now) ? 0 : 1
      else isTurned ||= counts
    }
    if (!isTurned && newly === 0) return undefined
    const { turned, devices } = this.count(now)
    const after = { turned: turned + newly - recovered, devices }
    if (after.turned < this.limits.minimumDevices || after.turned <= this.limits.share * devices) return undefined
    for (const [slot, streak] of streaks) {
      if (streak < STREAK || (this.devices.streak[slot] as number) >= STREAK) continue
      this.devices.streak[slot] = STREAK
      this.devices.turnedAt[slot] = now
    }
    this.countedAt = 0
    return after
  }

  /** Notes a batch that is written. */
  passed(records: readonly Keyed[], bad: readonly number[], nowMs: number): void {
    const now = Math.floor(nowMs / 1000)
    const { goodAt, turnedAt, streak, wentOn, relapsedAt } = this.devices
    let next = 0
    for (let index = 0; index < records.length; index++) {
      const { key } = records[index] as Keyed
      if (key === null) continue
      while (next < bad.length && (bad[next] as number) < index) next++
      if (bad[next] !== index) {
        const slot = this.devices.findOrAdd(key)
        const turned = turnedAt[slot] as number
        const letGo = turned !== 0 && (now - turned) * 1000 >= this.limits.longestMs
        if (wentOn[slot] === 1 || letGo) relapsedAt[slot] = now
        goodAt[slot] = now
        turnedAt[slot] = 0
        streak[slot] = 0
        wentOn[slot] = 0
        continue
      }
      const slot = this.devices.find(key)
      if (slot === NOWHERE) continue
      if (streak[slot] !== 255) streak[slot] = (streak[slot] as number) + 1
      if ((streak[slot] as number) < STREAK) continue
      wentOn[slot] = 1
      if (streak[slot] !== STREAK) continue
      turnedAt[slot] = now
      // Count again: another partition's batch may come within the second.
      this.countedAt = 0
    }
  }

  /**
   * How many bad records in a row each device has after the batch. Of the devices that were good
   * lately, those that have a bad record here, or had turned bad before.
   */
  private streaksAfter(records: readonly Keyed[], bad: readonly number[]): ReadonlyMap<number, number> {
    const streaks = new Map<number, number>()
    for (const index of bad) {
      const slot = this.slotOf(records[index] as Keyed)
      if (slot !== NOWHERE) streaks.set(slot, this.devices.streak[slot] as number)
    }
    if (streaks.size === 0) return streaks
    let next = 0
    for (let index = 0; index < records.length; index++) {
      while (next < bad.length && (bad[next] as number) < index) next++
      const slot = this.slotOf(records[index] as Keyed)
      if (slot === NOWHERE) continue
      const before = streaks.get(slot)
      if (bad[next] === index) streaks.set(slot, (before ?? 0) + 1)
      else if (before !== undefined || this.devices.turnedAt[slot] !== 0) streaks.set(slot, 0)
    }
    return streaks
  }

  private slotOf({ key }: Keyed): number {
    return key === null ? NOWHERE : this.devices.find(key)
  }

  /** Whether the device in a slot counts as turned bad. */
  private hasTurned(slot: number, now: number): boolean {
    const { goodAt, turnedAt } = this.devices
    const at = turnedAt[slot] as number
    return (
      at !== 0 &&
      (now - at) * 1000 < this.limits.longestMs &&
      at - (goodAt[slot] as number) < REMEMBERED_SECONDS &&
      !this.isFickle(slot, now)
    )
  }

  /**
   * Whether the device turned bad within the last day, and nobody fixed it. Somebody who can turn
   * his own devices bad and good may stop the others once, but not again and again.
   */
  private isFickle(slot: number, now: number): boolean {
    const at = this.devices.relapsedAt[slot] as number
    return at !== 0 && now - at < REMEMBERED_SECONDS
  }

  private count(now: number): Turned {
    if (now - this.countedAt < COUNT_AGAIN_SECONDS) return this.counted
    const { goodAt } = this.devices
    let [turned, devices] = [0, 0]
    for (let slot = 0; slot < goodAt.length; slot++) {
      const at = goodAt[slot] as number
      if (at === 0 || now - at >= REMEMBERED_SECONDS) continue
      devices++
      if (this.hasTurned(slot, now)) turned++
    }
    this.counted = { turned, devices }
    this.countedAt = now
    return this.counted
  }
}

/**
 * Words for logs and health.
 * @param partition as in `telemetry.frames/3` @param reasons of the batch's dead letters
 */
export function describeTurned(
  partition: string,
  { turned, devices }: Turned,
  reasons: ReadonlyMap<string, number>,
  { longestMs }: BreakerLimits,
): string {
  const listed = [...reasons]
    .sort(([, a], [, b]) => b - a)
    .map(([reason, times]) => `${reason} ${times}`)
    .join(', ')
  return `${turned} of ${devices} devices that were good lately are refused now; in this batch of ${partition}: ${listed}. It is tried again; fix the cause, or wait for ${Math.round(longestMs / 60_000)} minutes, after which it goes on with dead letters`
}
