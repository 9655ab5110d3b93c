import { setTimeout as delay } from 'node:timers/promises'
import { Router } from 'express'
import { sharedAnswer } from '../../../services/http-server.ts'
import { type LagReport, openLagWatch } from '../../lag/lag-watch.ts'
import { type MetricSample, total } from '../../status/prometheus-text.ts'
import { createRates } from '../../status/rates.ts'
import { askService, type ServiceReport } from '../../status/service-report.ts'
import { figures, observe } from '../../status/status.ts'
import { openStatusSources } from '../../status/status-sources.ts'
import { serviceAddresses } from '../../supervisor/service-programs.ts'
import type { OpenSection } from '../section.ts'
import { Absences } from './absences.ts'
import { LagMemory } from './lag-history.ts'
import { counted, type Histogram, histogram, latencyOf } from './latency.ts'
import { DATABASES, layoutOf } from './layout.ts'
import { ACKNOWLEDGED, type LineLook, lineState } from './line-state.ts'
import type { LagState, Latency, TrendState } from './messages.ts'
import { createReach } from './reach.ts'

const LINE_MS = 1_000
const LAG_MS = 2_000
/** Commits come in batches: over less than this a rate would jump. */
const RATES_MS = 5_000
const LAG_WINDOW_MS = 10_000
const LAG_OLD_MS = 10_000
const LATENCY_MS = 30_000
const HISTORY_MS = 15 * 60_000
/** Dead letters are counted by asking Kafka about each of their topics. */
const DEAD_LETTERS_MS = 5_000
/** So that an answer is kept for almost a second, however fast it came. */
const REPORT_SHARE = 0.001
/** Share of the time that looks at lag may take, however many ask. */
const LAG_SHARE = 0.1

/**
 * The line as a picture, and lag: feeds `line` and `lag`. Services, Kafka and databases are asked
 * once for everybody, and only while somebody looks.
 */
export const openLineSection: OpenSection = async ({ watcher: config, services, database, explain }) => {
  const sources = await openStatusSources(config)
  const addresses = new Map(serviceAddresses(config, services).map(({ name, address }) => [name, address]))
  const asked = new RecentReports()
  const watch = await openLagWatch(config, LAG_WINDOW_MS, (address) => asked.of(address))
  const memory = new LagMemory(HISTORY_MS)
  const databases = { telemetry: database('telemetry'), app: database('app') }
  const layout = layoutOf(services)
  let newest: LagReport | undefined
  const lag = sharedAnswer(LAG_SHARE, LAG_MS - 100, async () => {
    const report = await watch.look()
    newest = report
    memory.add(report)
    return report
  })
  const deadLetters = sharedAnswer(LAG_SHARE, DEAD_LETTERS_MS, sources.deadLetters)
  const reaches = new Map([
    ['Kafka', createReach(lag, explain)],
    ...(['telemetry', 'app'] as const).map((kind) => {
      const ask = (): Promise<unknown> => databases[kind].use((session) => session.query('asking whether the database answers', 'SELECT'))
      return [DATABASES[kind], createReach(ask, explain)] as const
    }),
  ])

  async function watchLine(publish: (state: unknown) => void, signal: AbortSignal): Promise<void> {
    const [rates, absences, latencies] = [createRates(RATES_MS), new Absences(), new LatencyWindow()]
    while (!signal.aborted) {
      const began = performance.now()
      const reports = new Map<string, ServiceReport>()
      const [snapshot, servers] = await Promise.all([
        observe(
          {
            ...sources,
            deadLetters,
            // Those of the lag report, which is asked for below.
            lags: async () => undefined,
            async service(name) {
              const report = await asked.of(addresses.get(name))
              reports.set(name, report)
              return report
            },
          },
          Date.now(),
        ),
        Promise.all([...reaches].map(async ([name, reach]) => [name, await reach.look()] as const)),
      ])
      const acknowledged = total(reports.get('bridge')?.metrics ?? [], 'millrace_pubacks_total')
      rates.add(snapshot.atMs, new Map([...figures(snapshot), [ACKNOWLEDGED, acknowledged]]))
      const latency = latencies.add(snapshot.atMs, reports.get('store')?.metrics)
      // An old one says nothing of now.
      const lagNow = newest !== undefined && Date.now() - newest.atMs < LAG_OLD_MS ? newest : undefined
      const look: LineLook = { snapshot, rates, services, layout, reports, lag: lagNow, servers: new Map(servers), latency }
      publish(lineState(look, absences))
      await pause(LINE_MS - (performance.now() - began), signal)
    }
  }

  async function watchLag(publish: (state: unknown) => void, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      publish(lagState(await lag()))
      await pause(LAG_MS, signal)
    }
  }

  return {
    name: 'line',
    router: Router().get('/lag-history', (_request, response) => void response.json(memory.history)),
    feeds: [
      { name: 'line', silentMs: 5_000, run: ({ publish, signal }) => watchLine(publish, signal) },
      { name: 'lag', silentMs: 8_000, run: ({ publish, signal }) => watchLag(publish, signal) },
    ],
    async [Symbol.asyncDispose]() {
      await Promise.allSettled([sources, watch, ...Object.values(databases)].map((each) => each[Symbol.asyncDispose]()))
    },
  }
}

