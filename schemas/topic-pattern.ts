/**
 * A pattern of MQTT topics. `{name}` takes a level, or a part of one, as in
 * `shellies/{device}/ext_{metric}`. `{name...}` takes one level or more, as in
 * `zigbee2mqtt/{name...}`, also with levels after it. Each takes at least one character.
 */
export interface TopicPattern {
  readonly text: string
  /**
   * The MQTT filter to subscribe. It may take topics that the pattern does not: what `match` says
   * counts.
   */
  readonly filter: string
  /** Names of its captures, in their order. */
  readonly names: readonly string[]
  /** The captures of a topic; undefined if it is another's. Takes time linear in the topic. */
  match(topic: string): Captures | undefined
}

/** What a pattern took of a topic, by name. Has no prototype. */
export type Captures = Readonly<Record<string, string>>

/** A pattern that is none. The message says what was expected. */
export class TopicPatternError extends Error {
  readonly code = 'TOPIC_PATTERN'
  readonly transient = false
}

type Part = { readonly literal: string } | { readonly name: string; readonly rest: boolean }
type Level = readonly Part[]

const BRACES = /\{([^{}]*)\}/g
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/
/** A UTF-8 text of MQTT has two bytes for its length. */
const MOST_CHARACTERS = 65_535

/** @throws TopicPatternError */
export function parseTopicPattern(text: string): TopicPattern {
  const fail = (expected: string): never => {
    throw new TopicPatternError(`topic ${JSON.stringify(text)}: ${expected}`)
  }
  if (text === '') fail('expected at least one level')
  if (text.length > MOST_CHARACTERS) fail(`expected at most ${MOST_CHARACTERS} characters`)
  if (text.startsWith('$')) fail("expected no topic that starts with $: these are the broker's own")
  if (text.includes('\0')) fail('expected no NUL')
  const levels = text.split('/').map((level) => parseLevel(level, fail))
  const names = levels.flat().flatMap((part) => ('name' in part ? [part.name] : []))
  const repeated = names.find((name, index) => names.indexOf(name) !== index)
  if (repeated !== undefined) fail(`expected {${repeated}} once, it is there twice`)
  const rest = levels.findIndex((level) => level.some((part) => 'rest' in part && part.rest))
  if (levels.some((level, index) => index > rest && rest >= 0 && level.some((part) => 'rest' in part && part.rest)))
    fail('expected {name...} at most once')
  const filterLevels = levels.slice(0, rest < 0 ? levels.length : rest).map(filterOf)
  return {
    text,
    names,
    filter: [...filterLevels, ...(rest < 0 ? [] : ['#'])].join('/'),
    match: rest < 0 ? (topic) => matchLevels(levels, topic) : (topic) => matchRest(levels, rest, topic),
  }
}

function parseLevel(level: string, fail: (expected: string) => never): Level {
  const parts: Part[] = []
  let at = 0
  for (const found of level.matchAll(BRACES)) {
    if (found.index > at) parts.push({ literal: level.slice(at, found.index) })
    else if (parts.length > 0) fail('expected something between two captures, which nothing tells apart')
    const inner = found[1] ?? ''
    const rest = inner.endsWith('...')
    const name = rest ? inner.slice(0, -3) : inner
    if (!NAME.test(name)) fail(`expected a name of letters, digits and _ in braces, got {${inner}}`)
    if (rest && found[0] !== level) fail(`expected {${inner}} to be a level of its own`)
    parts.push({ name, rest })
    at = found.index + found[0].length
  }
  if (at < level.length || parts.length === 0) parts.push({ literal: level.slice(at) })
  for (const part of parts) {
    if (!('literal' in part)) continue
    if (/[{}]/.test(part.literal)) fail('expected braces in pairs')
    if (/[+#]/.test(part.literal)) fail('expected no + or #: a level that may be anything is {name}, the rest is {name...}')
  }
  return parts
}

function filterOf(level: Level): string {
  return level.map((part) => ('literal' in part ? part.literal : undefined)).includes(undefined)
    ? '+'
    : level.map((part) => ('literal' in part ? part.literal : '')).join('')
}

function matchLevels(levels: readonly Level[], topic: string): Captures | undefined {
  // One more than the pattern has is enough to tell that they do not match.
  const found = topic.split('/', levels.length + 1)
  if (found.length !== levels.length || topic.startsWith('$')) return undefined
  const captures = emptyCaptures()
  return levels.every((level, index) => matchLevel(level, found[index] ?? '', captures)) ? captures : undefined
}

function matchRest(levels: readonly Level[], rest: number, topic: string): Captures | undefined {
  const found = topic.split('/')
  const after = levels.length - rest - 1
  if (found.length < levels.length || topic.startsWith('$')) return undefined
  const captures = emptyCaptures()
  const end = found.length - after
  for (let index = 0; index < rest; index++) if (!matchLevel(levels[index] ?? [], found[index] ?? '', captures)) return undefined
  for (let index = 0; index < after; index++) {
    if (!matchLevel(levels[rest + 1 + index] ?? [], found[end + index] ?? '', captures)) return undefined
  }
  const taken = found.slice(rest, end).join('/')
  const part = levels[rest]?.[0]
  if (taken === '' || part === undefined || !('name' in part)) return undefined
  captures[part.name] = taken
  return captures
}

/** A capture ends at the first place where what follows it in the pattern begins. */
function matchLevel(level: Level, text: string, captures: Record<string, string>): boolean {
  let at = 0
  for (let index = 0; index < level.length; index++) {
    const part = level[index] as Part
    if ('literal' in part) {
      if (!text.startsWith(part.literal, at)) return false
      at += part.literal.length
      continue
    }
    const next = level[index + 1]
    const last = index + 2 >= level.length
    const end = next === undefined ? text.length : 'literal' in next ? endOf(text, at, next.literal, last) : -1
    if (end <= at) return false
    captures[part.name] = text.slice(at, end)
    at = end
  }
  return at === text.length
}

/** Where a capture ends that `literal` follows; if that is the last of the level, at its end. */
function endOf(text: string, at: number, literal: string, last: boolean): number {
  if (!last) return text.indexOf(literal, at + 1)
  return text.endsWith(literal) ? text.length - literal.length : -1
}

function emptyCaptures(): Record<string, string> {
  return Object.create(null) as Record<string, string>
}
