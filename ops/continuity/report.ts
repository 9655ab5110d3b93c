import type { ReadingConflicts } from '../../connectors/postgres/reading-conflicts.ts'
import { type Account, addAccount, addsUp, type BootAccount, emptyAccount } from '../../processors/continuity/account.ts'
import type { DeviceCounts } from '../../processors/continuity/ledger.ts'

/** Boots of a device of which every frame is stored. */
export interface CompleteBoots {
  readonly device: string
  readonly boots: number
  readonly numbered: number
  readonly unknown: number
  readonly dropped: number
}

/** One device's frames. */
export interface DeviceReport {
  readonly device: string
  readonly frames: Account
  boots: number
  /** Of the stored frames: those of which single samples became dead letters. */
  partlyDead: number
  /** Frames that went by before the ledger was begun. */
  unknown: number
  /** Samples that the device says it discarded. */
  droppedSamples: number
  /** Records of JSON messages, which carry no number. */
  unnumbered: number
  /** Dead letters out of which no number can be read. */
  unreadable: number
  /** Frames that contradict those before them: another device uses the same ID. */
  conflicts: number
  lastConflictMs: number
  /** Rows that had another value than the row of their time; null for none. */
  differing: ReadingConflicts | null
  /** Boots of which frames are missing or dead-lettered, or samples are. */
  readonly incomplete: BootAccount[]
}

/** The answer to the question where every frame is. */
export interface ContinuityReport {
  readonly frames: Account
  /** Whether, for every boot and in total, numbered = stored + dead-lettered + in flight + missing. */
  readonly addsUp: boolean
  /** By device ID. */
  readonly devices: readonly DeviceReport[]
}

export function continuityReport(
  complete: readonly CompleteBoots[],
  boots: readonly BootAccount[],
  counts: readonly DeviceCounts[],
  differing: readonly ReadingConflicts[],
): ContinuityReport {
  const devices = new Map<string, DeviceReport>()
  const of = (device: string): DeviceReport => {
    const report = devices.get(device) ?? emptyReport(device)
    devices.set(device, report)
    return report
  }
  for (const { device, boots: number, numbered, unknown, dropped } of complete) {
    const report = of(device)
    addAccount(report.frames, { ...emptyAccount(), numbered, stored: numbered })
    report.boots += number
    report.unknown += unknown
    report.droppedSamples += dropped
  }
  for (const boot of boots) {
    const report = of(boot.device)
    addAccount(report.frames, boot)
    report.boots++
    report.partlyDead += boot.partlyDead
    report.unknown += boot.unknown
    report.droppedSamples += boot.dropped
    if (boot.missing + boot.deadLettered + boot.partlyDead > 0) report.incomplete.push(boot)
  }
  for (const { device, unnumbered, unreadable, conflicts, lastConflictMs } of counts) {
    const report = of(device)
    report.unnumbered += unnumbered
    report.unreadable += unreadable
    report.conflicts += conflicts
    report.lastConflictMs = Math.max(report.lastConflictMs, lastConflictMs)
  }
  for (const conflicts of differing) of(conflicts.device).differing = conflicts
  const frames = emptyAccount()
  for (const report of devices.values()) addAccount(frames, report.frames)
  return {
    frames,
    addsUp: addsUp(frames) && boots.every(addsUp),
    devices: [...devices.values()].sort((a, b) => (a.device < b.device ? -1 : 1)),
  }
}

/** Whether people should look at the device. */
export function isRemarkable({ frames, partlyDead, droppedSamples, unreadable, conflicts, differing }: DeviceReport): boolean {
  return frames.missing + frames.deadLettered + partlyDead + droppedSamples + unreadable + conflicts > 0 || differing !== null
}

function emptyReport(device: string): DeviceReport {
  return {
    device,
    frames: emptyAccount(),
    boots: 0,
    partlyDead: 0,
    unknown: 0,
    droppedSamples: 0,
    unnumbered: 0,
    unreadable: 0,
    conflicts: 0,
    lastConflictMs: 0,
    differing: null,
    incomplete: [],
  }
}
