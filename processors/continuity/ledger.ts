import type { ReadingsHead } from './heads.ts'
import { RangeSet } from './ranges.ts'
import { RecentNumbers } from './recent-numbers.ts'

/** What is known of the frames of one boot of one device. */
export interface BootState {
  readonly device: string
  readonly boot: number
  /** One more than the highest number of a whole frame: how many the device is known to have numbered. */
  next: number
  /** Numbers below went by before the ledger was begun: they are neither stored nor missing, as far as anyone knows. */
  begins: number
  /** Frames that have samples in the table. */
  readonly stored: RangeSet
  /** Frames that became dead letters whole, whether or not a redrive has stored them since. */
  readonly dead: RangeSet
  /** Frames of which single samples became dead letters. */
  readonly partly: RangeSet
  /** Samples that the device says it discarded, by all frames of which the number is known. */
  dropped: number
  /** First sample of the earliest and of the latest frame, by sample time: microseconds since 1970. NaN where no frame had a time of day. */
  firstSample: number
  lastSample: number
  /** Milliseconds since 1970; NaN before the first frame. */
  firstReceivedMs: number
  lastReceivedMs: number
}

/** What is counted of a device, but has no number. */
export interface DeviceCounts {
  readonly device: string
  /** Readings and dead letters of JSON messages, which carry no number. A repeat counts again. */
  unnumbered: number
  /** Dead letters out of which no number can be read. */
  unreadable: number
  /** Frames that contradict those before them: another device has the same ID. */
  conflicts: number
  /** When the last contradiction was received: milliseconds since 1970, 0 for never. */
  lastConflictMs: number
}

/** What must be written so that the ledger can be read again. */
export interface LedgerChanges {
  /** As they are now, not copies: to be encoded at once. */
  readonly boots: readonly BootState[]
  /** Since the changes before these. */
  readonly counts: readonly DeviceCounts[]
}

/** A boot in memory. Its times are doubles from the start, NaN included: V8 then overwrites them in place, without an allocation for each frame. */
export class Boot implements BootState {
  readonly device: string
  readonly boot: number
  next = 0
  begins = 0
  readonly stored: RangeSet
  readonly dead: RangeSet
  readonly partly: RangeSet
  dropped = 0
  firstSample = Number.NaN
  lastSample = Number.NaN
  firstReceivedMs = Number.NaN
  lastReceivedMs = Number.NaN
  readonly owner: Device
  recent: RecentNumbers | undefined = undefined
  changed = false
  /** Round of changes in which it was last touched. */
  touched: number

  constructor(owner: Device, device: string, boot: number, round: number, written: BootState | undefined) {
    this.owner = owner
    this.device = device
    this.boot = boot
    this.touched = round
    this.stored = written?.stored ?? new RangeSet()
    this.dead = written?.dead ?? new RangeSet()
    this.partly = written?.partly ?? new RangeSet()
    if (written === undefined) return
    this.next = written.next
    this.begins = written.begins
    this.dropped = written.dropped
    this.firstSample = written.firstSample
    this.lastSample = written.lastSample
    this.firstReceivedMs = written.firstReceivedMs
    this.lastReceivedMs = written.lastReceivedMs
  }
}

interface Device {
  counts: DeviceCounts
  readonly boots: Map<number, Boot>
  /** Boot of the last frame that had a time of day, in order of arrival. */
  last: Boot | undefined
}

/** Two boots of one device may overlap by as much as a clock is set right at start; two devices overlap by more soon. */
const CLOCK_STEP_MICROS = 10_000_000

/**
 * Which frame numbers of each boot of each device have come to which end. It holds the boots that were heard of lately; the others are loaded
 * when they are. Applying the same record again changes nothing but the counts of what has no number.
 */
export class Ledger {
  private readonly devices = new Map<string, Device>()
  private changedBoots: Boot[] = []
  private changedDevices = new Set<Device>()
  private round = 0

  /** A boot that is in memory. */
  find(device: string, boot: number): Boot | undefined {
    return this.devices.get(device)?.boots.get(boot)
  }

  /** Takes a boot into memory, unless it is there: as it was written, or a new one. */
  install(device: string, boot: number, written?: BootState): Boot {
    const owner = this.device(device)
    const present = owner.boots.get(boot)
    if (present !== undefined) return present
    const entry = new Boot(owner, device, boot, this.round, written)
    owner.boots.set(boot, entry)
    return entry
  }

  /**
   * Readings that the store has committed.
   * @param refused samples of it that the store made dead letters; Infinity for the whole record
   * @param truncated whether records before this one's history are gone: a first number above 0 is then no loss
   */
  committed(boot: Boot, head: ReadingsHead, receivedMs: number, refused: number, truncated: boolean): void {
    const { seq } = head
    const known = boot.dead.has(seq) || boot.partly.has(seq)
    this.note(boot, seq, receivedMs, truncated)
    boot.next = Math.max(boot.next, seq + 1)
    const isNew = refused >= Math.max(head.samples, 1) ? boot.dead.add(seq) && !boot.stored.has(seq) : boot.stored.add(seq)
    if (isNew && !known) boot.dropped += head.dropped
    if (refused > 0 && refused < head.samples) boot.partly.add(seq)
    // Readings of a frame with dead samples may begin with another sample each time, as a redrive mends them; an estimated time is that of receipt.
    if (!known && refused === 0 && !Number.isNaN(head.firstSample)) this.watch(boot, seq, head.firstSample, receivedMs)
  }

