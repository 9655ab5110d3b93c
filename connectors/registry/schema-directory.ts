import { setTimeout as delay } from 'node:timers/promises'
import { backoffMs } from '../../processors/backoff.ts'
import { ConnectorError, type Log } from '../contract.ts'
import type { SchemaRegistry } from './registry.ts'

/** One registered version. */
export interface DirectoryEntry {
  readonly subject: string
  readonly id: number
  readonly version: number
  readonly json: unknown
}

export interface SchemaDirectoryOptions {
  readonly registry: SchemaRegistry
  /** Subjects that start with this. */
  readonly prefix: string
  readonly log: Log
  readonly signal: AbortSignal
  /** Called with all versions, oldest first within a subject, after each reading. */
  readonly changed?: (entries: readonly DirectoryEntry[]) => void
  /** Milliseconds of a monotonic clock. */
  readonly now?: () => number
}

/** The versions of some subjects, kept in memory. */
export interface SchemaDirectory extends AsyncDisposable {
  /**
   * Makes the answers for these IDs definitive: an ID that is unknown is one that a reading begun after the call did not find, or one of the last two
   * seconds. Waits through an outage of the registry; rejects only on abort.
   */
  prepare(ids: ReadonlySet<number>): Promise<void>
  /** Reads the registry again, unless that was done a moment ago. Waits through outages. */
  refresh(): Promise<void>
  /** The schema's JSON; undefined where no subject here has that ID. */
  schema(id: number): unknown
}

/** A version that was just registered is noticed after this long at the latest. */
const REFRESH_MS = 10_000
/** An ID or fingerprint that nobody knows must not become a request for each record that has it. */
const LEAST_INTERVAL_MS = 2_000
/** Most unknown IDs that are remembered. */
const ABSENT_LIMIT = 10_000
const BACKOFF = { baseMs: 200, maxMs: 10_000 }

/** Reads the subjects once before it resolves, then every 10 s and when asked for an ID that it does not know. */
export async function openSchemaDirectory(options: SchemaDirectoryOptions): Promise<SchemaDirectory> {
  const { registry, prefix, log, signal, now = () => performance.now() } = options
  let schemas: ReadonlyMap<number, unknown> = new Map()
  let readAt = Number.NEGATIVE_INFINITY
  let reading: Promise<void> | undefined
  /** When the latest reading began. */
  let begunAt = Number.NEGATIVE_INFINITY
  /** IDs that a reading did not find, by when it was over. */
  const absent = new Map<number, number>()

  async function read(): Promise<void> {
    begunAt = now()
    const entries: DirectoryEntry[] = []
    for (const subject of await registry.subjects(prefix)) {
      for (const { id, version, schema } of await registry.versions(subject))
        entries.push({ subject, id, version, json: JSON.parse(schema) as unknown })
    }
    schemas = new Map(entries.map(({ id, json }) => [id, json]))
    readAt = now()
    options.changed?.(entries)
  }

  async function readThroughOutages(): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await read()
      } catch (cause) {
        if (!(cause instanceof ConnectorError) || !cause.transient) throw cause
        if (attempt === 0) log.warn('the registry does not answer; waiting for it', { cause: cause.message })
        await delay(backoffMs(attempt, BACKOFF, Math.random), undefined, { signal })
      }
    }
  }

  function readOnce(): Promise<void> {
    reading ??= readThroughOutages().finally(() => {
      reading = undefined
    })
    return reading
  }

  /**
   * Reads for IDs that are not known, in a reading of its own: one that was under way, or over a moment ago, may have missed what was registered since.
   * A record that came with a new schema would be taken for garbage.
   */
  async function find(missing: readonly number[]): Promise<void> {
    await reading
    const pauseMs = LEAST_INTERVAL_MS - (now() - begunAt)
    if (pauseMs > 0) await delay(pauseMs, undefined, { signal })
    await readOnce()
    if (absent.size > ABSENT_LIMIT) absent.clear()
    for (const id of missing) if (!schemas.has(id)) absent.set(id, now())
  }

  async function refresh(): Promise<void> {
    if (now() - readAt >= LEAST_INTERVAL_MS) await readOnce()
  }

  await readOnce()
  const timer = setInterval(() => {
    // With everything known in memory an outage stops nothing; the next turn tries again.
    if (reading === undefined)
      read().catch((cause: unknown) => log.warn('the registry could not be read; going on with what is known', { cause: String(cause) }))
  }, REFRESH_MS)
  timer.unref()

  return {
    async prepare(ids) {
      const oldest = now() - LEAST_INTERVAL_MS
      const missing = [...ids].filter((id) => !schemas.has(id) && !((absent.get(id) ?? Number.NEGATIVE_INFINITY) > oldest))
      if (missing.length > 0) await find(missing)
    },
    refresh,
    schema: (id) => schemas.get(id),
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
    },
  }
}
