import { openAdmin } from '../../connectors/kafka/client.ts'
import { groupMembers } from '../../connectors/kafka/group-members.ts'
import { createRecordReader, type RecordReader } from '../../connectors/kafka/record-reader.ts'
import { createDatabase } from '../../connectors/postgres/database.ts'
import { lockWaits, tableLocks } from '../../connectors/postgres/lock-waits.ts'
import type { Session } from '../../connectors/postgres/session.ts'
import type { Topic } from '../../processors/contract.ts'
import type { DeclaredService } from '../../processors/declaration.ts'
import type { Config } from '../../services/config.ts'
import { declaredServices } from '../../services/declared.ts'
import { kafkaClient } from '../../services/kafka.ts'
import { createLog } from '../../services/log.ts'
import { byLabel, type MetricSample, total } from '../status/prometheus-text.ts'
import { answer, askService, type ServiceReport } from '../status/service-report.ts'
import { serviceAddresses } from '../supervisor/service-programs.ts'
import { causesOf, type HotPartition } from './causes.ts'
import { devicesAhead, hotPartitions } from './hot-partitions.ts'
import type { GroupPartitionLag } from './lag-table.ts'
import { openLags } from './lags.ts'
import { type LagLook, type PartitionLook, type Patience, placeOf, type Trend, trendOf } from './trend.ts'

/** How each group gets on, and why it is behind. */
export interface LagReport {
  /** Milliseconds since 1970. */
  readonly atMs: number
  readonly groups: readonly GroupReport[]
}

export interface GroupReport extends Trend {
  readonly group: string
  /** Members of its consumer group; undefined if Kafka did not say. */
  readonly members: number | undefined
  /** Why it is behind, the most certain reason first; empty if it is not. */
  readonly causes: readonly string[]
  readonly partitions: readonly PartitionReport[]
}

export interface PartitionReport extends Trend, Pick<GroupPartitionLag, 'topic' | 'partition' | 'committed' | 'end'> {}

/** Looks at the lag of the configured groups, again and again. */
export interface LagWatch extends AsyncDisposable {
  /**
   * Looks once. Rates are over the looks of the last `windowMs`, so the first report has none.
   * @throws ConnectorError if Kafka cannot be asked
   */
  look(): Promise<LagReport>
}

const WELL: Patience = { followsSeconds: 3, stalledSeconds: 10 }
/** A service that is in no hurry commits every few seconds, every half a minute if it is busy. */
const UNHURRIED: Patience = { followsSeconds: 35, stalledSeconds: 60 }
/** A database that takes longer is not waited for: what it would say is not known. */
const STATEMENT_MS = 2_000
/** A fetch of one batch of records. */
const ONE_BATCH = 1

/**
 * Dials when it is first asked.
 * @param ask how a service is asked; somebody else may have asked it a moment ago
 */
export async function openLagWatch(config: Config, windowMs: number, ask = askService): Promise<LagWatch> {
  const services = (await declaredServices(config)).filter(({ reads }) => reads.length > 0)
  // One port for all: each service is on a machine of its own, and nobody says which.
  const known =
    typeof config.metrics.ports === 'number' && config.metrics.reached_as === undefined ? [] : serviceAddresses(config, services)
  const addresses = new Map(known.map(({ name, address }) => [name, address]))
  const kafka = kafkaClient(config, 'millrace-lag', createLog('lag'))
  const admin = openAdmin(kafka)
  const [single, several] = [createRecordReader(kafka, ONE_BATCH), createRecordReader(kafka)]
  const lags = await openLags({ config, statementTimeoutMs: STATEMENT_MS })
  const databases = [config.env.TELEMETRY_DATABASE_URL, config.env.APP_DATABASE_URL].map((url) =>
    createDatabase({ url, applicationName: 'millrace lag', statementTimeoutMs: STATEMENT_MS }),
  )
  const unread = new UnreadTimes(single)
  let looks: readonly Look[] = []

  /** What is asked of both databases, of those that answer. */
  async function ofDatabases<Found>(ask: (session: Session) => Promise<readonly Found[]>): Promise<readonly Found[]> {
    const found = await Promise.all(databases.map((database) => answer(() => database.use(ask))))
    return found.flatMap((each) => each ?? [])
  }

  async function hot(partitions: readonly PartitionLook[]): Promise<readonly HotPartition[]> {
    const found: HotPartition[] = []
    for (const { look, ...rest } of hotPartitions(partitions))
      found.push({ ...rest, devices: await devicesAhead(several, look).catch(() => []) })
    return found
  }

  return {
    async look() {
      const read = await lags.readKnown()
      const atMs = Date.now()
      const [partitions, members, waits, locks, ...reports] = await Promise.all([
        unread.of(read.lags),
        answer(() =>
          groupMembers(
            admin,
            services.map(({ name }) => name),
          ),
        ),
        ofDatabases(lockWaits),
        ofDatabases(tableLocks),
        ...services.map(({ name }) => ask(addresses.get(name))),
      ])
      const last: Look = { atMs, partitions, reports: new Map(services.map(({ name }, index) => [name, reports[index] as ServiceReport])) }
      looks = [...looks.filter((look) => look.atMs >= atMs - windowMs), last]
      const first = looks.length > 1 ? looks[0] : undefined
      const report = async (service: DeclaredService): Promise<GroupReport> => {
        const { name: group } = service
        const patience = patienceWith(service)
        const mine = partitions.filter((each) => each.group === group)
        const trend = trendOf(last, first, (each) => each.group === group, patience)
        const said = last.reports.get(group)
        const causes = causesOf({
          group,
          state: trend.state,
          unreadable: read.unreadable.get(group),
          members: members?.get(group)?.length,
          address: addresses.get(group),
          problems: problemsOf(said),
          ...busy(said?.metrics, first?.reports.get(group)?.metrics, (atMs - (first?.atMs ?? atMs)) / 1_000),
          lockWaits: waits,
          tableLocks: locks,
          gone: mine,
          hot: trend.state === 'idle' || trend.state === 'following' ? [] : await hot(mine),
        })
        const each = mine.map(({ topic, partition, committed, end }) => {
          const place = placeOf({ group, topic, partition })
          return { topic, partition, committed, end, ...trendOf(last, first, (other) => placeOf(other) === place, patience) }
        })
        return { group, members: members?.get(group)?.length, ...trend, causes, partitions: each }
      }
      const groups: GroupReport[] = []
      for (const service of services) groups.push(await report(service))
      return { atMs, groups }
    },
    async [Symbol.asyncDispose]() {
      await Promise.allSettled([admin, single, several, lags, ...databases].map((each) => each[Symbol.asyncDispose]()))
    },
  }
}

