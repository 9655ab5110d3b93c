import { isMap, LineCounter, parseDocument } from 'yaml'
import type { z } from 'zod'
import { type Dialect, DialectError, type TimeRule } from './dialect.ts'
import { checkCaptures } from './dialect-captures.ts'
import { dialectSettings, isZone } from './dialect-settings.ts'
import { parseTopicPattern } from './topic-pattern.ts'

/** A file that is longer is no dialect, but would take long to read. */
const MOST_CHARACTERS = 1_000_000
const MOST_SHOWN = 80

/**
 * Reads a dialect.
 * @param text YAML
 * @param file as messages name it
 * @throws DialectError
 */
export function parseDialect(text: string, file: string): Dialect {
  if (text.length > MOST_CHARACTERS) throw new DialectError(`${file}: expected at most ${MOST_CHARACTERS} characters, got ${text.length}`)
  const result = dialectSettings.safeParse(parseYaml(text, file), { reportInput: true })
  if (!result.success) throw new DialectError(result.error.issues.map((issue) => `${file}: ${described(issue)}`).join('\n'))
  const dialect = { ...result.data, file }
  checkCaptures(dialect)
  return dialect
}

/**
 * What a site may change of a dialect: the topics are its own, and its devices have its time of
 * day.
 */
export interface Site {
  readonly topics?: readonly string[] | undefined
  readonly zone?: string | undefined
}

/**
 * The dialect as a site uses it.
 * @throws DialectError if a topic lacks what the dialect takes of topics, or the zone is none
 */
export function atSite(dialect: Dialect, site: Site): Dialect {
  const fail = (cause: unknown): never => {
    throw new DialectError(`${dialect.file}: of the site: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
  const { zone } = site
  if (zone !== undefined && !isZone(zone)) return fail(`zone: expected an IANA time zone, as in Europe/Vienna, got ${shown(zone)}`)
  const inZone = (rules: readonly TimeRule[] | undefined): readonly TimeRule[] | undefined =>
    zone === undefined ? rules : rules?.map((rule) => (rule.kind === 'value' ? { ...rule, zone } : rule))
  let topics = dialect.topics
  try {
    if (site.topics !== undefined) topics = site.topics.map(parseTopicPattern)
  } catch (cause) {
    return fail(cause)
  }
  if (topics.length === 0) return fail('topics: expected at least one')
  const samples = dialect.samples.map((rule) => ({ ...rule, time: inZone(rule.time) }))
  const changed = { ...dialect, topics, time: inZone(dialect.time), samples }
  checkCaptures(changed)
  return changed
}

function parseYaml(text: string, file: string): unknown {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const [error] = document.errors
  if (error !== undefined) {
    const { line, col } = lines.linePos(error.pos[0])
    throw new DialectError(`${file}: line ${line}, column ${col}: expected YAML: ${error.message}`)
  }
  if (!isMap(document.contents)) throw new DialectError(`${file}: expected keys such as dialect, topics and samples, got ${shown(text)}`)
  try {
    return document.toJS()
  } catch (cause) {
    // Aliases without end.
    if (!(cause instanceof ReferenceError)) throw cause
    throw new DialectError(`${file}: expected YAML: ${cause.message}`, { cause })
  }
}

function described(issue: z.core.$ZodIssue): string {
  const place = issue.path.reduce<string>((before, step) => {
    if (typeof step === 'number') return `${before}[${step}]`
    return before === '' ? String(step) : `${before}.${String(step)}`
  }, '')
  const got = issue.code === 'unrecognized_keys' || issue.message.includes(', got ') ? '' : `, got ${shown(issue.input)}`
  return `${place === '' ? '' : `${place}: `}${issue.message}${got}`
}

function shown(value: unknown): string {
  if (value === undefined) return 'nothing'
  const text = JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? String(each) : each)) ?? 'nothing'
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text
}