  /**
   * A frame that became a dead letter.
   * @param partly whether only a part of it did
   * @param whole whether its bytes are what its schema says; if not, its number counts only where a higher one is known
   */
  died(
    boot: Boot,
    { seq, dropped }: { seq: number; dropped: number },
    { partly, whole }: { readonly partly: boolean; readonly whole: boolean },
    receivedMs: number,
    truncated: boolean,
  ): void {
    const known = boot.stored.has(seq) || boot.dead.has(seq) || boot.partly.has(seq)
    this.note(boot, seq, receivedMs, truncated)
    if (whole) boot.next = Math.max(boot.next, seq + 1)
    if (partly) boot.partly.add(seq)
    else boot.dead.add(seq)
    if (!known && whole) boot.dropped += dropped
  }

  /** A record without a number, as a JSON device's. */
  unnumbered(device: string): void {
    this.counts(device).unnumbered++
  }

  /** A dead letter out of which no number can be read. */
  unreadable(device: string): void {
    this.counts(device).unreadable++
  }

  /** What has changed since it was last asked. */
  changes(): LedgerChanges {
    const boots = this.changedBoots
    const counts = [...this.changedDevices].map((device) => {
      const { counts: since } = device
      device.counts = noCounts(since.device)
      return since
    })
    for (const boot of boots) boot.changed = false
    this.changedBoots = []
    this.changedDevices = new Set()
    this.round++
    return { boots, counts }
  }

  /** Forgets boots that are written and were not touched for so many rounds of changes. */
  forgetIdle(rounds: number): void {
    for (const [name, device] of this.devices) {
      for (const [number, boot] of device.boots) if (!boot.changed && boot.touched + rounds < this.round) device.boots.delete(number)
      if (device.boots.size === 0 && !this.changedDevices.has(device)) this.devices.delete(name)
    }
  }

  /** Number of boots in memory. */
  get size(): number {
    let size = 0
    for (const { boots } of this.devices.values()) size += boots.size
    return size
  }

  /** Boots in memory. */
  *boots(): IterableIterator<BootState> {
    for (const { boots } of this.devices.values()) yield* boots.values()
  }

  private note(boot: Boot, seq: number, receivedMs: number, truncated: boolean): void {
    if (Number.isNaN(boot.firstReceivedMs)) {
      boot.firstReceivedMs = receivedMs
      boot.lastReceivedMs = receivedMs
      boot.begins = truncated && boot.owner.boots.size === 1 ? seq : 0
    }
    if (seq < boot.begins) boot.begins = seq
    if (receivedMs < boot.firstReceivedMs) boot.firstReceivedMs = receivedMs
    if (receivedMs > boot.lastReceivedMs) boot.lastReceivedMs = receivedMs
    boot.touched = this.round
    if (boot.changed) return
    boot.changed = true
    this.changedBoots.push(boot)
  }

  /** Looks for signs of a second device with the same ID (docs/adr/0007-continuity.md). */
  private watch(boot: Boot, seq: number, time: number, receivedMs: number): void {
    const { owner } = boot
    const returns = owner.last !== boot && !Number.isNaN(boot.firstSample)
    if (!(time >= boot.firstSample)) boot.firstSample = time
    if (!(time <= boot.lastSample)) boot.lastSample = time
    boot.recent ??= new RecentNumbers()
    const contradicts = boot.recent.contradicts(seq, time)
    if (contradicts || (returns && owner.last !== undefined && overlap(boot, owner.last) > CLOCK_STEP_MICROS)) {
      const counts = this.counts(boot.device)
      counts.conflicts++
      counts.lastConflictMs = Math.max(counts.lastConflictMs, receivedMs)
    }
    owner.last = boot
  }

  private counts(device: string): DeviceCounts {
    const entry = this.device(device)
    this.changedDevices.add(entry)
    return entry.counts
  }

  private device(name: string): Device {
    let device = this.devices.get(name)
    if (device === undefined) {
      device = { counts: noCounts(name), boots: new Map(), last: undefined }
      this.devices.set(name, device)
    }
    return device
  }
}

function noCounts(device: string): DeviceCounts {
  return { device, unnumbered: 0, unreadable: 0, conflicts: 0, lastConflictMs: 0 }
}

/** How much of both boots' sample times is common to them, in microseconds; negative where they are apart. */
function overlap(a: BootState, b: BootState): number {
  return Math.min(a.lastSample, b.lastSample) - Math.max(a.firstSample, b.firstSample)
}