interface Look extends LagLook {
  readonly reports: ReadonlyMap<string, ServiceReport>
}

function patienceWith({ fetching }: DeclaredService): Patience {
  return fetching.pace === 'unhurried' ? UNHURRIED : WELL
}

function problemsOf(report: ServiceReport | undefined): Parameters<typeof causesOf>[0]['problems'] {
  return report?.problems === undefined
    ? undefined
    : [...report.problems].map(([part, problem]) => ({ part, problem, since: report.since?.get(part) }))
}

/** What a service did with its time between two looks at its metrics. */
function busy(
  now: readonly MetricSample[] | undefined,
  before: readonly MetricSample[] | undefined,
  seconds: number,
): { readonly stages: ReadonlyMap<string, number> | undefined; readonly cores: number | undefined } {
  const none = { stages: undefined, cores: undefined }
  if (now === undefined || before === undefined || seconds <= 0) return none
  const cpu = (samples: readonly MetricSample[]): number => total(samples, 'process_cpu_seconds_total') ?? 0
  // It was started again in between.
  if (cpu(now) < cpu(before)) return none
  const was = byLabel(before, 'millrace_stage_seconds_total', 'stage')
  const stages = [...byLabel(now, 'millrace_stage_seconds_total', 'stage')].map(
    ([stage, spent]) => [stage, Math.max(0, Math.min(1, (spent - (was.get(stage) ?? 0)) / seconds))] as const,
  )
  return { stages: new Map(stages), cores: (cpu(now) - cpu(before)) / seconds }
}

/**
 * The times of the records that groups have to read next. One is asked for again only when its
 * group has moved: a group that stands still costs nothing.
 */
class UnreadTimes {
  private readonly reader: Pick<RecordReader, 'readRange'>
  private known = new Map<string, { readonly position: bigint; readonly ms: number }>()

  constructor(reader: Pick<RecordReader, 'readRange'>) {
    this.reader = reader
  }

  async of(lags: readonly GroupPartitionLag[]): Promise<readonly PartitionLook[]> {
    const looks: PartitionLook[] = []
    // One after the other: kafkajs would open a connection for each.
    for (const lag of lags) looks.push({ ...lag, unreadMs: await this.timeOf(lag) })
    return looks
  }

  private async timeOf(lag: GroupPartitionLag): Promise<number | null | undefined> {
    if (lag.lag === 0n) return null
    if (lag.lag === null) return undefined
    const [place, position] = [placeOf(lag), lag.end - lag.lag]
    const before = this.known.get(place)
    if (before?.position === position) return before.ms
    const ms = await this.read(lag.topic as Topic, lag.partition, position, lag.end).catch(() => undefined)
    if (ms === undefined) this.known.delete(place)
    else this.known.set(place, { position, ms })
    return ms
  }

  private async read(topic: Topic, partition: number, position: bigint, end: bigint): Promise<number | undefined> {
    for await (const [first] of this.reader.readRange(topic, partition, position, end)) return first?.timestampMs
    return undefined
  }
}
