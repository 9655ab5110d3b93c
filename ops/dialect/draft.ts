import type { RawMessage } from '../../processors/translate/translation.ts'
import { visible } from '../../processors/visible.ts'
import type { PayloadCodec } from '../../schemas/dialect.ts'
import { type DraftQuantity, type DraftRule, type DraftTime, NoDraftError } from './draft-parts.ts'
import { draftRules } from './draft-rules.ts'
import { draftSeries, MOST_NAMES, makeSeries } from './draft-series.ts'
import { sparkplugTopics, type TopicParts, topicParts } from './draft-topics.ts'
import { channelName, quoted, replacements } from './draft-yaml.ts'
import { type DecodedMessage, guessPayload, isScalar } from './guess-payload.ts'
import { type StatusText, statusMap, statusText } from './guess-status.ts'
import { groupBy, type TopicGuess } from './guess-topics.ts'
import { leavesOf, pathText } from './leaves.ts'
import type { Observed } from './observed.ts'

/** A dialect that was written from messages, for a person to correct. */
export interface Draft {
  readonly name: string
  /** YAML, with what was guessed marked. */
  readonly text: string
  /** Messages for examples: a few of each kind of topic. */
  readonly examples: readonly RawMessage[]
}

/** More would tell nothing new, and take long. */
const MOST_ANALYSED = 2_000
const MOST_LISTED = 30
const EXAMPLES_PER_PATTERN = 2
const MOST_EXAMPLES = 12

/**
 * Writes a dialect from messages that were heard.
 * @param filter that was subscribed
 * @param name of the dialect
 * @throws NoDraftError if there is no message, or none with a value that can be guessed
 */
export function draftDialect(observed: Observed, filter: string, name: string): Draft {
  if (observed.messages.length === 0)
    throw new NoDraftError(
      observed.empty > 0
        ? `heard ${observed.empty} messages on ${filter}, all of them empty`
        : `heard no message on ${filter}: is the filter right, and may this user read it?`,
    )
  const { decoded, unread } = decodeAll(observed.messages.filter(({ topic }) => !topic.startsWith('$')))
  // A topic with numbers is none of states, though "unavailable" may be on it.
  const statuses = [...groupBy(decoded, ({ message }) => message.topic).values()].flatMap((each) => {
    const found = each.map((one) => ({ ...one, status: statusText(one) }))
    const isStatus = found.every(({ status }) => status !== undefined)
    return isStatus ? found.flatMap(({ status, ...one }) => (status === undefined ? [] : [{ ...one, status }])) : []
  })
  const isStatus = new Set(statuses.map(({ message }) => message))
  const telemetry = decoded.filter(({ message }) => !isStatus.has(message))
  const codec = mainCodec(telemetry)
  if (codec === undefined)
    throw new NoDraftError(
      `heard ${observed.heard} messages on ${filter}, but none with a value that could be telemetry: ${listed(observed.messages)}`,
    )
  const used = telemetry.filter((each) => each.codec === codec)
  const parts = codec === 'sparkplug-b' ? sparkplugTopics(used, filter) : topicParts(used, filter)
  const drafted = codec === 'text' ? draftScalars(used, parts.guesses) : draftTrees(used, parts.guesses)
  if (drafted.rules.length === 0)
    throw new NoDraftError(
      `heard ${observed.heard} messages on ${filter}, but no value whose name says what it is: ${drafted.left.slice(0, 10).join('; ') || listed(observed.messages)}`,
    )
  const others = telemetry.filter((each) => each.codec !== codec)
  const lines = [
    ...header(observed, filter, used.length),
    `dialect: ${name}`,
    'version: 1',
    `payload: ${codec}`,
    'topics:',
    ...parts.guesses.map(
      ({ pattern, topics }) =>
        `  - ${quoted(pattern)}  # guess: ${topics.length === 1 ? 'one topic' : `${topics.length} topics, such as`} ${visible(topics[0] ?? '')}`,
    ),
    ...deviceLines(parts, drafted.device),
    ...timeLines(drafted.times, codec === 'text'),
    'samples:',
    ...drafted.rules.flatMap(ruleLines),
    'otherwise: ignore  # until it is sure that no other kind of message is telemetry',
    ...statusLines(statuses, parts.guesses),
    ...listing('What was seen and is in no rule:', drafted.left),
    ...listing(
      'Messages for other codecs are left out; learn them by a narrower --topic:',
      [...groupBy(others, (each) => each.codec)].map(
        ([other, each]) => `${other}: ${each.length} messages, such as on ${each[0]?.message.topic}`,
      ),
    ),
    ...listing(
      'Messages that no codec reads:',
      unread.map(({ topic, payload }) => `${topic}: ${payload.length} bytes, ${payload.subarray(0, 16).toString('hex')}…`),
    ),
  ]
  return { name, text: `${lines.join('\n')}\n`, examples: chooseExamples(used, parts.guesses) }
}

