import { readdir, readFile, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
import type { Log } from '../connectors/contract.ts'
import type { FoundDialect } from '../processors/contract.ts'
import { compileDialect } from '../processors/translate/dialect.ts'
import type { CompiledDialect } from '../processors/translate/translation.ts'
import { type Dialect, DialectError } from '../schemas/dialect.ts'
import { parseDialect } from '../schemas/parse-dialect.ts'
import type { Config } from './config.ts'
import type { DialectEntry } from './dialect-entries.ts'

/** The dialects of a configuration, as their files are now. */
export interface Dialects extends AsyncDisposable {
  /**
   * In the order of the configuration: if two take a topic, the first does. It is another array
   * once anything has changed.
   */
  current(): readonly CompiledDialect[]
  /** The dialect that takes a topic. */
  find(topic: string): FoundDialect | undefined
  /** What a dialect that `current` or `find` gave was made of. */
  source(dialect: CompiledDialect): DialectSource | undefined
  /** Is called after each change. */
  onChange(listener: () => void): void
}

/** A dialect as its file and the configuration have it. */
export interface DialectSource {
  readonly text: string
  readonly site: DialectEntry['site']
}

export interface DialectsOptions {
  readonly config: Pick<Config, 'dialects'>
  readonly log: Log
  /** Health: which files cannot be used, and why; null if all can. */
  readonly problem?: (what: string | null) => void
  /** How often the files are looked at. */
  readonly lookMs?: number
}

/** A correction holds within seconds. Twenty files take 1 ms. */
const LOOK_MS = 2_000
/** Topics whose dialect is remembered, and the longest of them: anybody can make them up. */
const MOST_TOPICS = 10_000
const LONGEST_TOPIC = 256

/**
 * Reads the files, and looks at them again as long as it is open. A file that is no dialect is as
 * if it had not been changed: the one before goes on, and log and health say what is wrong. If
 * there is none before, its messages wait as dead letters.
 */
export async function openDialects(options: DialectsOptions): Promise<Dialects> {
  const dialects = new WatchedDialects(options)
  await dialects.look()
  dialects.start()
  return dialects
}

/** What is known of one file, as one entry of the configuration uses it. */
interface KnownFile {
  /** As it was last read, dialect or not. */
  text: string
  /** The last that could be used. */
  compiled: CompiledDialect | undefined
  /** Why the text cannot be used. */
  problem: string | null
}

class WatchedDialects implements Dialects {
  private readonly options: DialectsOptions
  private readonly known = new Map<string, KnownFile>()
  private readonly listeners: (() => void)[] = []
  private readonly topics = new Map<string, FoundDialect | null>()
  private dialects: readonly CompiledDialect[] = []
  private readonly sources = new WeakMap<CompiledDialect, DialectSource>()
  private told: string | null = null
  private timer: NodeJS.Timeout | undefined
  private looking: Promise<void> = Promise.resolve()
  private closed = false

  constructor(options: DialectsOptions) {
    this.options = options
  }

  current(): readonly CompiledDialect[] {
    return this.dialects
  }

  find(topic: string): FoundDialect | undefined {
    let found = this.topics.get(topic)
    if (found === undefined) {
      found = this.match(topic)
      if (topic.length > LONGEST_TOPIC) return found ?? undefined
      if (this.topics.size >= MOST_TOPICS) this.topics.clear()
      this.topics.set(topic, found)
    }
    return found ?? undefined
  }

  onChange(listener: () => void): void {
    this.listeners.push(listener)
  }

  start(): void {
    this.timer = setTimeout(() => {
      this.looking = this.look()
        .catch((cause: unknown) => this.tell([`the dialects cannot be looked at: ${String(cause)}`]))
        .finally(() => {
          if (!this.closed) this.start()
        })
    }, this.options.lookMs ?? LOOK_MS)
    this.timer.unref()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.closed = true
    clearTimeout(this.timer)
    await this.looking
  }

  /** Reads every file, and takes what has changed. */
  async look(): Promise<void> {
    const dialects: CompiledDialect[] = []
    const problems: string[] = []
    /** By name of the dialect, the file that it is in. */
    const owners = new Map<string, string>()
    const seen = new Set<string>()
    for (const [index, entry] of this.options.config.dialects.entries()) {
      const files = await filesOf(entry)
      if (typeof files === 'string') problems.push(`${shown(entry.path)}: ${files}; what it had goes on`)
      const paths =
        typeof files !== 'string'
          ? files
          : [...this.known.keys()].filter((key) => key.startsWith(`${index} `)).map((key) => key.slice(`${index} `.length))
      const own: CompiledDialect[] = []
      for (const path of paths) {
        seen.add(`${index} ${path}`)
        const { compiled, problem } = await this.read(index, path, entry)
        if (problem !== null) problems.push(problem)
        if (compiled === undefined) continue
        const owner = owners.get(compiled.name)
        if (owner === undefined || owner === path) own.push(compiled)
        else if (entry.implied !== true)
          problems.push(`${shown(path)}: there is another dialect ${compiled.name}, in ${shown(owner)}: expected a name of its own`)
        owners.set(compiled.name, owner ?? path)
      }
      // Nobody has chosen the order of a folder's files.
      dialects.push(...own.sort(byGenerality))
    }
    for (const key of this.known.keys()) if (!seen.has(key)) this.known.delete(key)
    this.tell(problems)
    if (dialects.length === this.dialects.length && dialects.every((dialect, place) => dialect === this.dialects[place])) return
    const first = this.dialects.length === 0
    this.dialects = dialects
    this.topics.clear()
    this.options.log.info(first ? 'dialects' : 'dialects have changed', {
      dialects: dialects.map(({ name, version }) => `${name}@${version}`),
    })
    for (const listener of this.listeners) listener()
  }

  private async read(index: number, path: string, { site }: DialectEntry): Promise<KnownFile> {
    const key = `${index} ${path}`
    const before = this.known.get(key)
    let text: string
    try {
      text = await readFile(path, 'utf8')
    } catch (cause) {
      // It was there a moment ago: the next look will tell.
      if (isGone(cause)) return { text: '', compiled: before?.compiled, problem: null }
      const problem = `${shown(path)}: ${cause instanceof Error ? cause.message : String(cause)}`
      return {
        text: '',
        compiled: before?.compiled,
        problem: before?.compiled === undefined ? problem : `${problem}; the one before goes on`,
      }
    }
    if (before !== undefined && before.text === text) return before
    const known: KnownFile = { text, compiled: before?.compiled, problem: null }
    try {
      known.compiled = compileDialect(parsed(text, path), site)
      this.sources.set(known.compiled, { text, site })
    } catch (cause) {
      if (!(cause instanceof DialectError)) throw cause
      known.problem =
        before?.compiled === undefined ? cause.message : `${cause.message}; version ${before.compiled.version} goes on as it was`
    }
    this.known.set(key, known)
    return known
  }

  source(dialect: CompiledDialect): DialectSource | undefined {
    return this.sources.get(dialect)
  }

  private match(topic: string): FoundDialect | null {
    for (const dialect of this.dialects) {
      const captures = dialect.match(topic)
      if (captures !== undefined) return { dialect, captures }
    }
    return null
  }

  private tell(problems: readonly string[]): void {
    const text = problems.length === 0 ? null : problems.join('; ')
    if (text === this.told) return
    this.told = text
    if (text !== null) this.options.log.error('dialects cannot be used', { problems: text })
    else this.options.log.info('every dialect can be used again')
    this.options.problem?.(text)
  }
}

/**
 * `homeassistant/sensor/{entity}/state` before `{device}/sensor/{object}/state`, which would leave
 * it nothing. The most general topic of each counts. Others stay as they are.
 */
function byGenerality(one: CompiledDialect, other: CompiledDialect): number {
  const [first, second] = [generality(one), generality(other)]
  return first < second ? -1 : first > second ? 1 : 0
}

function generality({ topics }: CompiledDialect): string {
  const most = topics.map(({ filter }) => {
    const levels = filter.split('/')
    return levels.map((level) => (level === '#' ? 2 : level === '+' ? 1 : 0)).join('')
  })
  return most.sort().at(-1) ?? ''
}

function parsed(text: string, path: string): Dialect {
  return parseDialect(text, shown(path))
}

/** From where the service runs, if it is below. */
function shown(path: string): string {
  const from = relative(process.cwd(), path)
  return from.startsWith('..') ? path : from
}

/** The files of an entry, in order; or why they cannot be told. */
async function filesOf({ path }: DialectEntry): Promise<readonly string[] | string> {
  try {
    if (!(await stat(path)).isDirectory()) return [path]
    const names = await readdir(path)
    return names
      .filter((name) => /\.ya?ml$/.test(name) && !name.startsWith('.'))
      .sort()
      .map((name) => join(path, name))
  } catch (cause) {
    if (isGone(cause)) return 'there is no such file or folder any more'
    return cause instanceof Error ? cause.message : String(cause)
  }
}

function isGone(cause: unknown): boolean {
  return (cause as NodeJS.ErrnoException).code === 'ENOENT'
}
