import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { archivedReadings } from '../../connectors/archive/archived-readings.ts'
import { type Duck, openDuck } from '../../connectors/archive/duckdb.ts'
import { type ArchiveToRead, openPlaceToRead } from '../../connectors/archive/read-place.ts'
import { ConnectorError, type Log } from '../../connectors/contract.ts'
import { type ArchivedDay, archivedDays } from '../../connectors/postgres/archived-days.ts'
import { createDatabase } from '../../connectors/postgres/database.ts'
import { archiveColumns } from '../../connectors/postgres/day-export.ts'
import { bucketsOf, readingsPage } from '../../connectors/postgres/device-readings.ts'
import type { Session } from '../../connectors/postgres/session.ts'
import { dayFolder, FILE_NAME } from '../../processors/store/archive-manifest.ts'
import type { ConflictPolicy } from '../../processors/store/merge-columns.ts'
import { ConfigError } from '../../services/config.ts'
import { throughOutages } from '../../services/through-outages.ts'
import type { Row, RowColumn } from '../rows/row.ts'
import { BUCKET_COLUMNS, Buckets, bucketOf } from './buckets.ts'
import { readTiers, type Span, type Tiers } from './read-tiers.ts'

export interface HistoryOptions {
  /** The telemetry database. */
  readonly url: string
  readonly devices: readonly string[]
  /** Microseconds since 1970. `toMicros` is not included. */
  readonly fromMicros: number
  readonly toMicros: number
  /** Length of a bucket; undefined for the readings themselves. */
  readonly everyMicros: number | undefined
  /** Names of quantities; all if it is empty. */
  readonly quantities: readonly string[]
  readonly conflicts: ConflictPolicy
  /** Of the AWS SDK, if the archive is a bucket. */
  readonly env: NodeJS.ProcessEnv
  readonly log: Log
  readonly signal: AbortSignal
}

/** Readings of devices, or what roll-ups make of them. */
export interface History extends AsyncDisposable {
  readonly columns: readonly RowColumn[]
  /** By device, in the order given, and then by time. */
  rows(): AsyncGenerator<HistoryRows>
}

export interface HistoryRows {
  readonly rows: readonly Row[]
  /** Of the span of all devices: from 0 to 1. */
  readonly done: number
}

/** Rows of the table that are read at once. */
const PAGE_ROWS = 5_000
/** Buckets that are read at once, with up to a row for each quantity. */
const PAGE_BUCKETS = 500
const HOUR_MICROS = 3_600_000_000
/** What a row has that is no quantity. */
const LEADING = new Set(['device_id', 'ts', 'time_estimated', 'account_id', 'site_id'])

