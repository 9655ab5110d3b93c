import { openPlace } from '../../connectors/archive/open-place.ts'
import { ConnectorError, type Log } from '../../connectors/contract.ts'
import type { KafkaClient } from '../../connectors/kafka/client.ts'
import { openTopicLogs } from '../../connectors/kafka/topic-logs.ts'
import { frameFiles } from '../../connectors/postgres/archived-frames.ts'
import { findBackend } from '../../connectors/postgres/backend-choice.ts'
import { createDatabase } from '../../connectors/postgres/database.ts'
import type { Unbacked } from '../../connectors/postgres/recompute-apply.ts'
import {
  beginRecompute,
  forgetPlaces,
  noteRecompute,
  type OpenRun,
  type RecomputeDay,
  readReport,
  recomputeDays,
  releaseRestored,
  takeRecomputeTurn,
} from '../../connectors/postgres/recompute-log.ts'
import { createShadow, dropShadow, type Scope } from '../../connectors/postgres/recompute-shadow.ts'
import { openSession, type Session } from '../../connectors/postgres/session.ts'
import { coveredRanges, forgetRanges } from '../../connectors/postgres/site-history.ts'
import { createRegistry } from '../../connectors/registry/registry.ts'
import type { Topic } from '../../processors/contract.ts'
import { archiveSettings, type Config, ConfigError } from '../../services/config.ts'
import { appOwner, telemetryOwner } from '../../services/database-users.ts'
import { kafkaClient } from '../../services/kafka.ts'
import { shadowSink } from '../../services/store/parts.ts'
import { restoreDay } from '../archive/restore-day.ts'
import { keptRanges, type NotKept } from '../frames/kept-log.ts'
import { ByteCap } from '../replay/pace.ts'
import { basisOf } from './basis.ts'
import { applyDays, compareDays, noteUnbackedDays, planChanges } from './days.ts'
import { type FillCounts, type FillOptions, fill, placesOf } from './fill.ts'
import { type Makers, openMakers } from './makers.ts'
import type { RecomputeReport } from './report.ts'

export interface RecomputeOptions {
  readonly config: Config
  readonly scope: Scope
  /** Whether the rows are replaced; else it is only reported what differs. */
  readonly apply: boolean
  readonly unbacked: Unbacked
  readonly bytesPerSecond: number
  /** Who does it, for the audit. */
  readonly by: string
  readonly progress: (stage: RecomputeStage, done: number) => void
  readonly log: Log
  readonly signal: AbortSignal
}

export type RecomputeStage = 'reading' | 'comparing' | 'replacing'

export interface Recomputed {
  readonly run: bigint
  /** Whether it went on with a run that was killed or interrupted. */
  readonly wentOn: boolean
  /** Undefined if it was interrupted before. */
  readonly report: RecomputeReport | undefined
  /** Days that are to be replaced, or are. */
  readonly days: readonly RecomputeDay[]
  readonly counts: FillCounts
  /** What neither Kafka nor the archive has, and may be of the span. */
  readonly notKept: readonly NotKept[]
  /** Ranges of `millrace sites recompute` that are done by this. */
  readonly ranges: number
}

/**
 * Runs what devices sent through the deployed processors once more, into a shadow table, compares
 * it with the rows of the line, and replaces these if that is asked for. It may be killed at any
 * moment: the same command goes on with it, if conversions and assignments are still the same, and
 * begins anew if not. One at a time. Waits through outages while it reads.
 * @throws ConnectorError, ConfigError
 */
export async function recompute(options: RecomputeOptions): Promise<Recomputed> {
  const { config, log, signal } = options
  // A day takes long, and so does what is between two statements.
  const session = await openSession({
    url: telemetryOwner(config),
    applicationName: 'millrace recompute',
    statementTimeoutMs: 0,
    answerTimeoutMs: 0,
    idleInTransactionTimeoutMs: 0,
  })
  try {
    if (!(await takeRecomputeTurn(session)))
      throw new ConnectorError('busy', true, 'another recomputation is under way: try again once it is over')
    const kafka = kafkaClient(config, 'millrace-recompute', log)
    await using makers = await openMakers(config, { kafka, log, signal })
    return await new Run(options, session, kafka, makers).toEnd()
  } finally {
    await session.close()
  }
}

class Run {
  private readonly options: RecomputeOptions
  private readonly session: Session
  private readonly kafka: KafkaClient
  private readonly makers: Makers
  private readonly counts: FillCounts = { records: 0, taken: 0, unreadable: 0, missing: 0, refused: new Map() }

  constructor(options: RecomputeOptions, session: Session, kafka: KafkaClient, makers: Makers) {
    this.options = options
    this.session = session
    this.kafka = kafka
    this.makers = makers
  }

  async toEnd(): Promise<Recomputed> {
    const { session } = this
    const { scope, apply, signal } = this.options
    const notKept = await this.notKept()
    // Before the basis, so that the rows follow from what these ranges were noted for.
    const ranges = await this.inApp((app) => coveredRanges(app, scope.devices, scope))
    const basis = await this.basis()
    const run = await this.begin(basis)
    let done = 0
    const report = run.state === 'applying' ? await this.storedReport(run) : await this.report(run, basis)
    if (report !== undefined && !signal.aborted) {
      if (apply) await this.apply(run)
      if (!signal.aborted) {
        if (apply) done = await this.inApp((app) => forgetRanges(app, ranges))
        await this.end(run, apply ? 'applied' : 'reported')
      }
    }
    return {
      run: run.id,
      wentOn: !run.fresh,
      report,
      days: await recomputeDays(session, run.id),
      counts: this.counts,
      notKept,
      ranges: done,
    }
  }