function decodeAll(messages: readonly RawMessage[]): {
  readonly decoded: readonly DecodedMessage[]
  readonly unread: readonly RawMessage[]
} {
  const decoded: DecodedMessage[] = []
  const unread: RawMessage[] = []
  for (const message of messages) {
    const found = guessPayload(message)
    if (found === undefined) unread.push(message)
    else decoded.push(found)
  }
  return { decoded, unread }
}

/** The codec of most topics with numbers. */
function mainCodec(messages: readonly DecodedMessage[]): PayloadCodec | undefined {
  const counts = new Map<PayloadCodec, Set<string>>()
  for (const { codec, message, tree } of messages) {
    if (!leavesOf([tree]).some(({ numbers }) => numbers !== undefined)) continue
    counts.set(codec, (counts.get(codec) ?? new Set()).add(message.topic))
  }
  return [...counts].sort(([, a], [, b]) => b.size - a.size)[0]?.[0]
}

interface Drafted {
  readonly rules: readonly DraftRule[]
  readonly times: readonly DraftTime[]
  readonly device: string | undefined
  readonly left: readonly string[]
}

function draftTrees(used: readonly DecodedMessage[], guesses: readonly TopicGuess[]): Drafted {
  const chosen = spread(
    used.filter((each) => !isScalar(each)),
    MOST_ANALYSED,
  )
  const drafted = draftRules(
    {
      trees: chosen.map(({ tree }) => tree),
      receivedMicros: chosen.map(({ message }) => message.receivedMicros),
      topics: chosen.map(({ message }) => message.topic),
    },
    guesses.some(
      ({ pattern, topics }) => /gateway/i.test(pattern) || topics.some((topic) => /(?:^|\/)(?:gw|gateway)[-_]?\d*(?:\/|$)/i.test(topic)),
    ),
  )
  const hasChannel = guesses.some(({ channel }) => channel !== undefined)
  const withChannel = (rule: DraftRule): DraftRule =>
    !hasChannel || rule.keys.some((key) => key.startsWith('channel:'))
      ? rule
      : { ...rule, keys: ['channel: "{channel}"  # guess', ...rule.keys] }
  return { ...drafted, rules: drafted.rules.map(withChannel) }
}

