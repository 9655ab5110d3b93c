import { NoDraftError } from './draft-parts.ts'
import { quoted, replacements } from './draft-yaml.ts'
import { type DecodedMessage, isScalar } from './guess-payload.ts'
import { groupBy, guessTopics, type TopicGuess } from './guess-topics.ts'
import { leavesOf, namesOf } from './leaves.ts'

/** What the topics say: which they are, and of which devices. */
export interface TopicParts {
  readonly guesses: readonly TopicGuess[]
  /** YAML of the Kafka key, if it is not the device. */
  readonly key: string | undefined
  /** Devices as the patterns give them: a list of YAML. */
  readonly devices: readonly string[]
}

export function topicParts(used: readonly DecodedMessage[], filter: string): TopicParts {
  const topics = [...groupBy(used, ({ message }) => message.topic)].map(([topic, each]) => ({
    topic,
    scalar: each.every(isScalar),
    members: new Set(leavesOf(each.map(({ tree }) => tree)).map(({ steps }) => namesOf(steps).join('.'))),
  }))
  const guesses = guessTopics(topics, filter)
  const devices = new Set<string>()
  // More captures first: a device of fewer can always be made.
  for (const guess of [...guesses].sort((a, b) => b.deviceLevels.length - a.deviceLevels.length)) {
    const same = guesses.filter((each) => each.device === guess.device)
    const made = same.flatMap((each) =>
      each.topics.map((topic) => each.deviceLevels.map((level) => topic.split('/')[level] ?? '').join('-')),
    )
    const replaced = replacements(made, /[^A-Za-z0-9_-]/g)
    const suffixes = [...new Set(same.flatMap((each) => each.suffixes))]
    const cut = suffixes.length === 0 ? '' : `, remove_suffix: [${suffixes.map(quoted).join(', ')}]`
    devices.add(replaced + cut === '' ? quoted(guess.device) : `{ text: ${quoted(guess.device)}${cut}${replaced} }`)
  }
  return { guesses, key: undefined, devices: [...devices] }
}

const SPARKPLUG = { metric: undefined, channel: undefined, suffixes: [] } as const

/** The topics of Sparkplug are its specification's, section 4.1. */
export function sparkplugTopics(used: readonly DecodedMessage[], filter: string): TopicParts {
  const patterns = new Map<string, string[]>()
  for (const { message } of used) {
    const [, , type = '', , device] = message.topic.split('/')
    if (!/^[ND](?:DATA|BIRTH)$/.test(type)) continue
    const pattern = `spBv1.0/{group}/${type}/{node}${device === undefined ? '' : '/{unit}'}`
    const topics = patterns.get(pattern) ?? []
    if (!topics.includes(message.topic)) topics.push(message.topic)
    patterns.set(pattern, topics)
  }
  const guesses = [...patterns].map(([pattern, topics]) => {
    const isNode = !pattern.endsWith('{unit}')
    return {
      pattern,
      topics,
      device: isNode ? '{node}' : '{node}-{unit}',
      deviceLevels: isNode ? [3] : [3, 4],
      ...SPARKPLUG,
    }
  })
  if (guesses.length === 0) throw new NoDraftError(`heard no DATA or BIRTH on ${filter}`)
  const text = guesses.flatMap(({ topics }) => topics.map((topic) => topic.split('/').slice(3).join('-')))
  const replaced = replacements(text, /[^A-Za-z0-9_-]/g)
  const devices = [...new Set(guesses.map(({ device }) => device))].sort((a, b) => b.length - a.length)
  return {
    guesses,
    key: '"{node}"',
    devices: devices.map((device) => (replaced === '' ? quoted(device) : `{ text: ${quoted(device)}${replaced} }`)),
  }
}
