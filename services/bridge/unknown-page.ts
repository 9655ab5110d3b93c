import { isUtf8 } from 'node:buffer'
import type { UnknownTopic, UnknownTopics } from '../../processors/bridge/unknown-topics.ts'

/** Where the bridge serves what it knows of unknown topics, on the port of its metrics. */
export const UNKNOWN_PAGE = '/topics/unknown'

/** What the page says. */
export interface UnknownPage {
  /** `bridge.unknown_topics`. */
  readonly mode: 'ignore' | 'count' | 'dead-letter'
  /**
   * Whether the bridge hears all topics. Without it, what no subscription matches is not among
   * these.
   */
  readonly everything: boolean
  /** Since when these are counted: the start of the bridge. ISO 8601, as all times here. */
  readonly since: string
  readonly messages: number
  readonly topics: readonly UnknownTopicEntry[]
}

export interface UnknownTopicEntry {
  /** `+` stands for a level with many names, a last `#` for more levels. */
  readonly topic: string
  readonly messages: number
  /** How many of them the broker had kept. */
  readonly retained: number
  readonly empty: number
  readonly first: string
  readonly last: string
  readonly example: {
    readonly topic: string
    readonly bytes: number
    /** The beginning, if it is text. */
    readonly text?: string
    /** The beginning, if it is not. */
    readonly hex?: string
  }
}

export function unknownPage(topics: UnknownTopics, about: Pick<UnknownPage, 'mode' | 'everything' | 'since'>): UnknownPage {
  return { ...about, messages: topics.messages, topics: topics.list().map(entryOf) }
}

function entryOf({ topic, messages, retained, empty, firstMs, lastMs, example, payload, payloadBytes }: UnknownTopic): UnknownTopicEntry {
  return {
    topic,
    messages,
    retained,
    empty,
    first: new Date(firstMs).toISOString(),
    last: new Date(lastMs).toISOString(),
    example: { topic: example, bytes: payloadBytes, ...textOf(payload, payload.length < payloadBytes) },
  }
}

const LONGEST_CHARACTER = 4

/** @param cut whether the last character may be a part of one */
function textOf(payload: Buffer, cut: boolean): { readonly text: string } | { readonly hex: string } {
  for (let bytes = payload.length; bytes >= 0 && bytes > payload.length - (cut ? LONGEST_CHARACTER : 1); bytes--) {
    const beginning = payload.subarray(0, bytes)
    if (isUtf8(beginning)) return { text: beginning.toString('utf8') }
  }
  return { hex: payload.toString('hex') }
}
