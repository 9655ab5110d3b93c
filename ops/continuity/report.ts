import type { CompleteBoots } from '../../connectors/postgres/continuity-question.ts'
import type { ReadingConflicts } from '../../connectors/postgres/reading-conflicts.ts'
import { type DeviceCounts, STRANGERS } from '../../processors/continuity/device.ts'
import type { Fold } from '../../processors/continuity/fold.ts'
import { addCounts, addsUp, type BootCounts, type FrameCounts, noCounts } from '../../processors/continuity/frame-counts.ts'

/** One device's frames. */
export class DeviceReport {
  readonly device: string
  readonly frames = noCounts()
  boots = 0
  /**
   * How many of the boots have one row together. What became of their frames is counted, and no
   * longer named.
   */
  folded = 0
  /** How many of the stored frames have single samples that became dead letters. */
  partlyDead = 0
  /** Frames that went by before the ledger was begun. */
  unknown = 0
  /** Samples that the device says it discarded. */
  droppedSamples = 0
  /** Records of messages that are no frames: they carry no number. */
  unnumbered = 0
  /** Dead letters out of which no number can be read. */
  unreadable = 0
  /** Frames that contradict those before them: another device uses the same ID. */
  conflicts = 0
  lastConflictMs = 0
  /** Rows that had another value than the row of their time; null for none. */
  differing: ReadingConflicts | null = null
  /**
   * Frames with numbers too high for the time that has passed, or that claim more discarded samples
   * than can be. They are in no sum.
   */
  implausible = 0
  /**
   * Frames of folded boots, or with numbers that are only counted by now. Nobody knows whether they
   * were stored before. They are in no sum.
   */
  late = 0
  /**
   * Frames that the ledger has not counted yet and that were not looked at, of a device with very
   * many boots. They are in no sum.
   */
  passedOver = 0
  /** Boots with missing or dead-lettered frames, or dead-lettered samples. */
  readonly incomplete: BootCounts[] = []

  constructor(device: string) {
    this.device = device
  }
}

/** The answer to the question where every frame is. */
export interface ContinuityReport {
  readonly frames: FrameCounts
  /**
   * Whether, for every boot and in total, numbered = stored + dead-lettered + in flight + missing.
   */
  readonly addsUp: boolean
  /** What came under names that are no devices. It is in no sum. */
  readonly strangers: Strangers
  /** By device ID. */
  readonly devices: readonly DeviceReport[]
}

/** What came under names that are no devices. */
export interface Strangers {
  /** Boots. Names are not counted, because many may be made up. */
  readonly boots: number
  /** Frames: dead letters. */
  readonly frames: number
  /** Records without a number. */
  readonly others: number
  /** Frames that no step has judged yet. */
  readonly inFlight: number
}

/** What the report is made of. */
export interface ReportSources {
  readonly complete: readonly CompleteBoots[]
  readonly boots: readonly BootCounts[]
  /** Boots of names that are no devices. */
  readonly strangers: readonly BootCounts[]
  readonly folds: readonly Fold[]
  readonly counts: readonly DeviceCounts[]
  readonly differing: readonly ReadingConflicts[]
  /** Frames of folded boots that redrives of the store have written rows of, by device. */
  readonly redrivenLate: ReadonlyMap<string, number>
  readonly passedOver: ReadonlyMap<string, number>
  /** Frames on their way under names that are no devices. */
  readonly strange: number
}

export function continuityReport({
  complete,
  boots,
  strangers,
  folds,
  counts,
  differing,
  redrivenLate,
  passedOver,
  strange,
}: ReportSources): ContinuityReport {
  const devices = new Map<string, DeviceReport>()
  const of = (device: string): DeviceReport => {
    const report = devices.get(device) ?? new DeviceReport(device)
    devices.set(device, report)
    return report
  }
  const others = folds.find(({ device }) => device === STRANGERS)
  const uncounted = counts.filter(({ device }) => device === STRANGERS)
  for (const { device, boots: number, numbered, unknown, dropped } of complete) {
    const report = of(device)
    addCounts(report.frames, { ...noCounts(), numbered, stored: numbered })
    report.boots += number
    report.unknown += unknown
    report.droppedSamples += dropped
  }
  for (const boot of boots) {
    const report = of(boot.device)
    addCounts(report.frames, boot)
    report.boots++
    report.partlyDead += boot.partlyDead
    report.unknown += boot.unknown
    report.droppedSamples += boot.dropped
    report.implausible += boot.implausible
    if (boot.missing + boot.deadLettered + boot.partlyDead > 0) report.incomplete.push(boot)
  }
  for (const fold of folds) {
    if (fold.device === STRANGERS) continue
    const report = of(fold.device)
    addCounts(report.frames, fold.frames)
    report.boots += fold.boots
    report.folded += fold.boots
    report.partlyDead += fold.partlyDead
    report.unknown += fold.unknown
    report.droppedSamples += fold.dropped
    report.implausible += fold.implausible
  }
  for (const { device, unnumbered, unreadable, conflicts, lastConflictMs, late, implausible } of counts) {
    if (device === STRANGERS) continue
    const report = of(device)
    report.unnumbered += unnumbered
    report.unreadable += unreadable
    report.conflicts += conflicts
    report.lastConflictMs = Math.max(report.lastConflictMs, lastConflictMs)
    report.late += late
    report.implausible += implausible
  }
  for (const conflicts of differing) of(conflicts.device).differing = conflicts
  for (const [device, redriven] of redrivenLate) of(device).late += redriven
  for (const [device, records] of passedOver) of(device).passedOver += records
  const frames = noCounts()
  for (const report of devices.values()) addCounts(frames, report.frames)
  return {
    frames,
    addsUp: addsUp(frames) && [...boots, ...folds.map((fold) => fold.frames)].every(addsUp),
    strangers: {
      boots: strangers.length + (others?.boots ?? 0),
      frames: strangers.reduce((sum, { deadLettered }) => sum + deadLettered, others?.frames.deadLettered ?? 0),
      others: uncounted.reduce(
        (sum, { unnumbered, unreadable, late, implausible }) => sum + unnumbered + unreadable + late + implausible,
        0,
      ),
      inFlight: strange,
    },
    devices: [...devices.values()].sort((a, b) => (a.device < b.device ? -1 : 1)),
  }
}

/** Whether people should look at the device. */
export function isRemarkable({
  frames,
  partlyDead,
  droppedSamples,
  unreadable,
  conflicts,
  differing,
  implausible,
  late,
  passedOver,
}: DeviceReport): boolean {
  return (
    frames.missing + frames.deadLettered + partlyDead + droppedSamples + unreadable + conflicts + implausible + late + passedOver > 0 ||
    differing !== null
  )
}