/** @throws ConfigError if a quantity is not one of table readings */
export async function openHistory(options: HistoryOptions): Promise<History> {
  const { url, devices, fromMicros, toMicros, everyMicros, quantities, conflicts, log, signal } = options
  const database = createDatabase({ url, applicationName: 'millrace history' })
  const archive = new OpenArchive(options.env)
  const ask = <Result>(doing: string, work: (session: Session) => Promise<Result>): Promise<Result> =>
    throughOutages(doing, () => database.use(work), { log, signal })
  const close = async (): Promise<void> => {
    await archive[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
  }

  const columns = await chosen().catch(async (cause: unknown) => {
    await close()
    throw cause
  })
  const names = columns.map(({ name }) => name).filter((name) => !LEADING.has(name))
  const tiers: Tiers = {
    table: (span, limit) => ask('reading readings', (session) => readingsPage(session, columns, span, limit)),
    archived: () => ask('listing archived days', archivedDays),
    archive: (day, span) => archive.rows(day, columns, span),
  }

  async function chosen(): Promise<readonly RowColumn[]> {
    const all = await ask('reading the columns of readings', archiveColumns)
    const known = all.map(({ name }) => name).filter((name) => !LEADING.has(name))
    const unknown = quantities.find((name) => !known.includes(name))
    if (unknown !== undefined)
      throw new ConfigError(`readings have no quantity ${JSON.stringify(unknown)}: expected some of ${known.join(', ')}`)
    return quantities.length === 0 ? all : all.filter(({ name }) => LEADING.has(name) || quantities.includes(name))
  }

  /** From the coarsest tier that answers exactly, whatever is archived: roll-ups stay. */
  async function* rolledUp(span: Span, every: number): AsyncGenerator<readonly [rows: readonly Row[], micros: number]> {
    for (let at = span.fromMicros; at < span.toMicros; at += PAGE_BUCKETS * every) {
      const part = { ...span, fromMicros: at, toMicros: Math.min(at + PAGE_BUCKETS * every, span.toMicros) }
      yield [await ask('reading roll-ups', (session) => bucketsOf(session, part, every / 1_000_000, names)), part.toMicros]
    }
  }

  async function* gathered(span: Span, every: number): AsyncGenerator<readonly [rows: readonly Row[], micros: number]> {
    const buckets = new Buckets(columns, names, every)
    for await (const [rows, micros] of readings(span)) yield [buckets.add(rows), micros]
    yield [buckets.rest(), span.toMicros]
  }

  async function* readings(span: Span): AsyncGenerator<readonly [rows: readonly Row[], micros: number]> {
    const time = columns.findIndex(({ name }) => name === 'ts')
    for await (const rows of readTiers(tiers, span, { columns, conflicts, pageRows: PAGE_ROWS }))
      yield [rows, rows.at(-1)?.[time] as number]
  }

  return {
    columns: everyMicros === undefined ? columns : BUCKET_COLUMNS,
    async *rows() {
      // Buckets are whole, also those that the ends of the span are in.
      const begin = everyMicros === undefined ? fromMicros : bucketOf(fromMicros, everyMicros)
      const end = everyMicros === undefined ? toMicros : bucketOf(toMicros - 1, everyMicros) + everyMicros
      for (const [index, device] of devices.entries()) {
        const span = { device, fromMicros: begin, toMicros: end }
        const all =
          everyMicros === undefined
            ? readings(span)
            : everyMicros % HOUR_MICROS === 0
              ? rolledUp(span, everyMicros)
              : gathered(span, everyMicros)
        for await (const [rows, micros] of all) yield { rows, done: (index + (micros - begin) / (end - begin)) / devices.length }
      }
    },
    [Symbol.asyncDispose]: close,
  }
}

/** The archive, opened when a day of it is needed: most questions are about the table alone. */
class OpenArchive implements AsyncDisposable {
  private readonly env: NodeJS.ProcessEnv
  private readonly places = new Map<string, Promise<ArchiveToRead>>()
  private folder: string | undefined
  private duck: Duck | undefined

  constructor(env: NodeJS.ProcessEnv) {
    this.env = env
  }

  async *rows(day: ArchivedDay, columns: readonly RowColumn[], span: Span): AsyncGenerator<readonly Row[]> {
    const place = await (this.places.get(day.location) ?? this.open(day.location))
    // Late rows may have been merged into it already. They are in the table as well, and merge to
    // the same rows.
    const path = await place.read(`${dayFolder(day.day)}/${FILE_NAME}`)
    if (path === undefined) {
      if (day.state === 'removing') return
      throw new ConnectorError(
        'archive-missing',
        false,
        `the archive has no readings of ${day.day}: expected ${place.location}/${dayFolder(day.day)}/${FILE_NAME}, which must be within reach of this machine`,
      )
    }
    yield* archivedReadings(await this.duckdb(), path, columns, span)
  }

  private open(location: string): Promise<ArchiveToRead> {
    const opened = openPlaceToRead(location, this.env)
    this.places.set(location, opened)
    return opened
  }

  private async duckdb(): Promise<Duck> {
    this.folder ??= await mkdtemp(join(tmpdir(), 'millrace-history-'))
    this.duck ??= await openDuck(this.folder)
    return this.duck
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.duck?.[Symbol.asyncDispose]()
    for (const place of this.places.values()) await (await place)[Symbol.asyncDispose]()
    if (this.folder !== undefined) await rm(this.folder, { recursive: true, force: true })
  }
}
