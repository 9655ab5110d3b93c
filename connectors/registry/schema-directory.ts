import { setTimeout as delay } from 'node:timers/promises'
import { systemClock } from '../clock.ts'
import { ConnectorError, isTransient, type Log, type SchemaMemory } from '../contract.ts'
import { retry } from '../retry.ts'
import type { OwnSubject } from './judge.ts'
import { type IdLookup, KnownSchemas } from './known-schemas.ts'
import { Paced } from './paced.ts'
import { readAgain, readNewSubjects, type Seen } from './read-registry.ts'
import type { SchemaRegistry } from './registry.ts'

export interface SchemaDirectoryOptions {
  readonly registry: SchemaRegistry
  /** Subjects that start with this. */
  readonly prefix: string
  readonly ownSubject: OwnSubject
  readonly log: Log
  readonly signal: AbortSignal
  /**
   * Called if anything has changed: after a reading, and in the middle of one, once new subjects
   * have been read.
   */
  readonly changed?: (known: KnownSchemas) => void
  /** What outlives the registry. */
  readonly memory?: SchemaMemory
  /**
   * How long `prepare` waits in all while the registry does not answer. What is unknown then counts
   * as unknown. Without it, `prepare` waits for ever.
   */
  readonly patienceMs?: number
  /** Health: what is wrong with the registry; null once it answers. */
  readonly problem?: (what: string | null) => void
  /** How often new subjects are looked for if nobody asks; 10 s unless told otherwise. */
  readonly refreshMs?: number
  /** Milliseconds of a monotonic clock. */
  readonly now?: () => number
}

/** What records carry about their schemas. */
export interface Wanted {
  readonly ids?: ReadonlySet<number>
  /** As hexadecimal. */
  readonly fingerprints?: ReadonlySet<string>
}

/** The schemas of some subjects, kept in memory. */
export interface SchemaDirectory extends AsyncDisposable {
  /**
   * Makes the answers for these definitive. What is then unknown was not found by a reading that
   * began after the call, or in the last two seconds. Waits through an outage of the registry as
   * long as its patience lasts; rejects only on abort.
   */
  prepare(wanted: Wanted): Promise<void>
  /**
   * Resolves when new subjects have been looked for, in a reading that began after the call. New
   * versions of known subjects are found by then too, if reading them takes only a moment. If there
   * are very many subjects, these are read in the background. Waits through outages.
   */
  refresh(): Promise<void>
  /**
   * The schema that a record was written with. The fingerprint (8 bytes, little-endian) decides if
   * there is one, because IDs may be handed out twice.
   */
  lookup(id: number, fingerprint?: Buffer): IdLookup
  /**
   * The JSON of that schema; undefined if it is not known, or if the ID stands for several schemas.
   */
  schema(id: number, fingerprint?: Buffer): unknown
  /** Entries of the registry that do not count: each was logged once. */
  ignored(): number
  /** How long the registry has not answered; 0 while it does. */
  unansweredMs(): number
}

/**
 * A subject that was just registered is noticed after this long at the latest. So is a new version
 * of a known one, unless there are very many subjects: then after the time of twenty readings.
 */
const REFRESH_MS = 10_000
const REFRESH_SHARE = 20
/**
 * If somebody asks, it is read again after a moment. A registry with many subjects gets a rest of
 * four readings' time.
 */
const LEAST_PAUSE_MS = 100
const MOST_PAUSE_MS = 5_000
const PAUSE_SHARE = 4
/** If reading all subjects takes no longer than this, it is done at every look for new ones. */
const MOMENT_MS = 200
/** An unknown ID or fingerprint must not cause a reading for each record that has it. */
const ABSENT_MS = 2_000
/** Most unknown ones that are remembered. */
const ABSENT_LIMIT = 10_000
/** Health reports an outage once it has lasted this long. */
const PROBLEM_MS = 15_000
/** Shorter than for others: devices of a new firmware wait for the first answer, not for long. */
const REGISTRY_BACKOFF = { baseMs: 200, maxMs: 2_000 }

/**
 * Reads the subjects once before it resolves, then every 10 s and when asked for what it does not
 * know.
 */
export async function openSchemaDirectory(options: SchemaDirectoryOptions): Promise<SchemaDirectory> {
  const directory = new Directory(options)
  await directory.open()
  return directory
}

type Reading = 'new subjects' | 'all subjects'

