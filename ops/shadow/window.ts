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
  /** Without repeats. */
  readonly working: OutputRecord[]
  /** Those of `working` that the deployed one gave as they are, byte by byte. */
  readonly found: Set<OutputRecord>
  /** Other records of the deployed one, without repeats. */
  readonly deployed: OutputRecord[]
}

/**
 * Most records of one key and time that are kept: a stranger may write as many as it likes. What
 * is more is counted.
 */
const MOST_OF_A_GROUP = 1000

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
      if (group.working.some((other) => isSame(other, record))) continue
      group.working.push(record)
      this.bytes += record.value.length
    }
  }

  /** Takes a record that the deployed one may have written. False if it belongs to no input. */
  take(topic: Topic, record: KafkaRecord): boolean {
    const group = this.named.get(nameOf(topic, record.key, record.timestampMs))
    if (group === undefined) return false
    const same = group.working.find((other) => isSame(other, record))
    if (same !== undefined) {
      if (group.found.has(same)) this.repeats++
      group.found.add(same)
    } else if (group.deployed.some((other) => isSame(other, record))) this.repeats++
    else if (group.deployed.length === MOST_OF_A_GROUP) this.unheld++
    else {
      // A copy: the fetch that it is a part of is larger.
      group.deployed.push({ value: record.value === null ? null : Buffer.from(record.value), headers: record.headers })
      this.bytes += record.value?.length ?? 0
    }
    return true
  }

  private group(topic: Topic, key: Buffer | null, timestampMs: number, place: Place): Group {
    const name = nameOf(topic, key, timestampMs)
    const known = this.named.get(name)
    if (known !== undefined) return known
    const group = { topic, key, timestampMs, place, redriven: false, working: [], found: new Set<OutputRecord>(), deployed: [] }
    this.named.set(name, group)
    return group
  }
}

/** Whether the deployed one has given less than the working copy, as far as was read. */
export function lacks({ working, found, deployed }: Group): boolean {
  return found.size + deployed.length < working.length
}

/** Whether nothing differs. */
export function isAlike({ working, found, deployed }: Group): boolean {
  return deployed.length === 0 && found.size === working.length
}

function nameOf(topic: Topic, key: Buffer | null, timestampMs: number): string {
  return `${topic} ${timestampMs} ${key === null ? '' : `=${key.toString('latin1')}`}`
}

/** The registry's ID is left out: that of a schema that is not registered is not known. */
function isSame(a: OutputRecord, b: OutputRecord): boolean {
  if (a.value === null || b.value === null) return a.value === b.value
  const [one, other] = [fingerprint(a.headers), fingerprint(b.headers)]
  if (one === undefined || other === undefined || !one.equals(other)) return false
  return a.value.length === b.value.length && a.value.compare(b.value, WIRE_BYTES, b.value.length, WIRE_BYTES, a.value.length) === 0
}

function fingerprint(headers: RecordHeaders | undefined): Buffer | undefined {
  return headers?.find(({ name }) => name === FINGERPRINT_HEADER)?.value ?? undefined
}
