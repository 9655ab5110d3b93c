import { decimal, duration, whole } from '../figures.ts'
import { table } from '../text-table.ts'
import type { Rates } from './rates.ts'
import type { DeadLetters, Figure, Hop, Snapshot } from './status.ts'

/** What is shown around the figures. */
export interface Surroundings {
  readonly startedMs: number
  /** Notes for the bottom, as how to look at the data. */
  readonly hints: readonly (readonly [string, string])[]
  /** What happened lately, newest last. */
  readonly events: readonly string[]
}

const HEADINGS = ['', '', 'frames/s', 'rows/s', 'readings/s']
const ALIGNMENTS = ['left', 'left', 'right', 'right', 'right'] as const

/** The screen: a line for each step, then what has to be looked at. */
export function renderScreen(snapshot: Snapshot, rates: Rates, { startedMs, hints, events }: Surroundings): readonly string[] {
  const hops = snapshot.hops.map((hop) => [hop.name, hop.does, ...speeds(hop, rates)])
  const facts = [
    ['rows stored', stored(snapshot)],
    ['consumer lag', snapshot.lags.map(({ group, lag }) => `${group} ${whole(lag)}`).join(', ')],
    ['dead letters', deadLetters(snapshot.deadLetters)],
    ...health(snapshot),
  ]
  return [
    ['Millrace', `running ${duration(snapshot.atMs - startedMs)}`, ...devices(snapshot)].join('   '),
    '',
    ...table([HEADINGS, ...hops], ALIGNMENTS).map(indented),
    '',
    ...table(facts, ['left', 'left']).map(indented),
    ...(hints.length === 0 ? [] : ['', ...table(hints, ['left', 'left']).map(indented)]),
    ...(events.length === 0 ? [] : ['', ...events.map(indented)]),
  ]
}

/** One line, for a log. */
export function renderLine(snapshot: Snapshot, rates: Rates): string {
  const hops = snapshot.hops.map((hop) => `${hop.name} ${speed(hop.name, hop.foremost, hop[hop.foremost], rates)} ${hop.foremost}/s`)
  const dead = deadLetters(snapshot.deadLetters)
  return [
    new Date(snapshot.atMs).toISOString().slice(11, 19),
    ...hops,
    `${whole(snapshot.stored?.rows)} rows`,
    `lag ${snapshot.lags.map(({ group, lag }) => `${group} ${whole(lag)}`).join(' ')}`,
    ...(dead === 'none' ? [] : [`dead letters ${dead}`]),
    ...snapshot.problems.map(({ part, problem }) => `${part}: ${problem}`),
  ].join(' · ')
}

function devices({ devices: fleet }: Snapshot): readonly string[] {
  return fleet === undefined ? [] : [`${whole(fleet.connected)} of ${whole(fleet.wanted)} devices connected`]
}

function speeds({ name, frames, rows, readings }: Hop, rates: Rates): readonly string[] {
  return [speed(name, 'frames', frames, rates), speed(name, 'rows', rows, rates), speed(name, 'readings', readings, rates)]
}

function speed(hop: string, kind: string, figure: Figure, rates: Rates): string {
  if (figure === null) return ''
  const perSecond = figure === undefined ? undefined : rates.perSecond(`${hop} ${kind}`)
  return perSecond !== undefined && perSecond > 0 && perSecond < 10 ? decimal(perSecond, 1) : whole(perSecond)
}

function stored({ stored: counts }: Snapshot): string {
  if (counts === undefined) return '?'
  const { rows, merged, repeated, conflicts } = counts
  return [
    whole(rows),
    ...(merged > 0 ? [`${whole(merged)} merged into them`] : []),
    `${whole(repeated)} repeats left out`,
    ...(conflicts > 0 ? [`${whole(conflicts)} in conflict with them (millrace continuity)`] : []),
  ].join(', ')
}

function deadLetters(all: readonly DeadLetters[]): string {
  const rejected = (reasons: ReadonlyMap<string, number>): boolean => [...reasons.values()].some((count) => count > 0)
  const some = all.filter(({ deadLetters, reasons }) => deadLetters !== 0n || rejected(reasons))
  if (some.length === 0) return 'none'
  if (some.length === all.length && some.every(({ deadLetters, reasons }) => deadLetters === undefined && !rejected(reasons))) return '?'
  return some.map(({ topic, deadLetters, reasons }) => `${topic} ${whole(deadLetters)}${because(reasons)}`).join(', ')
}

/** One line for each problem. */
function health({ problems }: Snapshot): readonly (readonly string[])[] {
  if (problems.length === 0) return [['health', 'all well']]
  return problems.map(({ part, problem }, index) => [index === 0 ? 'health' : '', `${part}: ${problem}`])
}

function because(reasons: ReadonlyMap<string, number>): string {
  const given = [...reasons].filter(([, count]) => count > 0)
  return given.length === 0 ? '' : ` (${given.map(([reason, count]) => `${reason} ${whole(count)}`).join(', ')})`
}

function indented(line: string): string {
  return line === '' ? line : `  ${line}`
}
