import type { Findings } from './check.ts'
import { lastHop } from './check.ts'
import type { MissingFrame } from './comparison.ts'
import type { HostileFindings } from './hostile-phase.ts'
import { type LogFindings, type Said, UNREAD } from './log-phase.ts'
import type { ProcessFindings } from './processes-check.ts'
import type { RollupFindings } from './rollups-check.ts'

/**
 * The phase with everything but kills of Mosquitto, the one with nothing else, and the one with
 * hostile devices alone.
 */
export const MAIN = 'main'
export const BROKER = 'mosquitto'
export const HOSTILE = 'hostile'

/**
 * A good device's newest row is at most so old, whatever others do: what two busy cores need for
 * the largest attack.
 */
const MOST_DELAY_S = 15

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
  /** Undefined if the phase was left out. */
  readonly hostile: HostileFindings | undefined
  readonly logs: LogFindings | undefined
  readonly processes: ProcessFindings
  readonly rollups: RollupFindings
  /** Phases that did not come to their end. */
  readonly stuck: readonly string[]
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
  /** Rows with an account that their device no longer had. */
  readonly formerAccount: number
  readonly oldStates: number
  readonly hostileDeadLetters: number
  /** What was cut before the store had it: lost by Kafka, and named by continuity. */
  readonly unread: { readonly sent: number; readonly cut: number; readonly missingFrames: number }
  /** Frames that came again, with the same bytes: at least once at work. */
  readonly repeats: { readonly frames: number; readonly readings: number }
  readonly continuity: { readonly numbered: number; readonly missing: number; readonly asFound: boolean }
  /**
   * Mosquitto acknowledges what it holds in memory alone: what its SIGKILL loses must be what
   * continuity names.
   */
  readonly mosquitto: {
    readonly sent: number
    readonly stored: number
    readonly missingFrames: number
  }
  readonly passed: boolean
}

