import type { Boot, BootState } from './boot.ts'
import { BootsInMemory } from './boots-in-memory.ts'
import { type Device, type DeviceCounts, STRANGERS } from './device.ts'
import type { ReadingsHead } from './heads.ts'
import { MOST_IN_MEMORY, MOST_UNWRITTEN } from './limits.ts'
import { isOfSecondDevice } from './second-device.ts'
import { type LedgerChanges, Unwritten } from './unwritten.ts'

/** A boot of a device. */
export interface BootKey {
  readonly device: string
  readonly boot: number
}

/** What the database has of boots that were not in memory. */
export interface LoadedBoots {
  /**
   * Rows of the boots that were asked for, and of all boots of their devices that were written
   * before the name was a device's.
   */
  readonly boots: readonly BootState[]
  /** Devices whose rows must move, because they were written as strangers. */
  readonly strangers: ReadonlySet<string>
  /** Boots asked for that are in their device's row of folded boots. */
  readonly folded: readonly BootKey[]
  /** When a frame of each device was first received: milliseconds since 1970. */
  readonly since: ReadonlyMap<string, number>
}

/** Figures for metrics. */
export interface LedgerCounters {
  /** Frames whose number, or count of discarded samples, cannot be true. */
  implausible: number
  /** Frames of settled numbers, or of folded boots. */
  late: number
}

/**
 * What became of each frame number of each boot of each device. It holds the boots that were heard
 * of lately; others are loaded when they are heard of. Applying the same record again changes
 * nothing but the counts of what has no number.
 */
export class Ledger {
  readonly counters: LedgerCounters
  private readonly memory = new BootsInMemory()
  private readonly unwritten = new Unwritten()

  constructor(counters: LedgerCounters = { implausible: 0, late: 0 }) {
    this.counters = counters
  }

  /** A boot that is in memory. */
  find(device: string, boot: number): Boot<Device> | undefined {
    return this.memory.find(device, boot)
  }

  /** Whether a name is known to be one of a device. */
  knows(device: string): boolean {
    return this.memory.knows(device)
  }

  /**
   * Takes boots into memory, unless they are there: as they were written, or new ones.
   * @param isDevice whether a name is one of a device
   */
  admit(absent: readonly BootKey[], loaded: LoadedBoots, partition: number, isDevice: (name: string) => boolean): void {
    for (const [name, sinceMs] of loaded.since) {
      const device = this.memory.device(name)
      if (!(device.sinceMs <= sinceMs)) device.sinceMs = sinceMs
    }
    for (const { device } of absent) {
      const entry = this.memory.device(device)
      entry.partition = partition
      if (isDevice(device)) this.unwritten.promote(entry, loaded.strangers.has(device))
    }
    for (const state of loaded.boots) this.install(state.device, state.boot, state)
    for (const { device, boot } of loaded.folded) this.install(device, boot, 'folded')
    for (const { device, boot } of absent) this.install(device, boot)
  }

  /** Takes one boot into memory, unless it is there. */
  install(device: string, boot: number, written?: BootState | 'folded'): Boot<Device> {
    return this.memory.install(device, boot, this.unwritten.round, written)
  }

  /**
   * Readings that the store has committed.
   * @param refused samples of it that the store made dead letters; Infinity for the whole record
   * @param truncated whether earlier records are gone from Kafka: a first number above 0 is no loss
   *   then
   */
  committed(boot: Boot<Device>, head: ReadingsHead, receivedMs: number, refused: number, truncated: boolean): void {
    const { seq } = head
    // Standardise makes readings of devices only.
    if (!boot.owner.known) this.unwritten.promote(boot.owner)
    const known = boot.dead.has(seq) || boot.partly.has(seq)
    if (!this.note(boot, seq, true, head.firstTime, receivedMs, truncated)) return
    const isNew = refused >= Math.max(head.samples, 1) ? boot.dead.add(seq) && !boot.stored.has(seq) : boot.stored.add(seq)
    if (isNew && !known) this.drop(boot, head.dropped)
    if (refused > 0 && refused < head.samples) boot.partly.add(seq)
    boot.settle()
    // A frame with dead samples may begin with another sample each time, as a redrive fixes them.
    // An estimated time is that of receipt. Neither is a sign of a second device.
    if (!known && refused === 0 && seq < boot.next && !Number.isNaN(head.firstSample) && isOfSecondDevice(boot, seq, head.firstSample)) {
      const counts = this.countsOf(boot.owner)
      counts.conflicts++
      counts.lastConflictMs = Math.max(counts.lastConflictMs, receivedMs)
    }
  }

