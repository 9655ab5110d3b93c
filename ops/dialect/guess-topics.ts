import { guessQuantity, wordsOf } from './guess-quantity.ts'

/** A topic, and what its messages are like. */
export interface SeenTopic {
  readonly topic: string
  /** Numbers and words, and not objects or lists. */
  readonly scalar: boolean
  /** Names of the members with values. */
  readonly members: ReadonlySet<string>
}

/** Topics of one kind. */
export interface TopicGuess {
  /** As in `tele/{device}/SENSOR`. */
  readonly pattern: string
  readonly topics: readonly string[]
  /** The device, made of captures, as in `{site}-{device}`. */
  readonly device: string
  /** Levels of the topics that the device is made of. */
  readonly deviceLevels: readonly number[]
  /** The level that says what is measured. */
  readonly metric: number | undefined
  /** The level that says which of several of a kind it is. */
  readonly channel: number | undefined
  /** Endings of the level that is both device and quantity, as in `_temperature`. */
  readonly suffixes: readonly string[]
}

type Entry = { readonly levels: readonly string[]; readonly seen: SeenTopic }

/** Levels that say what a message is, and not whose. */
const WORDS: ReadonlySet<string> = new Set([
  ...['sensor', 'sensors', 'state', 'status', 'data', 'telemetry', 'up', 'uplink', 'event', 'events', 'join', 'down', 'attributes', 'info'],
  ...['tele', 'stat', 'cmnd', 'devices', 'device', 'v1', 'v2', 'v3', 'me', 'gateway', 'out', 'in', 'get', 'set', 'json', 'measurement'],
  ...['measurements', 'values', 'value', 'reading', 'readings', 'rx', 'tx', 'raw', 'mqtt', 'homeassistant', 'online', 'lwt', 'announce'],
  ...['relay', 'emeter', 'input', 'result', 'update', 'report', 'stream', 'metrics', 'location', 'position'],
])
const CHANNEL = /^(?:\d{1,2}|[lp]\d{1,2}|(?:phase|channel|ch|relay|port|input)[-_]?\d{1,2})$/i
/** Below it two topics have so few members in common that they are messages of two kinds. */
const ALIKE = 0.3

/**
 * Patterns that take the topics: levels that vary become captures, and what seems to be the device
 * is called so. Each topic is in one guess.
 * @param filter that was subscribed: its levels other than + and # stay as they are
 */
export function guessTopics(topics: readonly SeenTopic[], filter: string): readonly TopicGuess[] {
  const fixed = fixedLevels(filter)
  const groups = new Map<string, Entry[]>()
  for (const seen of topics) {
    const levels = seen.topic.split('/')
    const key = `${levels.length} ${seen.scalar}`
    groups.set(key, [...(groups.get(key) ?? []), { levels, seen }])
  }
  return [...groups.values()].flatMap((entries) => split(entries, fixed)).map((entries) => guess(entries, fixed))
}

function fixedLevels(filter: string): ReadonlySet<number> {
  return new Set(filter.split('/').flatMap((level, index) => (level === '+' || level === '#' ? [] : [index])))
}

/** Entries by kind of message: by the levels whose words tell kinds apart. */
function split(entries: readonly Entry[], fixed: ReadonlySet<number>): readonly (readonly Entry[])[] {
  const levels = entries[0]?.levels ?? []
  for (let index = levels.length - 1; index >= 0; index--) {
    const byValue = groupBy(entries, ({ levels: each }) => each[index] ?? '')
    if (byValue.size < 2 || fixed.has(index)) continue
    const values = [...byValue.keys()]
    const isWord = values.filter((value) => WORDS.has(value.toLowerCase())).length * 2 >= values.length
    if (!isWord && !isKind(byValue, entries, index)) continue
    if (entries.every(({ seen }) => seen.scalar) && !isWord) continue
    return [...byValue.values()].flatMap((part) => split(part, fixed))
  }
  return [entries]
}

/** Whether a level has the same few values below several others, for other kinds of messages. */
function isKind(byValue: ReadonlyMap<string, readonly Entry[]>, entries: readonly Entry[], index: number): boolean {
  const others = new Set(entries.map(({ levels }) => levels.filter((_, at) => at !== index).join('/')))
  if (others.size < 2 || byValue.size > others.size || [...byValue.values()].some((part) => part.length < 2)) return false
  const members = [...byValue.values()].map((part) => new Set(part.flatMap(({ seen }) => [...seen.members])))
  return members.every((a, at) => members.every((b, to) => at === to || likeness(a, b) < ALIKE))
}

/** Names in both, of those in one. */
export function likeness(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  const both = [...a].filter((name) => b.has(name)).length
  return both === 0 ? 0 : both / (a.size + b.size - both)
}

