import type { Findings } from './check.ts'
import { lastHop } from './check.ts'
import type { MissingFrame } from './comparison.ts'

/** The phase with everything but kills of Mosquitto, and the one with nothing else. */
export const MAIN = 'main'
export const BROKER = 'mosquitto'

export interface RunFacts {
  readonly seed: number
  readonly minutes: number
  readonly durationSeconds: number
  readonly faults: Readonly<Record<string, number>>
  readonly devices: number
  readonly dropped: number
  readonly resent: number
  readonly fenced: number
  /** From the end of each phase's load until nothing was left to read. */
  readonly settledSeconds: Readonly<Record<string, number>>
  readonly peakMegabytes: Readonly<Record<string, number>>
  readonly endedByThemselves: Readonly<Record<string, number>>
  /** What could not be tried here, and why. */
  readonly leftOut: readonly string[]
}

/** What test/chaos/latest.json holds. */
export interface Report extends RunFacts {
  readonly faultsTotal: number
  readonly kinds: number
  /** Samples of devices that a device had acknowledged, and messages of poison. */
  readonly sent: number
  readonly stored: number
  readonly dead: number
  readonly missing: number
  readonly doubled: number
  readonly corrupted: number
  readonly unexpected: number
  readonly reordered: number
  readonly altered: number
  readonly poisonLost: number
  readonly wronglyDead: number
  /** Frames that came again, with the same bytes: at least once at work. */
  readonly repeats: { readonly frames: number; readonly readings: number }
  readonly continuity: { readonly numbered: number; readonly missing: number; readonly asFound: boolean }
  /** Mosquitto acknowledges what it holds in memory alone: what its SIGKILL loses must be what continuity names. */
  readonly mosquitto: {
    readonly sent: number
    readonly stored: number
    readonly missingFrames: number
  }
  readonly passed: boolean
}

/** @returns the report, and a line for each thing that is wrong */
export function makeReport(facts: RunFacts, findings: Findings): { readonly report: Report; readonly wrong: readonly string[] } {
  const { comparison, hops, letters, continuity, alteredByBridge, sentFrames } = findings
  const missingMain = comparison.missing.filter(({ phase }) => phase !== BROKER)
  const missingBroker = comparison.missing.filter(({ phase }) => phase === BROKER)
  const asNamed = sameSet(
    continuity.missing,
    comparison.missing.map(({ device, boot, seq }) => `${device}/${boot}/${seq}`),
  )
  const sum = (counts: Readonly<Record<string, number>>, phase: string): number => counts[phase] ?? 0
  const samples = (frames: readonly MissingFrame[]): number => frames.reduce((total, frame) => total + frame.samples, 0)
  const poison = letters.rightly + letters.lost.length
  const figures = {
    missing: samples(missingMain),
    doubled: comparison.countedTwice,
    corrupted: comparison.corrupted,
    unexpected: comparison.unexpected,
    reordered: hops.frames.counts.reordered + hops.readings.counts.reordered,
    altered: hops.frames.counts.altered + hops.readings.counts.altered + alteredByBridge,
    poisonLost: letters.lost.length,
    wronglyDead: letters.wrongly.length,
  }
  const wrong = [
    ...Object.entries(figures).flatMap(([name, value]) => (value === 0 ? [] : [`${name}: ${value}`])),
    ...missingMain.slice(0, 10).map((frame) => `${frame.device} boot ${frame.boot} frame ${frame.seq} ${lastHop(hops, frame)}`),
    ...letters.wrongly.slice(0, 10),
    ...letters.lost
      .slice(0, 10)
      .map(({ letters: topic, reason, mark }) => `not in ${topic} as ${reason}: ${JSON.stringify(mark.toString('latin1'))}`),
    ...(asNamed
      ? []
      : [`${comparison.missing.length} frames are missing, and continuity names ${continuity.missing.length}, not the same`]),
    ...(continuity.addsUp ? [] : ['the states of continuity do not add up']),
    ...(continuity.numbered === sentFrames ? [] : [`devices numbered ${sentFrames} frames, continuity says ${continuity.numbered}`]),
  ]
  const report: Report = {
    ...facts,
    faultsTotal: Object.values(facts.faults).reduce((total, count) => total + count, 0),
    kinds: Object.keys(facts.faults).length,
    sent: sum(comparison.sent, MAIN) + poison,
    stored: sum(comparison.stored, MAIN),
    dead: letters.rightly,
    ...figures,
    repeats: { frames: hops.frames.counts.repeat, readings: hops.readings.counts.repeat },
    continuity: { numbered: continuity.numbered, missing: continuity.missing.length, asFound: asNamed },
    mosquitto: {
      sent: sum(comparison.sent, BROKER),
      stored: sum(comparison.stored, BROKER),
      missingFrames: missingBroker.length,
    },
    passed: wrong.length === 0,
  }
  return { report, wrong }
}

/** The report for people. */
export function describeReport(report: Report): string {
  const count = (value: number): string => value.toLocaleString('en-US')
  const listed = (counts: Readonly<Record<string, number>>, unit = ''): string =>
    Object.entries(counts)
      .map(([name, value]) => `${name} ${value}${unit}`)
      .join(', ') || 'none'
  const rows: readonly (readonly [string, string])[] = [
    ['faults', `${report.faultsTotal} of ${report.kinds} kinds: ${listed(report.faults)}`],
    ['sent', `${count(report.sent)} samples and poison messages by ${count(report.devices)} devices`],
    ['stored', count(report.stored)],
    ['dead', `${count(report.dead)}, all of it poison`],
    ['missing', count(report.missing)],
    ['doubled', count(report.doubled)],
    ['corrupted', `${count(report.corrupted)} values, ${count(report.unexpected)} rows that nobody sent`],
    ['reordered', `${count(report.reordered)}; ${count(report.altered)} repeats with other bytes`],
    ['repeats', `${count(report.repeats.frames)} frames, ${count(report.repeats.readings)} readings, same bytes`],
    ['fenced', `${count(report.fenced)} commits of former owners refused`],
    ['by devices', `${count(report.resent)} frames sent again, ${count(report.dropped)} samples dropped in a full queue`],
    ['Mosquitto', `${count(report.mosquitto.missingFrames)} acknowledged frames lost with it`],
    [
      'continuity',
      `${count(report.continuity.numbered)} frames numbered, ${count(report.continuity.missing)} missing${report.continuity.asFound ? ': the same ones' : ''}`,
    ],
    ['settled', listed(report.settledSeconds, ' s')],
    ['peak memory', listed(report.peakMegabytes, ' MB')],
    ['ended alone', listed(report.endedByThemselves)],
    ...report.leftOut.map((what) => ['left out', what] as const),
    ['seed', `${report.seed} (SEED=${report.seed} repeats the schedule)`],
  ]
  return rows.map(([name, text]) => `  ${name.padEnd(12)} ${text}`).join('\n')
}

function sameSet(one: readonly string[], other: readonly string[]): boolean {
  const members = new Set(one)
  return members.size === new Set(other).size && other.every((each) => members.has(each))
}
