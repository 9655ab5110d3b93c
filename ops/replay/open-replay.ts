import type { Log } from '../../connectors/contract.ts'
import type { KafkaClient } from '../../connectors/kafka/client.ts'
import { frameFiles } from '../../connectors/postgres/archived-frames.ts'
import { createDatabase } from '../../connectors/postgres/database.ts'
import { createRegistry } from '../../connectors/registry/registry.ts'
import type { Topic } from '../../processors/contract.ts'
import { topics } from '../../processors/topics.ts'
import { type Config, ConfigError } from '../../services/config.ts'
import { kafkaClient } from '../../services/kafka.ts'
import { type FilesOf, keptRanges } from '../frames/kept-log.ts'
import type { Row, RowColumn } from '../rows/row.ts'
import { isResumable, type OutputMark, openRowOutput, type RowOutputOptions } from '../rows/row-output.ts'
import { frameRows } from './frame-rows.ts'
import { intoTable } from './into-table.ts'
import { intoTopic } from './into-topic.ts'
import { type Owners, ownersFilter } from './owners.ts'
import { type ReplayProgress, readProgress, removeProgress, writeProgress } from './progress-file.ts'
import type { ReplayRange } from './ranges.ts'
import { readingsRows } from './readings-rows.ts'
import { recordRows } from './record-rows.ts'
import { type ReplayCounts, type ReplayOptions, replay } from './replay.ts'
import { type ReplayOutput, rowsOnly } from './replay-output.ts'
import { SchemaCache } from './schema-cache.ts'
import type { TopicRows } from './topic-rows.ts'
import { compileWhere } from './where.ts'

export interface OpenReplayOptions extends Pick<ReplayOptions, 'speed' | 'bytesPerSecond' | 'log' | 'signal'> {
  readonly config: Config
  /** Name of a topic, or of a step of the line: frames, raw, status, readings. */
  readonly topic: string
  readonly devices: readonly string[]
  readonly owners: Owners
  /** A run that goes on has the span that it began with: ages would give another one. */
  readonly fromMs: number
  readonly toMs: number
  readonly byReceipt: boolean
  readonly where: string | undefined
  readonly output: ReplayTarget
  readonly resume: boolean
}

/** Rows in a format, rows into a table, or records into a topic. */
export type ReplayTarget =
  | ({ readonly tag: 'rows' } & Pick<RowOutputOptions, 'format' | 'path' | 'spreadsheet'>)
  /** `table`: one that is not there yet. `path`: where it is kept how far the run is. */
  | { readonly tag: 'table'; readonly table: string; readonly path: string }
  /** `live`: also into one that services read. `path`: where it is kept how far the run is. */
  | { readonly tag: 'topic'; readonly into: string; readonly live: boolean; readonly path: string }

/** A replay that is ready to run. */
export interface OpenReplay extends AsyncDisposable {
  readonly topic: Topic
  readonly counts: Readonly<ReplayCounts>
  /** Share that earlier runs have done: from 0 to 1. */
  readonly done: number
  /** Milliseconds since 1970. */
  readonly fromMs: number
  readonly toMs: number
  /** Whether Kafka has deleted records that may have been of the span. */
  readonly deleted: boolean
  /** Reads and writes, and ends the output, also on abort. */
  run(progress: ReplayOptions['progress']): Promise<void>
}

const STEPS: Readonly<Record<string, Topic>> = {
  frames: topics.frames,
  raw: topics.raw,
  status: topics.deviceStatus,
  readings: topics.readings,
}

