import { Boot, type BootState } from './boot.ts'
import type { ReadingsHead } from './heads.ts'
import { BOOTS_IN_MEMORY, MOST_IN_MEMORY, MOST_UNWRITTEN } from './limits.ts'
import { RecentNumbers } from './recent-numbers.ts'

/** A boot of a device. */
export interface BootKey {
  readonly device: string
  readonly boot: number
}

/** What is counted of a device, but has no number. */
export interface DeviceCounts {
  /** STRANGERS for all names together that are no devices. */
  readonly device: string
  /** Readings and dead letters of JSON messages, which carry no number. A repeat counts again. */
  unnumbered: number
  /** Dead letters out of which no number can be read. */
  unreadable: number
  /** Frames that contradict those before them: another device has the same ID. */
  conflicts: number
  /** When the last contradiction was received: milliseconds since 1970, 0 for never. */
  lastConflictMs: number
  /** Frames of settled numbers, or of folded boots. A repeat counts again. */
  late: number
  /**
   * Frames whose number, or count of discarded samples, cannot be true, and that are not noted one
   * by one. A repeat counts again.
   */
  implausible: number
}

/** Stands for all names that are no devices. */
export const STRANGERS = ''

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

/** What must be written so that the ledger can be read again. */
export interface LedgerChanges {
  /** As they are now, not copies: to be encoded at once. */
  readonly boots: readonly BootState[]
  /** The same, of names that are no devices. */
  readonly strangers: readonly BootState[]
  /** Names that have become devices: what was written of them as strangers is theirs. */
  readonly promoted: readonly string[]
  /** What was counted since the changes before these. */
  readonly counts: readonly DeviceCounts[]
  /** Devices that got new rows of boots, and their boots in memory, whose rows must stay. */
  readonly grown: readonly { readonly device: string; readonly keep: readonly number[] }[]
}

/** Figures for metrics. */
export interface LedgerCounters {
  /** Frames whose number, or count of discarded samples, cannot be true. */
  implausible: number
  /** Frames of settled numbers, or of folded boots. */
  late: number
}

interface Device {
  readonly name: string
  /** Whether it is known to be a device. Only devices have readings. */
  known: boolean
  /** The partition of its records. */
  partition: number
  counts: DeviceCounts
  readonly boots: Map<number, Boot<Device>>
  /** Boot of the last frame that had a time of day, in order of arrival. */
  last: Boot<Device> | undefined
  sinceMs: number
}

/**
 * Two boots of one device may overlap by as much as its clock is corrected at the start. Two
 * devices soon overlap by more.
 */
const CLOCK_STEP_MICROS = 10_000_000

/**
 * What became of each frame number of each boot of each device. It holds the boots that were heard
 * of lately; others are loaded when they are heard of. Applying the same record again changes
 * nothing but the counts of what has no number.
 */
export class Ledger {
  readonly counters: LedgerCounters
  private readonly devices = new Map<string, Device>()
  private changedBoots: Boot<Device>[] = []
  private changedDevices = new Set<Device>()
  private promoted = new Set<string>()
  /**
   * `growing`: devices with boots that have no row yet. `grown`: devices that got rows, and may
   * have too many now.
   */
  private growing = new Set<Device>()
  private grown = new Set<Device>()
  private round = 0
  private bootCount = 0

  constructor(counters: LedgerCounters = { implausible: 0, late: 0 }) {
    this.counters = counters
  }

  /** A boot that is in memory. */
  find(device: string, boot: number): Boot<Device> | undefined {
    return this.devices.get(device)?.boots.get(boot)
  }

  /** Whether a name is known to be one of a device. */
  knows(device: string): boolean {
    return this.devices.get(device)?.known === true
  }

