import { setTimeout as delay } from 'node:timers/promises'
import { ConnectorError, type Log } from '../contract.ts'
import { judge, type OwnSubject } from './judge.ts'
import type { KnownSchemas, SchemaEntry } from './known-schemas.ts'
import { type SchemaRegistry, type SchemaVersion, UNREACHABLE } from './registry.ts'

/**
 * What earlier readings have seen of each subject, whether it counts or not. Only what is new is
 * read.
 */
export interface Seen {
  /** Each live subject's newest version. */
  readonly newest: Map<string, SchemaVersion>
  /** Deleted subjects that were looked at. */
  readonly deleted: Set<string>
  /** Subjects that could not be read; the log has said so. */
  readonly failing: Set<string>
}

export interface ReadingOptions {
  readonly registry: SchemaRegistry
  readonly prefix: string
  readonly ownSubject: OwnSubject
  readonly known: KnownSchemas
  readonly seen: Seen
  readonly signal: AbortSignal
  /** Called at each reading for what does not count, with the reason. */
  readonly ignored: (entry: string, why: string) => void
  /** Called if something is new, or gone. */
  readonly changed: () => void
  readonly log: Log
}

/** Requests at a time: 300 subjects take 0.3 s, one after another 1.2 s. */
const AT_A_TIME = 8
/**
 * How often a subject is asked for if the registry has a problem with it, with a pause in between.
 */
const ATTEMPTS = 3
const ATTEMPT_PAUSE_MS = 200

/**
 * Reads the subjects that are new, and notes those that are gone; resolves with the others. Each
 * subject is judged by itself: if one cannot be read, the others still are.
 * @throws ConnectorError if the registry does not answer at all
 */
export async function readNewSubjects(options: ReadingOptions): Promise<readonly string[]> {
  const { registry, prefix, known, seen, changed } = options
  const before = new Set(seen.newest.keys())
  const live = await registry.subjects(prefix, 'live')
  const all = await registry.subjects(prefix, 'deleted-too')
  const isLive = new Set(live)

  const fresh = live.filter((subject) => !seen.newest.has(subject))
  const deleted = all.filter((subject) => !isLive.has(subject) && !seen.deleted.has(subject))
  let news = await each(fresh, options, (subject) => readSubject(subject, options))
  news = (await each(deleted, options, (subject) => readDeleted(subject, options))) || news
  for (const subject of before) {
    if (isLive.has(subject)) continue
    seen.newest.delete(subject)
    seen.deleted.add(subject)
    news = known.setLive(subject, []) || news
  }
  if (news) changed()
  return live.filter((subject) => before.has(subject))
}

/** Reads what is new of subjects: one request for each whose newest version was seen. */
export async function readAgain(subjects: readonly string[], options: ReadingOptions): Promise<void> {
  if (await each(subjects, options, (subject) => readIfChanged(subject, options))) options.changed()
}

/** Reads subjects, some at a time. Returns whether there was something new. */
async function each(subjects: readonly string[], options: ReadingOptions, read: (subject: string) => Promise<boolean>): Promise<boolean> {
  const { seen, log } = options
  let at = 0
  let news = false
  await Promise.all(
    Array.from({ length: AT_A_TIME }, async () => {
      for (let subject = subjects[at++]; subject !== undefined; subject = subjects[at++]) {
        const outcome = await attempt(subject, options, read)
        if (!(outcome instanceof ConnectorError)) {
          news ||= outcome
          seen.failing.delete(subject)
        } else if (!seen.failing.has(subject)) {
          seen.failing.add(subject)
          log.warn('a subject of the registry cannot be read; going on with what is known of it', { subject, cause: outcome.message })
        }
      }
    }),
  )
  return news
}

/**
 * Reads a subject. Returns the error if the registry answers but has a problem with this subject.
 */
async function attempt(
  subject: string,
  { signal }: ReadingOptions,
  read: (subject: string) => Promise<boolean>,
): Promise<boolean | ConnectorError> {
  for (let attempts = 1; ; attempts++) {
    try {
      return await read(subject)
    } catch (cause) {
      if (!(cause instanceof ConnectorError) || cause.code === UNREACHABLE) throw cause
      if (!cause.transient || attempts === ATTEMPTS) return cause
      await delay(ATTEMPT_PAUSE_MS, undefined, { signal })
    }
  }
}

async function readIfChanged(subject: string, options: ReadingOptions): Promise<boolean> {
  const newest = await options.registry.version(subject, 'latest')
  const before = options.seen.newest.get(subject)
  return newest !== undefined && before !== undefined && isSame(newest, before) ? false : readSubject(subject, options)
}

async function readSubject(subject: string, options: ReadingOptions): Promise<boolean> {
  const { registry, known, seen } = options
  const isFirst = !seen.newest.has(subject) && !seen.deleted.has(subject)
  if (isFirst && (await readRemembered(subject, options))) return true
  const before = known.liveVersions(subject)
  const numbers = await registry.versionNumbers(subject)
  const found: SchemaVersion[] = []
  for (const number of numbers) {
    const version = await registry.version(subject, number)
    if (version !== undefined) found.push(version)
  }
  const entries: SchemaEntry[] = []
  for (const version of found) {
    const entry = accepted(subject, version, options)
    // The same version keeps its object, and with it what was made for it, such as a converter.
    if (entry !== undefined) entries.push(before.find((one) => isSameEntry(one, entry)) ?? entry)
  }
  const past = isFirst && (await readDeleted(subject, options, new Set(numbers)))
  const newest = found.at(-1)
  if (newest !== undefined) seen.newest.set(subject, newest)
  return known.setLive(subject, entries) || past
}

/**
 * Takes a subject from memory if its newest version is the same. That is one request; otherwise
 * each version takes one.
 */
async function readRemembered(subject: string, { registry, known, seen }: ReadingOptions): Promise<boolean> {
  const remembered = known.everOf(subject)
  if (remembered.length === 0) return false
  const newest = await registry.version(subject, 'latest')
  if (newest === undefined) return false
  const same = remembered.find(({ id, text }) => id === newest.id && text === newest.schema)
  if (same === undefined) return false
  seen.newest.set(subject, newest)
  return known.setLive(subject, [...remembered.filter((each) => each !== same), { ...same, version: newest.version }])
}

/**
 * Reads versions that were deleted before they were ever met. Apicurio lists the versions of a
 * deleted subject, but does not show them.
 */
async function readDeleted(subject: string, options: ReadingOptions, live: ReadonlySet<number> = new Set()): Promise<boolean> {
  const { registry, known } = options
  const entries: SchemaEntry[] = []
  for (const number of await registry.versionNumbers(subject, 'deleted-too')) {
    if (live.has(number)) continue
    const found = await registry.version(subject, number, 'deleted-too')
    const entry = found === undefined ? undefined : accepted(subject, found, options)
    if (entry !== undefined) entries.push(entry)
  }
  if (live.size === 0) options.seen.deleted.add(subject)
  known.remember(entries)
  return entries.length > 0
}

function accepted(subject: string, found: SchemaVersion, { ownSubject, ignored }: ReadingOptions): SchemaEntry | undefined {
  const judgement = judge(subject, found, ownSubject)
  if (judgement.tag === 'accepted') return judgement.entry
  ignored(`${subject} version ${found.version}`, judgement.why)
  return undefined
}

function isSame(one: SchemaVersion, other: SchemaVersion): boolean {
  return one.version === other.version && one.id === other.id && one.schema === other.schema
}

function isSameEntry(one: SchemaEntry, other: SchemaEntry): boolean {
  return one.version === other.version && one.id === other.id && one.text === other.text
}
