import type { LagReport } from '../../lag/lag-watch.ts'
import type { Rates } from '../../status/rates.ts'
import type { ServiceReport } from '../../status/service-report.ts'
import type { Hop, Snapshot } from '../../status/status.ts'
import type { Absences } from './absences.ts'
import { BROKER, DATABASES, type Layout, type LayoutService } from './layout.ts'
import type { Health, HopLag, HopProblem, HopState, Latency, LineState, ServerState } from './messages.ts'

/** What was seen at one look. */
export interface LineLook {
  readonly snapshot: Snapshot
  readonly rates: Rates
  readonly services: readonly LayoutService[]
  readonly layout: Layout
  /** What each service says of itself. */
  readonly reports: ReadonlyMap<string, ServiceReport>
  /** Undefined before the first one, and while Kafka does not answer. */
  readonly lag: LagReport | undefined
  /** What does not answer, by name of the server; undefined if it does. */
  readonly servers: ReadonlyMap<string, string | undefined>
  readonly latency: { readonly sample: Latency | undefined; readonly receipt: Latency | undefined }
}

/** The look as the page shows it. */
export function lineState(look: LineLook, absences: Absences): LineState {
  const { snapshot, services, layout, latency } = look
  const { atMs: at } = snapshot
  const servers = [
    brokerState(look.reports.get('bridge')),
    ...[...look.servers].map(([name, problem]) => serverState(name, problem, absences, at)),
  ]
  const column = (name: string): number => layout.columns.get(name) ?? 0
  const outer = (name: string, kind: 'broker' | 'database', rates: HopState['rates']): readonly HopState[] => {
    const server = servers.find((each) => each.name === name)
    return layout.columns.has(name)
      ? [{ name, kind, column: column(name), health: server?.health ?? 'unknown', rates, lag: null, problems: server?.problems ?? [] }]
      : []
  }
  return {
    at,
    hops: [
      ...outer(BROKER, 'broker', [rate('messages/s acknowledged', look.rates.perSecond(ACKNOWLEDGED))]),
      ...services.map((service) => hopState(service, look, absences, column(service.name))),
      ...outer(DATABASES.telemetry, 'database', [rate('rows/s', look.rates.perSecond('store rows'))]),
      ...outer(DATABASES.app, 'database', []),
    ],
    links: layout.links,
    servers,
    latency: { sample: latency.sample ?? null, receipt: latency.receipt ?? null },
    stored: snapshot.stored ?? null,
    deadLetters: snapshot.deadLetters.map(({ topic, deadLetters, reasons }) => ({
      topic,
      count: deadLetters === undefined ? null : Number(deadLetters),
      reasons: [...reasons].filter(([, count]) => count > 0).map(([reason, count]) => ({ reason, count })),
    })),
  }
}

/** Name of a figure beside those of the snapshot. */
export const ACKNOWLEDGED = 'broker acknowledged'

/** Part of the bridge's health that is about its connection. */
const MQTT = 'mqtt'

/** Of the broker nobody knows more than the bridge says. */
function brokerState(bridge: ServiceReport | undefined): ServerState {
  if (bridge?.problems === undefined) return { name: BROKER, health: 'unknown', problems: [] }
  const problem = bridge.problems.get(MQTT)
  if (problem === undefined) return { name: BROKER, health: 'well', problems: [] }
  return { name: BROKER, health: 'wrong', problems: [{ text: problem, since: moment(bridge.since?.get(MQTT)), orBefore: false }] }
}

function serverState(name: string, problem: string | undefined, absences: Absences, at: number): ServerState {
  const since = absences.note(name, problem !== undefined, at)
  return problem === undefined || since === undefined
    ? { name, health: 'well', problems: [] }
    : { name, health: 'silent', problems: [{ text: problem, ...since }] }
}

function hopState({ name, kind, reads }: LayoutService, look: LineLook, absences: Absences, column: number): HopState {
  const report = look.reports.get(name)
  const problems = problemsOf(name, report, absences, look.snapshot.atMs)
  return {
    name,
    kind,
    column,
    health: healthOf(report, problems),
    rates: ratesOf(
      look.snapshot.hops.find((hop) => hop.name === name),
      look.rates,
    ),
    lag: reads.length === 0 ? null : lagOf(name, look.lag),
    problems,
  }
}

function problemsOf(name: string, report: ServiceReport | undefined, absences: Absences, at: number): readonly HopProblem[] {
  const since = absences.note(name, report?.problems === undefined, at)
  if (report?.problems === undefined) return [{ text: 'does not answer', since: since?.since ?? null, orBefore: since?.orBefore ?? true }]
  return [...report.problems].map(([part, problem]) => ({
    text: `${part}: ${problem}`,
    since: moment(report.since?.get(part)),
    orBefore: false,
  }))
}

function healthOf(report: ServiceReport | undefined, problems: readonly HopProblem[]): Health {
  if (report?.problems === undefined) return 'silent'
  return problems.length === 0 ? 'well' : 'wrong'
}

function ratesOf(hop: Hop | undefined, rates: Rates): HopState['rates'] {
  return (
    (['frames', 'rows', 'readings'] as const)
      // What a hop does not count is null.
      .filter((unit) => hop !== undefined && hop[unit] !== null)
      .map((unit) => rate(`${unit === 'frames' ? 'records' : unit}/s`, rates.perSecond(`${hop?.name} ${unit}`)))
  )
}

function rate(unit: string, perSecond: number | undefined): HopState['rates'][number] {
  return { unit, perSecond: perSecond ?? null }
}

function lagOf(group: string, report: LagReport | undefined): HopLag {
  const found = report?.groups.find((each) => each.group === group)
  return {
    records: found?.lag === undefined ? null : Number(found.lag),
    seconds: found?.timeLagSeconds ?? null,
    state: found?.state ?? 'unknown',
    causes: found?.causes ?? [],
  }
}

function moment(iso: string | undefined): number | null {
  const ms = iso === undefined ? Number.NaN : Date.parse(iso)
  return Number.isNaN(ms) ? null : ms
}