/** Rules for a topic of its own for each value. */
function draftScalars(used: readonly DecodedMessage[], guesses: readonly TopicGuess[]): Drafted {
  const byTopic = groupBy(used, ({ message }) => message.topic)
  const rules: DraftRule[] = []
  const left: string[] = []
  const named = guesses.filter(({ metric }) => metric !== undefined)
  const values = groupBy(
    named.flatMap((guess) =>
      guess.topics.flatMap((topic) => {
        const levels = topic.split('/')
        const name = levels[guess.metric ?? 0] ?? ''
        const suffix = guess.suffixes.find((each) => name.endsWith(each)) ?? ''
        const device = guess.deviceLevels.map((level) =>
          level === guess.metric ? name.slice(0, name.length - suffix.length) : levels[level],
        )
        const owner = [...device, guess.channel === undefined ? '' : levels[guess.channel]].join(' ')
        return (byTopic.get(topic) ?? []).map(({ tree }) => ({ name, owner, tree }))
      }),
    ),
    ({ name }) => name,
  )
  const series = [...values].slice(0, MOST_NAMES).map(([name, each]) =>
    makeSeries(
      name,
      each.map(({ tree }) => tree),
      new Set(each.map(({ owner }) => owner)),
    ),
  )
  const hasChannel = named.some(({ channel }) => channel !== undefined)
  const keys = hasChannel ? ['channel: "{channel}"  # guess'] : []
  const drafted = draftSeries(series, { name: '"{metric}"', value: '$', unit: undefined }, { each: undefined, keys }, (each) =>
    hasChannel ? `{channel}-${channelName(each)}` : channelName(each),
  )
  rules.push(...drafted.rules)
  left.push(...drafted.left)
  if (values.size > MOST_NAMES) left.push(`${values.size - MOST_NAMES} names more, of ${values.size}: learn by a narrower --topic`)
  for (const { pattern, topics } of guesses.filter(({ metric }) => metric === undefined)) {
    const trees = topics.flatMap((topic) => (byTopic.get(topic) ?? []).map(({ tree }) => tree))
    left.push(
      ...leavesOf(trees).map(
        ({ numbers }) => `${pattern}: ${numbers === undefined ? 'text' : `number ${numbers.minimum} to ${numbers.maximum}`}`,
      ),
    )
  }
  return { rules, times: [], device: undefined, left }
}

/** At most so many, from all over the list. */
function spread<Value>(values: readonly Value[], most: number): readonly Value[] {
  const step = Math.max(1, values.length / most)
  return values.length <= most ? values : Array.from({ length: most }, (_, index) => values[Math.floor(index * step)] as Value)
}

function header({ heard, left, empty, messages }: Observed, filter: string, used: number): readonly string[] {
  const others = [left > 0 ? `${left} beyond what is kept in memory` : '', empty > 0 ? `${empty} empty` : ''].filter((each) => each !== '')
  return [
    `# A draft by \`millrace dialect learn --topic ${visible(filter)}\`: ${heard} messages heard, ${messages.length} looked at, ${used} for this codec${others.length > 0 ? ` (${others.join(', ')})` : ''}.`,
    '# Whatever is marked as a guess was guessed by its name and the numbers seen: correct it, and the examples beside it, then',
    '# `millrace dialect check FILE`. docs/dialects.md explains each key.',
  ]
}

function deviceLines({ devices, key }: TopicParts, told: string | undefined): readonly string[] {
  const lines = key === undefined ? [] : [`key: ${key}`]
  if (told !== undefined)
    return [...lines, `device: ${told}  # guess: messages of one topic name several; allow each by \`millrace devices add … --via\``]
  const [only] = devices
  if (devices.length === 1) return [...lines, `device: ${only}  # guess`]
  return [...lines, 'device:  # guess: the first that can be made of the topic', ...devices.map((each) => `  - ${each}`)]
}

function timeLines(times: readonly DraftTime[], isScalar: boolean): readonly string[] {
  if (times.length > 0) return ['time:', ...times.map(({ yaml, comment }) => `  - ${yaml}  # ${visible(comment)}`)]
  if (isScalar) return ['time:', '  - { receipt: true, floor: 1s }  # no time in the messages: values of one second become one row']
  return ['# time: none in the messages that could be read: the moment of receipt']
}

function ruleLines({ each, keys, quantities }: DraftRule): readonly string[] {
  const parts = [...(each === undefined ? [] : [`each: ${quoted(each)}`]), ...keys, 'quantities:']
  return [...parts.map((part, index) => `${index === 0 ? '  - ' : '    '}${part}`), ...quantities.map(quantityLine)]
}