class Directory implements SchemaDirectory {
  private readonly options: SchemaDirectoryOptions
  private readonly stopping = new AbortController()
  private readonly signal: AbortSignal
  private readonly known = new KnownSchemas()
  /** Why entries do not count, by subject and version. */
  private readonly refused = new Map<string, string>()
  /** Unknown IDs and fingerprints, with the end of the reading that did not find them. */
  private readonly absent = new Map<number | string, number>()
  /** IDs that stand for several schemas; the log has said so. */
  private readonly saidAmbiguous = new Set<number>()
  private readonly seen: Seen = { newest: new Map(), deleted: new Set(), failing: new Set() }
  private opened = false
  /** Runs that look for subjects that are new or gone. */
  private readonly looks: Paced
  /** Runs that read what is new of every subject. */
  private readonly readings: Paced
  private readingMs = 0
  /** Aborted as soon as the registry answers again. */
  private answers = new AbortController()
  /** Since when the registry has not answered. */
  private awaySince: number | undefined
  private timer: NodeJS.Timeout | undefined
  private looking: NodeJS.Timeout | undefined
  private readonly remembered = new Set<string>()

  constructor(options: SchemaDirectoryOptions) {
    this.options = options
    this.signal = AbortSignal.any([options.signal, this.stopping.signal])
    const pace = {
      now: () => this.now(),
      signal: this.signal,
      pauseMs: (tookMs: number) => Math.min(MOST_PAUSE_MS, Math.max(LEAST_PAUSE_MS, PAUSE_SHARE * tookMs)),
    }
    this.looks = new Paced({ ...pace, work: () => this.throughOutages('new subjects') })
    this.readings = new Paced({ ...pace, work: () => this.readAll() })
  }

  async open(): Promise<void> {
    await this.recall()
    await this.readings.request()
    this.opened = true
    this.looking = setInterval(() => this.inBackground(this.looks.request()), this.refreshMs)
    this.looking.unref()
  }

  async prepare({ ids = NO_IDS, fingerprints = NO_FINGERPRINTS }: Wanted): Promise<void> {
    const missing = (): readonly (number | string)[] => [
      ...[...ids].filter((id) => this.known.withId(id).tag === 'unknown'),
      ...[...fingerprints].filter((hex) => this.known.withFingerprint(hex) === undefined),
    ]
    const oldest = this.now() - ABSENT_MS
    if (missing().every((name) => (this.absent.get(name) ?? Number.NEGATIVE_INFINITY) > oldest)) return
    await this.patiently(this.looks.request())
    if (missing().length === 0) return
    await this.patiently(this.readings.request())
    if (this.absent.size > ABSENT_LIMIT) this.absent.clear()
    for (const name of missing()) this.absent.set(name, this.now())
  }

  refresh(): Promise<void> {
    const reading = this.readings.request()
    if (this.readingMs <= MOMENT_MS) return reading
    this.inBackground(reading)
    return this.looks.request()
  }

  schema(id: number, fingerprint?: Buffer): unknown {
    const found = this.lookup(id, fingerprint)
    return found.tag === 'known' ? found.entry.json : undefined
  }

  lookup(id: number, fingerprint?: Buffer): IdLookup {
    return fingerprint === undefined ? this.known.withId(id) : this.known.withFingerprintBytes(fingerprint)
  }

  ignored(): number {
    return this.refused.size
  }