/** @throws ConfigError for what cannot be done */
export async function openReplay(options: OpenReplayOptions): Promise<OpenReplay> {
  const { config, output: wanted, resume, log, signal } = options
  const topic = STEPS[options.topic] ?? (options.topic as Topic)
  const kafka = kafkaClient(config, 'millrace-replay', log)
  const keptFrom = async (fromMs: number): ReturnType<typeof keptRanges> => {
    await using database = createDatabase({ url: config.env.TELEMETRY_DATABASE_URL, applicationName: 'millrace replay' })
    const filesOf: FilesOf = async (each) =>
      config.storage.archive_frames === undefined ? [] : await database.use((session) => frameFiles(session, each))
    return await keptRanges(kafka, filesOf, topic, { fromMs, byReceipt: options.byReceipt })
  }
  const { topicId, ranges: planned, notKept } = await keptFrom(options.fromMs)
  const rows = await rowsOf(topic, config, log, signal)
  const matches = await condition(options, rows)
  const asked = JSON.stringify([
    topic,
    options.devices,
    options.owners,
    options.byReceipt,
    options.where ?? null,
    wanted.tag === 'rows' ? [wanted.format, wanted.spreadsheet] : wanted.tag === 'table' ? [wanted.table] : wanted.into,
  ])
  const before = resume && wanted.path !== undefined ? await goOn(wanted.path, asked, topicId) : undefined
  const span = before ?? { fromMs: options.fromMs, toMs: options.toMs }
  const ranges = before?.ranges ?? planned
  const kept = before === undefined ? planned : (await keptFrom(before.fromMs)).ranges
  const counts = before?.counts ?? { records: 0, bytes: 0, matched: 0, rows: 0, unreadable: 0, missing: 0 }
  const output = await openTarget(options, { kafka, topic, columns: rows.columns, partitions: ranges.length, resume: before?.mark })
  const path = wanted.tag !== 'rows' || isResumable(wanted.format) ? wanted.path : undefined
  const all = ranges.reduce((sum, { begin, end }) => sum + Number(end - begin), 0)
  return {
    topic,
    ...{ fromMs: span.fromMs, toMs: span.toMs },
    counts,
    done: all === 0 ? 0 : ranges.reduce((sum, { begin, next }) => sum + Number(next - begin), 0) / all,
    deleted: notKept.length > 0,
    async run(progress) {
      await replay({
        kafka,
        topic,
        topicId,
        rows,
        filter: {
          devices: new Set(options.devices),
          fromMicros: span.fromMs * 1000,
          toMicros: span.toMs * 1000,
          byReceipt: options.byReceipt,
          matches,
        },
        ranges,
        // What Kafka has lost after the last file counts as missing.
        kept: new Map(kept.flatMap(({ partition, files }) => files.slice(-1).map(({ next }) => [partition, { kafkaFrom: next, files }]))),
        counts,
        speed: options.speed,
        bytesPerSecond: options.bytesPerSecond,
        output,
        keep:
          path === undefined
            ? undefined
            : (now) => writeProgress(path, { version: 1, asked, fromMs: span.fromMs, toMs: span.toMs, ...now }),
        progress,
        log,
        signal,
      })
      await output.finish()
      if (path !== undefined && !signal.aborted) await removeProgress(path)
    },
    [Symbol.asyncDispose]: () => output[Symbol.asyncDispose](),
  }
}

interface TargetOptions {
  readonly kafka: KafkaClient
  readonly topic: Topic
  readonly columns: readonly RowColumn[]
  readonly partitions: number
  readonly resume: OutputMark | undefined
}

async function openTarget({ config, output, log, signal }: OpenReplayOptions, options: TargetOptions): Promise<ReplayOutput> {
  const { kafka, topic: from, columns, partitions, resume } = options
  switch (output.tag) {
    case 'rows':
      return rowsOnly(await openRowOutput({ ...output, columns, resume }))
    case 'table': {
      const { TELEMETRY_DATABASE_URL: url } = config.env
      return intoTable({ url, table: output.table, from, columns, resume: resume !== undefined, log, signal })
    }
    case 'topic': {
      const { into, live } = output
      return intoTopic({ kafka, config, from, into: into as Topic, partitions, live, resume, log, signal })
    }
  }
}

async function rowsOf(topic: Topic, config: Config, log: Log, signal: AbortSignal): Promise<TopicRows> {
  const registry = createRegistry(config.env.REGISTRY_URL)
  const schemas = new SchemaCache(registry, log, signal)
  if (topic === topics.readings) return readingsRows(schemas)
  return topic === topics.frames ? frameRows(schemas) : await recordRows(topic, registry, schemas)
}

async function condition({ config, owners, where }: OpenReplayOptions, { columns }: TopicRows): Promise<(row: Row) => boolean> {
  const isTrue = where === undefined ? () => true : compileWhere(where, columns)
  const isOwned = await ownersFilter(config.env.APP_DATABASE_URL, owners, columns)
  return (row) => isOwned(row) && isTrue(row)
}

/** What an earlier run has left. */
async function goOn(
  path: string,
  asked: string,
  topicId: string,
): Promise<Pick<ReplayProgress, 'fromMs' | 'toMs' | 'counts' | 'mark'> & { readonly ranges: readonly ReplayRange[] }> {
  const progress = await readProgress(path)
  if (progress.asked !== asked)
    throw new ConfigError(`--resume: ${path} is of a replay that was asked for something else: give it the same options`)
  if (progress.topicId !== topicId)
    throw new ConfigError(`--resume: the topic was deleted and made again since: ${path} cannot be gone on with`)
  const ranges = progress.partitions.map(({ partition, begin, next, end }) => ({
    partition,
    begin: BigInt(begin),
    next: BigInt(next),
    end: BigInt(end),
  }))
  const { fromMs, toMs, counts, mark } = progress
  return { ranges, fromMs, toMs, counts, mark }
}
