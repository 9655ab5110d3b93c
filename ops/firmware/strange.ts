import type { Topic } from '../../processors/contract.ts'
import { fingerprintOf } from '../../processors/fingerprint-header.ts'
import { type FoundDeadLetter, fingerprintIn } from '../../processors/found-dead-letters.ts'
import { deadTopic } from '../../processors/topics.ts'
import { hasWireHeader, schemaIdOf } from '../../schemas/wire-format.ts'
import type { DeadLetters } from '../dead-letters/reader.ts'

/** Reasons of dead letters that say that nobody knows what a device sends, by processor. */
const REASONS: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['bridge', new Set(['unknown-fingerprint', 'no-route'])],
  ['standardise', new Set(['unknown-schema', 'bad-firmware-schema'])],
  ['translate', new Set(['unknown-topic'])],
])

/** Messages of one kind that a device sent and nobody knew. */
export interface Strange {
  readonly processor: string
  readonly reason: string
  /** Key of the messages, a device or another identity; null if their topic names none. */
  readonly device: string | null
  /** Fingerprint of the frames as hexadecimal; null if they have none. */
  readonly fingerprint: string | null
  /** What nobody knows: the fingerprint, the topic, or why the schema cannot be used. */
  readonly what: string
  /** How many messages no redrive has settled. */
  readonly messages: number
  /** When the bridge received the last one, milliseconds since 1970. */
  readonly lastMs: number
}

export interface Strangers {
  readonly strange: readonly Strange[]
  /** Messages of still more devices or kinds, which are not told apart. */
  readonly others: number
}

/** Names that a stranger makes up must not fill the memory. */
const MOST_KINDS = 10_000

/**
 * Reads the dead letters that Kafka still has.
 * @param device only those of this device; null for all
 */
export async function strangers(source: DeadLetters, device: string | null, most = MOST_KINDS): Promise<Strangers> {
  const kinds = new Map<string, { -readonly [Name in keyof Strange]: Strange[Name] }>()
  let others = 0
  const there = new Set(await source.topics())
  for (const [processor, reasons] of REASONS) {
    const topic: Topic = deadTopic(processor)
    if (!there.has(topic)) continue
    const settled = await source.settled(topic)
    await source.read(topic, (found) => {
      if (found === null || !reasons.has(found.deadLetter.reason)) return undefined
      if (settled?.get(found.partition)?.has(found.offset) === true) return undefined
      const { key, reason, source_timestamp: atMs, records } = found.deadLetter
      const sender = key?.toString('utf8') ?? null
      if (device !== null && sender !== device) return undefined
      const fingerprint = fingerprintOfFrame(found)
      const what = fingerprint ?? whatOf(found)
      const messages = Math.max(1, records.length)
      const name = JSON.stringify([processor, reason, sender, what])
      const known = kinds.get(name)
      if (known !== undefined) {
        known.messages += messages
        known.lastMs = Math.max(known.lastMs, atMs)
      } else if (kinds.size < most) kinds.set(name, { processor, reason, device: sender, fingerprint, what, messages, lastMs: atMs })
      else others += messages
      return undefined
    })
  }
  return { strange: [...kinds.values()].sort((a, b) => b.lastMs - a.lastMs || b.messages - a.messages), others }
}

function fingerprintOfFrame({ deadLetter: { value, reason }, headers }: FoundDeadLetter): string | null {
  if (reason === 'no-route' || reason === 'unknown-topic') return null
  const own = value === null ? undefined : fingerprintIn(value)
  return own ?? fingerprintOf({ key: null, value, timestampMs: 0, offset: 0n, headers })?.toString('hex') ?? null
}

function whatOf({ deadLetter: { reason, value, source_topic: topic, detail } }: FoundDeadLetter): string {
  if (reason === 'no-route') return topic
  // The topic is in the detail; the source is a topic of Kafka.
  if (reason === 'unknown-topic') return /^no dialect takes (".*"); once/.exec(detail)?.[1] ?? detail
  return hasWireHeader(value) ? `schema ${schemaIdOf(value)}` : detail
}