function quantityLine({ quantity, yaml, comment }: DraftQuantity): string {
  return `      ${quantity}: ${yaml}  # ${visible(comment)}`
}

function statusLines(
  statuses: readonly (DecodedMessage & { readonly status: StatusText })[],
  guesses: readonly TopicGuess[],
): readonly string[] {
  const [first] = statuses
  if (first === undefined) return []
  const topics = [...new Set(statuses.map(({ message }) => message.topic))]
  const ofDevices = new Set(
    guesses.flatMap(({ topics: each, deviceLevels }) => each.map((topic) => topic.split('/')[deviceLevels.at(-1) ?? 0] ?? '')),
  )
  const levels = topics.map((topic) => topic.split('/'))
  const [one = []] = levels
  const alike = levels.filter((each) => each.length === one.length)
  const level = one.findIndex((_, index) => alike.some((each) => ofDevices.has(each[index] ?? '')))
  if (level < 0) return [`# Whether devices are there is said on ${visible(topics[0] ?? '')}, but of no device that telemetry came from.`]
  const last = one.length - 1
  const pattern = one
    .map((each, index) =>
      index === level ? '{device}' : index < last && alike.some((other) => other[index] !== each) ? `{level${index}}` : each,
    )
    .join('/')
  const map = statusMap([...new Set(statuses.map(({ status }) => status.text))])
  const replaced = replacements(
    alike.map((each) => each[level] ?? ''),
    /[^A-Za-z0-9_-]/g,
  )
  return [
    'status:  # guess',
    `  topic: ${quoted(pattern)}`,
    `  payload: ${first.status.path === '$' ? 'text' : first.codec}`,
    ...(first.status.path === '$' ? [] : [`  path: ${quoted(first.status.path)}`]),
    `  device: ${replaced === '' ? '"{device}"' : `{ text: "{device}"${replaced} }`}`,
    `  map: { ${[...map].map(([text, state]) => `${quoted(text)}: ${state}`).join(', ')} }`,
  ]
}

function listing(heading: string, lines: readonly string[]): readonly string[] {
  if (lines.length === 0) return []
  const more = lines.length > MOST_LISTED ? [`#   … and ${lines.length - MOST_LISTED} more`] : []
  return [`# ${heading}`, ...lines.slice(0, MOST_LISTED).map((line) => `#   ${visible(line)}`), ...more]
}

function listed(messages: readonly RawMessage[]): string {
  const topics = [...new Set(messages.map(({ topic }) => topic))]
  return `${topics.slice(0, 5).map(visible).join(', ')}${topics.length > 5 ? ` and ${topics.length - 5} topics more` : ''}`
}

/** A few of each pattern, one of each kind. Not retained ones, if others are there. */
function chooseExamples(used: readonly DecodedMessage[], guesses: readonly TopicGuess[]): readonly RawMessage[] {
  const byTopic = groupBy(used, ({ message }) => message.topic)
  const chosen = guesses.flatMap(({ topics }) => {
    const all = topics.flatMap((topic) => byTopic.get(topic) ?? [])
    const live = all.filter(({ message }) => !message.retained)
    const kinds = groupBy(live.length > 0 ? live : all, ({ message, tree }) => kindOf(message.topic, tree))
    return [...kinds.values()].slice(0, EXAMPLES_PER_PATTERN).flatMap(([first]) => (first === undefined ? [] : [first.message]))
  })
  return chosen.slice(0, MOST_EXAMPLES)
}

function kindOf(topic: string, tree: unknown): string {
  const paths = leavesOf([tree]).map(({ steps }) => pathText('$', steps))
  // A value by itself is what the last levels of its topic say.
  return paths.join(' ') === '$' ? topic.split('/').slice(-2).join('/') : paths.join(' ')
}