  unansweredMs(): number {
    return this.awaySince === undefined ? 0 : this.now() - this.awaySince
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.timer)
    clearInterval(this.looking)
    this.stopping.abort(new ConnectorError('disposed', false, 'reading the registry after the directory was disposed of'))
  }

  private get refreshMs(): number {
    return this.options.refreshMs ?? REFRESH_MS
  }

  private now(): number {
    return this.options.now?.() ?? performance.now()
  }

  /**
   * Waits for a reading as long as the patience lasts. The patience counts from the beginning of an
   * outage.
   */
  private async patiently(reading: Promise<void>): Promise<void> {
    const { patienceMs } = this.options
    if (patienceMs === undefined) return reading
    // It is awaited here, or by the next call that needs it. On abort it rejects, which is no
    // defect.
    reading.catch(() => undefined)
    for (;;) {
      const leftMs = patienceMs - this.unansweredMs()
      if (leftMs <= 0) return
      const timeout = new AbortController()
      try {
        if (await Promise.race([reading.then(() => true), delay(leftMs, false, { signal: timeout.signal })])) return
      } finally {
        timeout.abort()
      }
    }
  }

  private async readAll(): Promise<number> {
    clearTimeout(this.timer)
    this.readingMs = await this.throughOutages('all subjects')
    this.timer = setTimeout(() => this.inBackground(this.readings.request()), Math.max(this.refreshMs, REFRESH_SHARE * this.readingMs))
    this.timer.unref()
    return this.readingMs
  }

  /** Reads until the registry has answered; resolves with how long that took. */
  private throughOutages(what: Reading): Promise<number> {
    let beganAt = 0
    const read = async (): Promise<number> => {
      beganAt = this.now()
      await this.read(what)
      this.answered()
      return this.now() - beganAt
    }
    return retry(read, {
      clock: { random: () => systemClock.random(), delay: (ms) => this.pause(ms) },
      signal: this.signal,
      backoff: REGISTRY_BACKOFF,
      // If something is wrong at the start, such as a refused name, it is thrown. Later, it may be
      // fixed while work goes on with what is known.
      again: (cause) => this.opened || isTransient(cause),
      failed: ({ cause }) => this.unanswered(beganAt, cause),
    })
  }

  private async read(what: Reading): Promise<void> {
    const { registry, prefix, ownSubject, log } = this.options
    const reading = {
      registry,
      prefix,
      ownSubject,
      known: this.known,
      seen: this.seen,
      signal: this.signal,
      ignored: (entry: string, why: string) => {
        if (this.refused.get(entry) === why) return
        this.refused.set(entry, why)
        log.info('an entry of the registry does not count', { entry, why })
      },
      changed: () => this.publish(),
      log,
    }
    const known = await readNewSubjects(reading)
    if (what === 'all subjects') await readAgain(known, reading)
    await this.memorise()
  }

  /** Waits until the time is over, or until the registry has answered another request. */
  private async pause(ms: number): Promise<void> {
    const { signal } = this.answers
    await delay(ms, undefined, { signal: AbortSignal.any([this.signal, signal]) }).catch((cause: unknown) => {
      if (!signal.aborted) throw cause
    })
  }

  private answered(): void {
    const awayMs = this.unansweredMs()
    if (this.awaySince !== undefined) {
      this.options.log.info('the registry answers again', { awayMs: Math.round(awayMs) })
      this.answers.abort()
      this.answers = new AbortController()
    }
    this.awaySince = undefined
    this.options.problem?.(null)
  }

  private unanswered(beganAt: number, cause: unknown): void {
    if (this.awaySince === undefined) {
      this.awaySince = beganAt
      this.options.log.warn('the registry does not answer; going on with what is known', { cause: String(cause) })
    }
    const awayMs = this.unansweredMs()
    if (awayMs >= PROBLEM_MS) this.options.problem?.(`no answer for ${Math.round(awayMs / 1000)} s; what is known goes on`)
  }

  private inBackground(reading: Promise<void>): void {
    reading.catch((cause: unknown) => {
      if (!this.signal.aborted) this.options.log.error('the registry is read no more', { cause: String(cause) })
    })
  }

  private publish(): void {
    this.known.index()
    for (const { id } of this.known.all()) {
      const found = this.known.withId(id)
      if (found.tag !== 'ambiguous' || this.saidAmbiguous.has(id)) continue
      this.saidAmbiguous.add(id)
      this.options.log.error('the registry has given an ID to different schemas: was it restored from an older backup?', {
        id,
        schemas: found.entries.map(({ subject, version, fingerprint }) => `${subject} version ${version}, fingerprint ${fingerprint}`),
      })
    }
    this.options.changed?.(this.known)
  }

  /** Takes over what was known before this process began. */
  private async recall(): Promise<void> {
    const { memory, log } = this.options
    if (memory === undefined) return
    try {
      const entries = await memory.recall(this.options.prefix)
      for (const each of entries) this.remembered.add(`${each.id} ${each.fingerprint}`)
      this.known.remember(entries.map((each) => ({ ...each, json: JSON.parse(each.text) as unknown })))
    } catch (cause) {
      log.warn('schemas of earlier times are not known: the registry alone tells', { cause: String(cause) })
    }
  }

  /** Keeps what is new. If that fails, the service goes on: the registry has it, too. */
  private async memorise(): Promise<void> {
    const { memory, log } = this.options
    const news = [...this.known.all()].filter(({ id, fingerprint }) => !this.remembered.has(`${id} ${fingerprint}`))
    if (memory === undefined || news.length === 0) return
    try {
      await memory.memorise(news)
      for (const { id, fingerprint } of news) this.remembered.add(`${id} ${fingerprint}`)
    } catch (cause) {
      log.warn('schemas cannot be kept for later: those that are deleted are forgotten at the next start', { cause: String(cause) })
    }
  }
}

const NO_IDS: ReadonlySet<number> = new Set()
const NO_FINGERPRINTS: ReadonlySet<string> = new Set()