function guess(entries: readonly Entry[], fixed: ReadonlySet<number>): TopicGuess {
  const first = entries[0]?.levels ?? []
  const valuesAt = (index: number): ReadonlySet<string> => new Set(entries.map(({ levels }) => levels[index] ?? ''))
  const free = first.map((_, index) => index).filter((index) => !fixed.has(index))
  const metric = entries.every(({ seen }) => seen.scalar) ? metricLevel(entries, free) : undefined
  const varying = free.filter((index) => index !== metric && valuesAt(index).size > 1)
  const isChannel = (index: number): boolean => [...valuesAt(index)].every((value) => CHANNEL.test(value))
  // The first level that may be anything is no channel: something must be the device.
  const channel = free.find(
    (index) => index !== metric && index > 0 && isChannel(index) && free.some((other) => other < index && other !== metric),
  )
  const devices = varying.filter((index) => index !== channel)
  const others = free.filter((index) => index !== metric && index !== channel)
  const single = devices.length > 0 ? devices : likeliestDevice(first, others)
  // Home Assistant has one level for both: hive_scale_weight.
  const suffixes = single.length === 0 && metric !== undefined ? suffixesOf(valuesAt(metric)) : []
  const levels = suffixes.length > 0 && metric !== undefined ? [metric] : single
  const names = new Map<number, string>()
  for (const [at, index] of single.entries()) names.set(index, at === single.length - 1 ? 'device' : at === 0 ? 'group' : `group${at + 1}`)
  if (metric !== undefined) names.set(metric, 'metric')
  if (channel !== undefined) names.set(channel, 'channel')
  // Braces have a meaning in patterns, so what is in such a level is left open.
  for (const index of first.keys())
    if (!names.has(index) && entries.some(({ levels: each }) => /[{}]/.test(each[index] ?? ''))) names.set(index, `level${index + 1}`)
  const deviceNames = levels.map((index) => `{${names.get(index)}}`)
  return {
    pattern: first.map((level, index) => (names.has(index) ? `{${names.get(index)}}` : level)).join('/'),
    topics: entries.map(({ seen }) => seen.topic),
    device: deviceNames.length > 0 ? deviceNames.join('-') : (first.find((level) => level !== '') ?? 'device').replace(/[{}]/g, ''),
    deviceLevels: levels,
    metric,
    channel,
    suffixes,
  }
}

/** What follows the device in names such as hive_scale_weight. */
function suffixesOf(names: ReadonlySet<string>): readonly string[] {
  const suffixes = new Set<string>()
  for (const name of names) {
    const quantity = guessQuantity([name], undefined)?.quantity
    const ends = [...name.matchAll(/[_.-]/g)].map(({ index }) => name.slice(index)).reverse()
    const suffix = ends.find((end) => guessQuantity([end.slice(1)], undefined)?.quantity === quantity)
    if (quantity !== undefined && suffix !== undefined) suffixes.add(suffix)
  }
  // Longer ones first: of those that a name ends in, the first is cut off.
  return [...suffixes].sort((a, b) => b.length - a.length)
}

/** The level whose words most often name a quantity. */
function metricLevel(entries: readonly Entry[], free: readonly number[]): number | undefined {
  let found: { readonly index: number; readonly share: number } | undefined
  for (const index of free) {
    const named = entries.filter(({ levels }) => guessQuantity([levels[index] ?? ''], undefined) !== undefined).length
    const share = named / entries.length
    if (share > 0 && (found === undefined || share >= found.share)) found = { index, share }
  }
  return found?.index
}

/** Of topics that are all the same at these levels. */
function likeliestDevice(levels: readonly string[], free: readonly number[]): readonly number[] {
  const likelihood = (index: number): number => {
    const level = levels[index] ?? ''
    const isWord = wordsOf(level).every((word) => WORDS.has(word)) || (level === level.toUpperCase() && /^[A-Z]+$/.test(level))
    return (
      (isWord ? -4 : 0) +
      (/\d/.test(level) ? 2 : 0) +
      (/[-_ :]/.test(level) ? 1 : 0) +
      (index === 0 && levels.length > 1 ? -1.5 : 0) +
      index / 10
    )
  }
  const [best] = [...free].sort((a, b) => likelihood(b) - likelihood(a))
  // A level that only says what a message is does not say whose.
  return best === undefined || likelihood(best) < -3 ? [] : [best]
}

export function groupBy<Value>(values: readonly Value[], key: (value: Value) => string): ReadonlyMap<string, Value[]> {
  const groups = new Map<string, Value[]>()
  for (const value of values) {
    const group = groups.get(key(value))
    if (group === undefined) groups.set(key(value), [value])
    else group.push(value)
  }
  return groups
}