  private async notKept(): Promise<readonly NotKept[]> {
    const found: NotKept[] = []
    for (const topic of this.sources()) {
      const { notKept } = await keptRanges(this.kafka, (each) => frameFiles(this.session, each), topic, {
        fromMs: this.options.scope.fromMs,
        byReceipt: false,
      })
      found.push(...notKept)
    }
    return found
  }

  private sources(): readonly Topic[] {
    return [...new Set(this.makers.all.map(({ declared }) => declared.processor.from.topic))]
  }

  private async basis(): Promise<string> {
    const { config, scope } = this.options
    await using logs = openTopicLogs(this.kafka)
    const sources = this.sources()
    const states = await logs.topics(sources)
    return await this.inApp((app) =>
      basisOf({
        registry: createRegistry(config.env.REGISTRY_URL),
        app,
        devices: scope.devices,
        dialects: this.makers.all.map(({ apart }) => apart.dialects()),
        tables: this.makers.all.flatMap(({ declared }) => Object.values(declared.tables ?? {})),
        topicIds: sources.map((topic) => states.get(topic)?.id ?? ''),
      }),
    )
  }

  private async inApp<Result>(work: (session: Session) => Promise<Result>): Promise<Result> {
    await using app = createDatabase({ url: appOwner(this.options.config), applicationName: 'millrace recompute' })
    return await app.use(work)
  }

  /** Goes on with the run of before, or makes its tables anew. */
  private async begin(basis: string): Promise<OpenRun> {
    const { session } = this
    const { scope, apply, unbacked, by } = this.options
    await session.script('beginning a recomputation', 'BEGIN')
    const run = await beginRecompute(session, { scope, apply, unbacked, basis }, by)
    if (run.fresh) {
      await createShadow(session)
      await forgetPlaces(session, this.consumers())
    }
    await releaseRestored(session, run.id)
    await session.commit('beginning a recomputation')
    return run
  }

  private async report(run: OpenRun, basis: string): Promise<RecomputeReport | undefined> {
    const { session } = this
    const { scope, config, apply, unbacked, signal, progress } = this.options
    await this.fill()
    const parts = { session, backend: await findBackend(session, config.store.backend), scope, env: process.env }
    if (unbacked !== 'none' && !signal.aborted) {
      await noteUnbackedDays(parts)
      // What the line stored until then has its frames in Kafka by now.
      await this.fill()
    }
    if (signal.aborted) return undefined
    if ((await this.basis()) !== basis)
      throw new ConnectorError(
        'basis-changed',
        true,
        'conversions, dialects, assignments or looked-up tables were changed while rows were recomputed: nothing was replaced; run it again',
      )
    const report = await compareDays(parts, (done) => progress('comparing', done))
    await session.script('noting what is to be replaced', 'BEGIN')
    if (apply) await planChanges(session, run.id, report, unbacked)
    await noteRecompute(session, run.id, apply ? 'applying' : 'filling', report)
    await session.commit('noting what is to be replaced')
    return report
  }

  private async storedReport(run: OpenRun): Promise<RecomputeReport> {
    return (await readReport(this.session, run.id)) as RecomputeReport
  }

  private async fill(): Promise<void> {
    const { config, scope, bytesPerSecond, progress, log, signal } = this.options
    await using sink = shadowSink(config, log)
    const parts: FillOptions = {
      config,
      kafka: this.kafka,
      makers: this.makers.all,
      devices: new Set(scope.devices),
      fromMs: scope.fromMs,
      files: (topic) => frameFiles(this.session, topic),
      env: process.env,
      sink,
      cap: new ByteCap(bytesPerSecond),
      counts: this.counts,
      progress: (done) => progress('reading', done),
      log,
      signal,
    }
    await fill(parts)
  }

  private async apply({ id }: OpenRun): Promise<void> {
    const { session } = this
    const { config, scope, unbacked, signal, progress } = this.options
    const backend = await findBackend(session, config.store.backend)
    await applyDays({
      session,
      backend,
      scope,
      run: id,
      unbacked,
      rollups: config.store.rollups === 'kept',
      restore: (day) => this.restore(day),
      signal,
      progress: (done) => progress('replacing', done),
    })
  }

  private async restore(day: string): Promise<void> {
    const { session } = this
    const { config, log } = this.options
    const { archive } = config.storage
    const settings = archiveSettings(config)
    if (archive === undefined || settings === undefined)
      throw new ConfigError(`${day} is in the archive: expected storage.archive, so that it can be brought back`)
    await using place = await openPlace(archive, process.env)
    await restoreDay(
      {
        session,
        backend: await findBackend(session, config.store.backend),
        settings,
        place,
        openExport: () =>
          openSession({
            url: telemetryOwner(config),
            applicationName: 'millrace recompute export',
            statementTimeoutMs: 0,
            answerTimeoutMs: 0,
            idleInTransactionTimeoutMs: 0,
          }),
        conflicts: config.store.conflicts,
        adopt: false,
        nowMs: () => Date.now(),
        day,
        rollups: config.store.rollups === 'kept',
      },
      (event) => log.info('archive', { ...event }),
    )
  }

  private async end({ id }: OpenRun, state: 'reported' | 'applied'): Promise<void> {
    const { session } = this
    await session.script('ending a recomputation', 'BEGIN')
    await dropShadow(session)
    await forgetPlaces(session, this.consumers())
    await noteRecompute(session, id, state)
    await session.commit('ending a recomputation')
  }

  private consumers(): readonly string[] {
    return this.makers.all.map(({ declared }) => placesOf(declared))
  }
}