/** @returns the report, and a line for each thing that is wrong */
export function makeReport(facts: RunFacts, findings: Findings): { readonly report: Report; readonly wrong: readonly string[] } {
  const { comparison, hops, deadLetters, continuity, alteredByBridge, sentFrames } = findings
  const missingMain = comparison.missing.filter(({ phase }) => phase !== BROKER && phase !== UNREAD)
  const missingUnread = comparison.missing.filter(({ phase }) => phase === UNREAD)
  const missingBroker = comparison.missing.filter(({ phase }) => phase === BROKER)
  const missing = comparison.missing.map(({ device, boot, seq }) => `${device}/${boot}/${seq}`)
  const unnamed = without(missing, continuity.missing)
  // What the store had fetched before it was cut it may have stored, and nothing that is left tells
  // of it.
  const overdone = without(continuity.missing, missing)
  const asNamed = unnamed.length === 0 && overdone.length <= Math.max(0, (facts.logs?.cutUnread ?? 0) - missingUnread.length)
  const sum = (counts: Readonly<Record<string, number>>, phase: string): number => counts[phase] ?? 0
  const total = (counts: Readonly<Record<string, number>>, ...but: readonly string[]): number =>
    Object.entries(counts).reduce((all, [phase, count]) => (but.includes(phase) ? all : all + count), 0)
  const samples = (frames: readonly MissingFrame[]): number => frames.reduce((total, frame) => total + frame.samples, 0)
  const poison = deadLetters.rightly + deadLetters.lost.length
  const figures = {
    missing: samples(missingMain),
    doubled: comparison.countedTwice,
    corrupted: comparison.corrupted,
    unexpected: comparison.unexpected,
    reordered: hops.frames.counts.reordered + hops.readings.counts.reordered,
    altered: hops.frames.counts.altered + hops.readings.counts.altered + alteredByBridge,
    poisonLost: deadLetters.lost.length,
    wronglyDead: deadLetters.wrongly.length,
    formerAccount: findings.formerAccount,
    oldStates: findings.oldStates.length,
  }
  const wrong = [
    ...Object.entries(figures).flatMap(([name, value]) => (value === 0 ? [] : [`${name}: ${value}`])),
    ...missingMain.slice(0, 10).map((frame) => `${frame.device} boot ${frame.boot} frame ${frame.seq} ${lastHop(hops, frame)}`),
    ...deadLetters.wrongly.slice(0, 10),
    ...findings.oldStates,
    ...facts.stuck,
    ...facts.processes.wrong.slice(0, 20),
    ...(facts.processes.wrong.length > 20 ? [`${facts.processes.wrong.length} differences of the business processes in all`] : []),
    ...facts.rollups.wrong,
    ...(facts.hostile === undefined ? [] : hostileFaults(facts.hostile)),
    ...(facts.logs === undefined ? [] : logFaults(facts.logs, missingUnread.length)),
    ...deadLetters.lost
      .slice(0, 10)
      .map(({ deadLetters: topic, reason, mark }) => `not in ${topic} as ${reason}: ${JSON.stringify(mark.toString('latin1'))}`),
    ...(continuity.failure === undefined ? [] : [`millrace continuity: ${continuity.failure}`]),
    ...(asNamed
      ? []
      : [
          `${comparison.missing.length} frames are missing, and continuity names ${continuity.missing.length}, not the same`,
          ...unnamed.slice(0, 10).map((frame) => `missing, and not named by continuity: ${frame}`),
          ...overdone.slice(0, 10).map((frame) => `named by continuity, and not missing: ${frame}`),
        ]),
    ...(continuity.addsUp ? [] : ['the states of continuity do not add up']),
    ...(continuity.numbered === sentFrames ? [] : [`devices numbered ${sentFrames} frames, continuity says ${continuity.numbered}`]),
  ]
  const report: Report = {
    ...facts,
    faultsTotal: Object.values(facts.faults).reduce((total, count) => total + count, 0),
    kinds: Object.keys(facts.faults).length,
    sent: total(comparison.sent, BROKER, UNREAD) + poison,
    stored: total(comparison.stored, BROKER, UNREAD),
    dead: deadLetters.rightly,
    ...figures,
    hostileDeadLetters: deadLetters.hostile,
    unread: { sent: sum(comparison.sent, UNREAD), cut: facts.logs?.cutUnread ?? 0, missingFrames: missingUnread.length },
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

function hostileFaults({ worstDelaySeconds, stopped, ended }: HostileFindings): readonly string[] {
  return [
    ...stopped.map((what) => `a partition stood for one hostile device: ${what}`),
    ...ended.map((instance) => `${instance} ended by itself while hostile devices were there`),
    ...(worstDelaySeconds <= MOST_DELAY_S
      ? []
      : [`a good device waited ${worstDelaySeconds} s for hostile ones, and at most ${MOST_DELAY_S} are promised`]),
  ]
}

function logFaults({ said, cutUnread, recreatedSaid }: LogFindings, missingUnread: number): readonly string[] {
  return [
    ...said
      .filter(({ least, most, said: count }) => count < least || count > most)
      .map((each) => `${each.fault}: ${each.consumer} said that it lost ${each.said} records, and it was ${range(each)}`),
    ...(missingUnread <= cutUnread ? [] : [`${missingUnread} frames are missing, and ${cutUnread} were cut before they were read`]),
    ...Object.entries(recreatedSaid).flatMap(([instance, lines]) =>
      lines > 0 ? [] : [`${instance} did not say that its topic was recreated`],
    ),
  ]
}

function range({ least, most }: Said): string {
  return least === most ? String(least) : `${least} to ${most}`
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
    ['moved', `${count(report.formerAccount)} rows with a former account; ${count(report.oldStates)} devices with an old state`],
    ['reordered', `${count(report.reordered)}; ${count(report.altered)} repeats with other bytes`],
    ...describeProcesses(report),
    ['roll-ups', describeRollups(report)],
    ['repeats', `${count(report.repeats.frames)} frames, ${count(report.repeats.readings)} readings, same bytes`],
    ['fenced', `${count(report.fenced)} commits of former owners refused`],
    ['by devices', `${count(report.resent)} frames sent again, ${count(report.dropped)} samples dropped in a full queue`],
    ['Mosquitto', `${count(report.mosquitto.missingFrames)} acknowledged frames lost with it`],
    ...describeHostile(report),
    ...(report.logs?.said ?? []).map((each) => [each.fault, `${each.consumer} said ${each.said} of ${range(each)} records`] as const),
    ['cut unread', `${count(report.unread.missingFrames)} frames lost with ${count(report.unread.cut)} records`],
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

function describeProcesses({ processes }: Report): readonly (readonly [string, string])[] {
  const { decisions, sites, alerts, silences, events, repeatedEvents, moments, contacts, silentHives, wrong } = processes
  return [
    ['movement', `${decisions} decisions, ${sites} sites, hives counted at ${moments} moments`],
    ['alerts', `${alerts} by samples, ${silences} of silence; ${events} events told, ${repeatedEvents} of them again`],
    ['contact', `${contacts} devices, ${silentHives} hives silent`],
    ['recomputed', `${wrong.length} differences`],
  ]
}

function describeRollups({ rollups }: Report): string {
  const { backend, hours, days, devices, behind, caughtUpSeconds, wrong } = rollups
  const found = wrong.length === 0 ? 'equal to a recomputation' : `${wrong.length} differences from a recomputation`
  return `${hours} hours and ${days} days of ${devices} devices on ${backend} are ${found}, ${behind} hours behind and ${caughtUpSeconds} s later`
}

function describeHostile({ hostile, hostileDeadLetters }: Report): readonly (readonly [string, string])[] {
  if (hostile === undefined) return []
  const { messages, attacks, worstDelaySeconds, unhealthySeconds } = hostile
  return [
    [
      'hostile',
      `${messages} messages of ${attacks} attacks, ${hostileDeadLetters} dead letters; a good device waited ${worstDelaySeconds} s at most`,
    ],
    [
      'unhealthy',
      Object.entries(unhealthySeconds)
        .map(([what, seconds]) => `${what} ${seconds} s`)
        .join(', ') || 'never',
    ],
  ]
}

/** Those that are not among the others. */
function without(those: readonly string[], others: readonly string[]): readonly string[] {
  const known = new Set(others)
  return those.filter((each) => !known.has(each))
}