  /**
   * Takes boots into memory, unless they are there: as they were written, or new ones.
   * @param isDevice whether a name is one of a device
   */
  admit(absent: readonly BootKey[], loaded: LoadedBoots, partition: number, isDevice: (name: string) => boolean): void {
    for (const [name, sinceMs] of loaded.since) {
      const device = this.device(name)
      if (!(device.sinceMs <= sinceMs)) device.sinceMs = sinceMs
    }
    for (const { device } of absent) {
      const entry = this.device(device)
      entry.partition = partition
      if (!isDevice(device)) continue
      this.promote(entry)
      if (loaded.strangers.has(device)) this.promoted.add(device)
    }
    for (const state of loaded.boots) this.install(state.device, state.boot, state)
    for (const { device, boot } of loaded.folded) this.install(device, boot, 'folded')
    for (const { device, boot } of absent) this.install(device, boot)
  }

  /** Takes one boot into memory, unless it is there. */
  install(device: string, boot: number, written?: BootState | 'folded'): Boot<Device> {
    const owner = this.device(device)
    const present = owner.boots.get(boot)
    if (present !== undefined) return present
    const entry = new Boot(owner, device, boot, this.round, written)
    owner.boots.set(boot, entry)
    this.bootCount++
    return entry
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
    if (!boot.owner.known) this.promote(boot.owner)
    const known = boot.dead.has(seq) || boot.partly.has(seq)
    if (!this.note(boot, seq, true, head.firstTime, receivedMs, truncated)) return
    const isNew = refused >= Math.max(head.samples, 1) ? boot.dead.add(seq) && !boot.stored.has(seq) : boot.stored.add(seq)
    if (isNew && !known) this.drop(boot, head.dropped)
    if (refused > 0 && refused < head.samples) boot.partly.add(seq)
    boot.settle()
    // A frame with dead samples may begin with another sample each time, as a redrive fixes them.
    // An estimated time is that of receipt. Neither is a sign of a second device.
    if (!known && refused === 0 && seq < boot.next && !Number.isNaN(head.firstSample)) this.watch(boot, seq, head.firstSample, receivedMs)
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
    const counts = [...this.changedDevices].map((device) => {
      const { counts: since } = device
      device.counts = noCounts(since.device)
      return since
    })
    const grown = [...this.grown].filter(({ partition }) => mayFold(partition))
    for (const device of grown) this.grown.delete(device)
    const changes = {
      boots: this.changedBoots.filter(({ owner }) => owner.known),
      strangers: this.changedBoots.filter(({ owner }) => !owner.known),
      promoted: [...this.promoted],
      counts,
      grown: grown.map(({ name, boots }) => ({ device: name, keep: [...boots.keys()] })),
    }
    for (const boot of this.changedBoots) {
      boot.changed = false
      boot.isNew = false
    }
    this.changedBoots = []
    this.changedDevices = new Set()
    this.promoted = new Set()
    for (const device of this.growing) this.grown.add(device)
    this.growing = new Set()
    this.round++
    return changes
  }

  /**
   * Forgets boots that are written: those not touched for `rounds` rounds of changes, all but the
   * newest of a device that has many, and those of strangers. If there still are too many
   * altogether, it forgets more.
   */
  forget(rounds: number): void {
    for (const device of this.devices.values()) {
      const most = device.known ? BOOTS_IN_MEMORY : 0
      for (const boot of device.boots.values()) if (!boot.changed && boot.touched + rounds < this.round) this.remove(boot)
      // A map keeps the order in which they were first heard of: late frames of an old boot are
      // rare.
      if (device.boots.size > most)
        for (const boot of device.boots.values()) {
          if (device.boots.size <= most) break
          if (!boot.changed) this.remove(boot)
        }
      if (device.boots.size === 0 && !this.changedDevices.has(device) && !this.grown.has(device)) this.devices.delete(device.name)
    }
    if (this.bootCount > MOST_IN_MEMORY && rounds > 0) this.forget(0)
  }

  /**
   * Whether there are so many boots in memory that changes must be written before more are taken.
   */
  get isFull(): boolean {
    return this.changedBoots.length >= MOST_UNWRITTEN || this.bootCount >= MOST_IN_MEMORY + MOST_UNWRITTEN
  }

