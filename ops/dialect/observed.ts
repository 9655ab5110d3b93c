import type { RawMessage } from '../../processors/translate/translation.ts'

/** How much of what is heard is kept. */
export interface ObservationLimits {
  /** Of a topic: so many of the first messages, and as many of the last. */
  readonly perTopic: number
  readonly topics: number
  /** Of all topics and payloads together. */
  readonly bytes: number
  /** A larger payload is counted, and not kept. */
  readonly payloadBytes: number
}

export const OBSERVATION_LIMITS: ObservationLimits = {
  perTopic: 4,
  topics: 5_000,
  bytes: 32 * 1024 * 1024,
  payloadBytes: 64 * 1024,
}

/** What was heard. */
export interface Observed {
  /** By topic, then in the order received. */
  readonly messages: readonly RawMessage[]
  /** All that were heard. */
  readonly heard: number
  /** Not kept, because a limit was reached, other than that of one topic. */
  readonly left: number
  /** Empty: somebody cleared what was retained. */
  readonly empty: number
}

/** Keeps messages within limits, whatever a busy broker sends. */
export class Observations {
  private readonly limits: ObservationLimits
  private readonly topics = new Map<string, { readonly first: RawMessage[]; readonly last: RawMessage[] }>()
  private bytes = 0
  private heard = 0
  private left = 0
  private empty = 0

  constructor(limits: ObservationLimits = OBSERVATION_LIMITS) {
    this.limits = limits
  }

  add(message: RawMessage): void {
    this.heard++
    if (message.payload.length === 0) {
      this.empty++
      return
    }
    const size = 2 * message.topic.length + message.payload.length
    const known = this.topics.get(message.topic)
    // In place of one that goes, so that the last messages of a topic are the last ones.
    const replaced = known !== undefined && known.last.length >= this.limits.perTopic ? known.last[0] : undefined
    const freed = replaced === undefined ? 0 : 2 * replaced.topic.length + replaced.payload.length
    if (
      message.payload.length > this.limits.payloadBytes ||
      (known === undefined && this.topics.size >= this.limits.topics) ||
      this.bytes + size - freed > this.limits.bytes
    ) {
      this.left++
      return
    }
    const kept = known ?? { first: [], last: [] }
    if (known === undefined) this.topics.set(message.topic, kept)
    // The payload may be a view of a large buffer of the connection.
    const copy = { ...message, payload: Buffer.from(message.payload) }
    if (kept.first.length < this.limits.perTopic) kept.first.push(copy)
    else {
      if (replaced !== undefined) kept.last.shift()
      kept.last.push(copy)
    }
    this.bytes += size - freed
  }

  observed(): Observed {
    return {
      messages: [...this.topics.values()].flatMap(({ first, last }) => [...first, ...last]),
      heard: this.heard,
      left: this.left,
      empty: this.empty,
    }
  }
}