/** However many look, a service is asked once a second: it makes each answer beside its work. */
class RecentReports {
  private readonly answers = new Map<string | undefined, () => Promise<ServiceReport>>()

  of(address: string | undefined): Promise<ServiceReport> {
    const shared = this.answers.get(address) ?? sharedAnswer(REPORT_SHARE, LINE_MS - 100, () => askService(address))
    this.answers.set(address, shared)
    return shared()
  }
}

/** Latency of what was committed lately. */
class LatencyWindow {
  private looks: readonly { readonly atMs: number; readonly sample: Histogram; readonly receipt: Histogram }[] = []

  /** @param metrics of the store; undefined if it does not answer */
  add(
    atMs: number,
    metrics: readonly MetricSample[] | undefined,
  ): { readonly sample: Latency | undefined; readonly receipt: Latency | undefined } {
    const of = (from: string): Histogram => histogram(metrics ?? [], 'millrace_latency_seconds', 'from', from)
    const now = { atMs, sample: of('sample'), receipt: of('receipt') }
    this.looks = metrics === undefined ? [] : [...this.looks.filter((look) => look.atMs >= atMs - LATENCY_MS), now]
    const first = this.looks[0]
    const between = (kind: 'sample' | 'receipt'): Latency | undefined => {
      const found = first === undefined ? undefined : counted(now[kind], first[kind])
      return found === undefined ? undefined : latencyOf(found)
    }
    return { sample: between('sample'), receipt: between('receipt') }
  }
}

function lagState({ atMs, groups }: LagReport): LagState {
  return {
    at: atMs,
    groups: groups.map(({ group, causes, partitions, ...trend }) => ({
      group,
      causes,
      ...trendState(trend),
      partitions: partitions.map(({ topic, partition, ...each }) => ({ topic, partition, ...trendState(each) })),
    })),
  }
}

function trendState(
  trend: Pick<LagReport['groups'][number], 'lag' | 'timeLagSeconds' | 'in' | 'out' | 'state' | 'catchUpSeconds'>,
): TrendState {
  return {
    lag: trend.lag === undefined ? null : Number(trend.lag),
    timeLagSeconds: trend.timeLagSeconds ?? null,
    inPerSecond: trend.in ?? null,
    outPerSecond: trend.out ?? null,
    state: trend.state,
    catchUpSeconds: trend.catchUpSeconds ?? null,
  }
}

/** Ends early, and not with an error, if nobody looks any more. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(Math.max(0, ms), undefined, { signal }).catch(() => undefined)
}
