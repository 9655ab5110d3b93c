import { createHash } from 'node:crypto'
import type { KafkaRecord, OutgoingRecord, RecordHeaders, Topic } from '../../processors/contract.ts'
import { FINGERPRINT_HEADER } from '../../processors/fingerprint-header.ts'
import { WIRE_BYTES } from '../../schemas/wire-format.ts'

/** Where an input is. */
export interface Place {
  readonly topic: Topic
  readonly partition: number
  readonly offset: bigint
}

/** A record of the output, of either side. */
export interface OutputRecord {
  readonly value: Buffer | null
  readonly headers?: RecordHeaders | undefined
}

/** Outputs of one topic, key and time: those of one input, as a rule. */
export interface Group {
  readonly topic: Topic
  readonly key: Buffer | null
  readonly timestampMs: number
  /** The first of the inputs. */
  readonly place: Place
  /** All that a redrive may have added to: it may be far behind the others in the topic. */
  redriven: boolean
  /** By what they are, and so without repeats. */
  readonly working: Map<string, OutputRecord>
  /** Those of `working` that the deployed one gave as they are, byte by byte. */
  readonly found: Set<string>
  /** Other records of the deployed one, without repeats. */
  readonly deployed: Map<string, OutputRecord>
}

/**
 * Most records of one key and time that are kept: more than a frame can have samples. A stranger
 * may write as many as it likes; what is more is counted.
 */
export const MOST_OF_A_GROUP = 20_000

/**
 * Some inputs, what the working copy gives for them, and what is found of the deployed one. An
 * output has its input's time, and its key or one that the processor gave, so these find what
 * belongs together. A record that came twice, as after a crash, is a repeat, not a difference.
 */
export class Window {
  inputs = 0
  /** Bytes of the outputs that are held. */
  bytes = 0
  repeats = 0
  /** Records of the deployed one beyond the most of a group. */
  unheld = 0
  /** Milliseconds since 1970. */
  firstMs = Number.POSITIVE_INFINITY
  lastMs = Number.NEGATIVE_INFINITY
  private readonly topics: readonly Topic[]
  private readonly named = new Map<string, Group>()

  constructor(topics: readonly Topic[]) {
    this.topics = topics
  }

  get groups(): Iterable<Group> {
    return this.named.values()
  }

  /** Adds an input, and what the working copy gives for it, without its dead letters. */
  expect(
    place: Place,
    { key, timestampMs }: Pick<KafkaRecord, 'key' | 'timestampMs'>,
    sent: readonly OutgoingRecord[],
    redriven: boolean,
  ): void {
    this.inputs++
    this.firstMs = Math.min(this.firstMs, timestampMs)
    this.lastMs = Math.max(this.lastMs, timestampMs)
    // Of an input that gives nothing now, the deployed one may have given something.
    for (const topic of this.topics) this.group(topic, key, timestampMs, place).redriven ||= redriven
    for (const record of sent) {
      const group = this.group(record.topic, record.key, timestampMs, place)
      group.redriven ||= redriven
      const name = identity(record)
      if (group.working.has(name)) continue
      group.working.set(name, record)
      this.bytes += record.value.length
    }
  }

  /** Takes a record that the deployed one may have written. False if it belongs to no input. */
  take(topic: Topic, record: KafkaRecord): boolean {
    const group = this.named.get(nameOf(topic, record.key, record.timestampMs))
    if (group === undefined) return false
    const { value, headers } = record
    const name = identity({ value, headers })
    if (group.working.has(name)) {
      if (group.found.has(name)) this.repeats++
      group.found.add(name)
    } else if (group.deployed.has(name)) this.repeats++
    else if (group.deployed.size === MOST_OF_A_GROUP) this.unheld++
    else {
      // A copy: the fetch that it is a part of is larger.
      group.deployed.set(name, { value: value === null ? null : Buffer.from(value), headers })
      this.bytes += value?.length ?? 0
    }
    return true
  }

  private group(topic: Topic, key: Buffer | null, timestampMs: number, place: Place): Group {
    const name = nameOf(topic, key, timestampMs)
    const known = this.named.get(name)
    if (known !== undefined) return known
    const group: Group = { topic, key, timestampMs, place, redriven: false, working: new Map(), found: new Set(), deployed: new Map() }
    this.named.set(name, group)
    return group
  }
}

/** Whether the deployed one has given less than the working copy, as far as was read. */
export function lacks({ working, found, deployed }: Group): boolean {
  return found.size + deployed.size < working.size
}

/** Whether nothing differs. */
export function isAlike({ working, found, deployed }: Group): boolean {
  return deployed.size === 0 && found.size === working.size
}

function nameOf(topic: Topic, key: Buffer | null, timestampMs: number): string {
  return `${topic} ${timestampMs} ${key === null ? '' : `=${key.toString('latin1')}`}`
}

/**
 * Equal for two records of one schema with the same datum. The registry's ID is left out: that of a
 * schema that is not registered is not known. Without a fingerprint the schema is not known.
 */
function identity({ value, headers }: OutputRecord): string {
  if (value === null) return 'no value'
  const digest = createHash('sha1').update(value.subarray(WIRE_BYTES)).digest('base64')
  return `${fingerprint(headers)?.toString('hex') ?? ''} ${digest}`
}

function fingerprint(headers: RecordHeaders | undefined): Buffer | undefined {
  return headers?.find(({ name }) => name === FINGERPRINT_HEADER)?.value ?? undefined
}