  /**
   * A frame that became a dead letter.
   * @param partly whether only a part of it did
   * @param whole whether its bytes are what its schema says; if not, its number counts only if a
   *   higher one is known
   */
  died(
    boot: Boot<Device>,
    { seq, dropped }: { seq: number; dropped: number },
    { partly, whole }: { readonly partly: boolean; readonly whole: boolean },
    receivedMs: number,
    truncated: boolean,
  ): void {
    const known = boot.stored.has(seq) || boot.dead.has(seq) || boot.partly.has(seq)
    if (!this.note(boot, seq, whole, Number.NaN, receivedMs, truncated)) return
    if (partly) boot.partly.add(seq)
    else boot.dead.add(seq)
    if (!known && whole) this.drop(boot, dropped)
    boot.settle()
  }

  /** A record without a number, as a JSON device's. */
  unnumbered(device: string, isDevice: boolean): void {
    this.counts(device, isDevice).unnumbered++
  }

  /** A dead letter out of which no number can be read. */
  unreadable(device: string, isDevice: boolean): void {
    this.counts(device, isDevice).unreadable++
  }

  /**
   * What has changed since it was last asked.
   * @param mayFold whether a partition's rows may be folded together now
   */
  changes(mayFold: (partition: number) => boolean = () => true): LedgerChanges {
    return this.unwritten.take(mayFold)
  }

  /**
   * Forgets boots that are written: those not touched for `rounds` rounds of changes, all but the
   * newest of a device that has many, and those of strangers. If there still are too many
   * altogether, it forgets more.
   */
  forget(rounds: number): void {
    const { memory, unwritten } = this
    const isNeeded = (device: Device): boolean => unwritten.concerns(device)
    memory.forget(unwritten.round - rounds, isNeeded)
    if (memory.size > MOST_IN_MEMORY) memory.forget(unwritten.round, isNeeded)
  }

  /**
   * Whether there are so many boots in memory that changes must be written before more are taken.
   */
  get isFull(): boolean {
    return this.unwritten.boots >= MOST_UNWRITTEN || this.memory.size >= MOST_IN_MEMORY + MOST_UNWRITTEN
  }

  /** Number of boots in memory. */
  get size(): number {
    return this.memory.size
  }

  /**
   * Boots in memory that have a row of their own, or will.
   * @param known true for boots of devices, false for boots of names that are no devices
   */
  boots(known = true): IterableIterator<BootState> {
    return this.memory.states(known)
  }

  /** Notes a frame's number. False if it is not to be put into one of the sets. */
  private note(boot: Boot<Device>, seq: number, whole: boolean, time: number, receivedMs: number, truncated: boolean): boolean {
    const { owner } = boot
    const how = boot.number(seq, whole, time, receivedMs, truncated)
    if (!(owner.sinceMs <= receivedMs)) owner.sinceMs = receivedMs
    if (how === 'settled') {
      boot.touched = this.unwritten.round
      this.counters.late++
      this.countsOf(owner).late++
      return false
    }
    if (how !== 'believed') this.counters.implausible++
    if (how === 'uncounted') this.countsOf(owner).implausible++
    this.unwritten.touch(boot)
    return how !== 'uncounted'
  }

  private drop(boot: Boot<Device>, samples: number): void {
    if (boot.drop(samples)) return
    this.counters.implausible++
    this.countsOf(boot.owner).implausible++
  }

  private counts(name: string, isDevice: boolean): DeviceCounts {
    const device = this.memory.device(isDevice ? name : STRANGERS)
    if (isDevice) this.unwritten.promote(device)
    return this.countsOf(device)
  }

  private countsOf(device: Device): DeviceCounts {
    return this.unwritten.countsOf(device.known ? device : this.memory.device(STRANGERS))
  }
}