  /** Number of boots in memory. */
  get size(): number {
    return this.bootCount
  }

  /**
   * Boots in memory that have a row of their own, or will.
   * @param known true for boots of devices, false for boots of names that are no devices
   */
  *boots(known = true): IterableIterator<BootState> {
    for (const device of this.devices.values()) {
      if (device.known !== known) continue
      for (const boot of device.boots.values()) if (!boot.folded) yield boot
    }
  }

  /** Notes a frame's number. False if it is not to be put into one of the sets. */
  private note(boot: Boot<Device>, seq: number, whole: boolean, time: number, receivedMs: number, truncated: boolean): boolean {
    const { owner } = boot
    const how = boot.number(seq, whole, time, receivedMs, truncated)
    if (!(owner.sinceMs <= receivedMs)) owner.sinceMs = receivedMs
    boot.touched = this.round
    if (how === 'settled') {
      this.counters.late++
      this.countsOf(owner).late++
      return false
    }
    if (how !== 'believed') this.counters.implausible++
    if (how === 'uncounted') this.countsOf(owner).implausible++
    if (!boot.changed) {
      boot.changed = true
      this.changedBoots.push(boot)
      if (boot.isNew) this.growing.add(owner)
    }
    return how !== 'uncounted'
  }

  private drop(boot: Boot<Device>, samples: number): void {
    if (boot.drop(samples)) return
    this.counters.implausible++
    this.countsOf(boot.owner).implausible++
  }

  /** Looks for signs of a second device with the same ID (docs/adr/0007-continuity.md). */
  private watch(boot: Boot<Device>, seq: number, time: number, receivedMs: number): void {
    const { owner } = boot
    const returns = owner.last !== boot && !Number.isNaN(boot.firstSample)
    if (!(time >= boot.firstSample)) boot.firstSample = time
    if (!(time <= boot.lastSample)) boot.lastSample = time
    boot.recent ??= new RecentNumbers()
    const contradicts = boot.recent.contradicts(seq, time)
    if (contradicts || (returns && owner.last !== undefined && overlap(boot, owner.last) > CLOCK_STEP_MICROS)) {
      const counts = this.countsOf(owner)
      counts.conflicts++
      counts.lastConflictMs = Math.max(counts.lastConflictMs, receivedMs)
    }
    owner.last = boot
  }

  /** Notes that the name is a device's, whatever was thought of it before. */
  private promote(device: Device): void {
    if (device.known) return
    device.known = true
    if (device.boots.size === 0) return
    this.promoted.add(device.name)
    this.growing.add(device)
    for (const boot of device.boots.values()) {
      if (boot.changed || boot.isNew) continue
      boot.changed = true
      this.changedBoots.push(boot)
    }
  }

  private remove(boot: Boot<Device>): void {
    if (boot.owner.boots.delete(boot.boot)) this.bootCount--
  }

  private counts(name: string, isDevice: boolean): DeviceCounts {
    const device = this.device(isDevice ? name : STRANGERS)
    if (isDevice) this.promote(device)
    return this.countsOf(device)
  }

  private countsOf(device: Device): DeviceCounts {
    const entry = device.known || device.name === STRANGERS ? device : this.device(STRANGERS)
    this.changedDevices.add(entry)
    return entry.counts
  }

  private device(name: string): Device {
    let device = this.devices.get(name)
    if (device === undefined) {
      device = { name, known: false, partition: -1, counts: noCounts(name), boots: new Map(), last: undefined, sinceMs: Number.NaN }
      this.devices.set(name, device)
    }
    return device
  }
}

function noCounts(device: string): DeviceCounts {
  return { device, unnumbered: 0, unreadable: 0, conflicts: 0, lastConflictMs: 0, late: 0, implausible: 0 }
}

/** How long the sample times of both boots overlap, in microseconds; negative if they are apart. */
function overlap(a: BootState, b: BootState): number {
  return Math.min(a.lastSample, b.lastSample) - Math.max(a.firstSample, b.firstSample)
}
