/** What is known of topics that no route takes, or of one of them. */
export interface UnknownTopic {
  /** Its levels; `+` stands for a level that has very many names, a last `#` for more levels. */
  readonly topic: string
  /** The last topic of these, cut if it is long. */
  readonly example: string
  /** The beginning of its payload. */
  readonly payload: Buffer
  /** Bytes of that payload. */
  readonly payloadBytes: number
  readonly messages: number
  /** How many of them the broker had kept, and sent when the bridge subscribed. */
  readonly retained: number
  /** How many of them were empty, as is what clears a retained message. */
  readonly empty: number
  /** Milliseconds since 1970. */
  readonly firstMs: number
  readonly lastMs: number
}

interface Message {
  readonly topic: string
  readonly payload: Buffer
  readonly retain: boolean
  readonly receivedMs: number
}

type Entry = { -readonly [Field in Exclude<keyof UnknownTopic, 'topic'>]: UnknownTopic[Field] }

/** A level of topics. */
interface Level {
  /** By name; of a level with very many names there is one, `+`, for all. */
  readonly below: Map<string, Level>
  entry: Entry | undefined
}

const ANY = '+'
const REST = '#'
/** A level with more names than this is one that changes, such as the name of a device. */
const MOST_NAMES = 24
const MOST_LEVELS = 16
const MOST_NAME_CHARACTERS = 100
const EXAMPLE_CHARACTERS = 300
const EXAMPLE_BYTES = 512

/**
 * Counts messages of unknown topics, with an example of each. Anybody can make up topics, so there
 * is a bound: a level that has many names becomes `+`, first of all the one that has most.
 * @param most topics, or groups of them, that are told apart
 */
export class UnknownTopics {
  private readonly root: Level = { below: new Map(), entry: undefined }
  private readonly most: number
  private count = 0
  private total = 0

  constructor(most = 500) {
    this.most = most
  }

  /** Topics, or groups of them. */
  get size(): number {
    return this.count
  }

  get messages(): number {
    return this.total
  }

  note(message: Message): void {
    this.total++
    const level = this.find(message.topic)
    if (level.entry === undefined) {
      level.entry = entryOf(message)
      this.count++
      while (this.count > this.most && this.group(this.widest()));
      return
    }
    const { entry } = level
    entry.messages++
    if (message.retain) entry.retained++
    entry.lastMs = message.receivedMs
    if (message.payload.length === 0) {
      entry.empty++
      return
    }
    Object.assign(entry, exampleOf(message))
  }

  /** Those with most messages first. */
  list(): readonly UnknownTopic[] {
    const found: UnknownTopic[] = []
    const walk = (level: Level, names: readonly string[]): void => {
      if (level.entry !== undefined) found.push({ topic: names.join('/'), ...level.entry })
      for (const [name, below] of level.below) walk(below, [...names, name])
    }
    walk(this.root, [])
    return found.sort((a, b) => b.messages - a.messages || (a.topic < b.topic ? -1 : 1))
  }

  /** The level of a topic, made if it is not there. */
  private find(topic: string): Level {
    const names = topic.split('/', MOST_LEVELS + 1)
    if (names.length > MOST_LEVELS) names.splice(MOST_LEVELS - 1, 2, REST)
    let level = this.root
    for (const name of names) {
      const short = name.length > MOST_NAME_CHARACTERS ? `${name.slice(0, MOST_NAME_CHARACTERS)}…` : name
      let below = level.below.get(ANY) ?? level.below.get(short)
      if (below === undefined) {
        below = { below: new Map(), entry: undefined }
        level.below.set(short, below)
        if (level.below.size > MOST_NAMES) {
          this.group(level)
          below = level.below.get(ANY) as Level
        }
      }
      level = below
    }
    return level
  }

  /** Makes the names of a level one. False if it has one only. */
  private group(level: Level): boolean {
    if (level.below.size < 2) return false
    const merged: Level = { below: new Map(), entry: undefined }
    for (const each of level.below.values()) this.merge(merged, each)
    level.below.clear()
    level.below.set(ANY, merged)
    return true
  }

  private merge(into: Level, from: Level): void {
    if (from.entry !== undefined) {
      if (into.entry === undefined) into.entry = from.entry
      else {
        into.entry = together(into.entry, from.entry)
        this.count--
      }
    }
    for (const [name, below] of from.below) {
      const same = into.below.get(ANY) ?? into.below.get(name)
      if (same === undefined) into.below.set(name, below)
      else this.merge(same, below)
    }
    if (into.below.size > MOST_NAMES || (into.below.size > 1 && into.below.has(ANY))) this.group(into)
  }

  /** The level with most names. */
  private widest(): Level {
    let widest = this.root
    const walk = (level: Level): void => {
      if (level.below.size > widest.below.size) widest = level
      for (const below of level.below.values()) walk(below)
    }
    walk(this.root)
    return widest
  }
}

function entryOf(message: Message): Entry {
  return {
    ...exampleOf(message),
    messages: 1,
    retained: message.retain ? 1 : 0,
    empty: message.payload.length === 0 ? 1 : 0,
    firstMs: message.receivedMs,
    lastMs: message.receivedMs,
  }
}

function exampleOf({ topic, payload }: Message): Pick<Entry, 'example' | 'payload' | 'payloadBytes'> {
  return {
    example: topic.length > EXAMPLE_CHARACTERS ? `${topic.slice(0, EXAMPLE_CHARACTERS)}…` : topic,
    // A copy: a slice would keep alive all that was read with it.
    payload: Buffer.from(payload.subarray(0, EXAMPLE_BYTES)),
    payloadBytes: payload.length,
  }
}

function together(one: Entry, other: Entry): Entry {
  const last = one.lastMs >= other.lastMs ? one : other
  return {
    ...(last.payloadBytes > 0 ? last : other.payloadBytes > 0 ? other : one),
    messages: one.messages + other.messages,
    retained: one.retained + other.retained,
    empty: one.empty + other.empty,
    firstMs: Math.min(one.firstMs, other.firstMs),
    lastMs: last.lastMs,
  }
}
