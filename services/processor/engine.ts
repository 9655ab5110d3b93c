import type {
  KafkaRecord,
  Lookups,
  Outcome,
  OutgoingRecord,
  Output,
  Processor,
  ReasonDoc,
  RecordHeaders,
  Rejection,
  Topic,
} from '../../processors/contract.ts'
import type { DeadLetterWriter, RefusedRecord } from '../../processors/dead-letter-writer.ts'
import { partHeaders } from '../../processors/part-header.ts'
import { byReason } from '../../processors/rejections.ts'
import { isMalformed, MalformedError } from '../../schemas/frame-reader.ts'
import { quantities } from '../../schemas/generated/readings.ts'
import type { Keyed } from '../breaker.ts'

type Outputs = { readonly [name: string]: Output<never> }

/** Figures: every input ends in exactly one of emitted, dropped and rejected. */
export interface EngineCounters {
  records: number
  emitted: number
  readonly dropped: Map<string, number>
  /** Dead letters by reason. */
  readonly rejected: Map<string, number>
  /**
   * Values that were refused while the other quantities of their samples were not, by reason and
   * quantity.
   */
  readonly rejectedValues: Map<string, Map<string, number>>
}

export function createEngineCounters(): EngineCounters {
  return { records: 0, emitted: 0, dropped: new Map(), rejected: new Map(), rejectedValues: new Map() }
}

/** Adds the figures of a batch to those of all. */
export function addCounters(to: EngineCounters, from: EngineCounters): void {
  to.records += from.records
  to.emitted += from.emitted
  for (const [reason, times] of from.dropped) count(to.dropped, reason, times)
  for (const [reason, times] of from.rejected) count(to.rejected, reason, times)
  for (const [reason, byQuantity] of from.rejectedValues)
    for (const [quantity, values] of byQuantity) countValues(to, reason, quantity, values)
}

export interface EngineOptions {
  /** The processor's folder. */
  readonly name: string
  readonly processor: Processor<unknown, Outputs>
  /** Schema ID of each output, by its name in `to`. */
  readonly schemaIds: Readonly<Record<string, number>>
  /** Headers of the records of each output, by its name. All records share the object. */
  readonly headers?: Readonly<Record<string, RecordHeaders>>
  /** Largest value of a record that the topic of each output takes. */
  readonly limits: ReadonlyMap<Topic, number>
  readonly deadLetters: DeadLetterWriter
}

/** Where records came from, and when they are processed. */
export interface Origin {
  readonly topic: Topic
  readonly partition: number
  /** Milliseconds since 1970. Dead letters have it as the time of the failure. */
  readonly nowMs: number
}

/** What a processor made of records. */
export interface EngineResult {
  /** What must be sent before their offsets may be committed, in order. */
  readonly sent: readonly OutgoingRecord[]
  /**
   * Who is to be judged, in order: the sender of each record, and each device of a record that is
   * about several. Absent if each record stands for its sender alone.
   */
  readonly judged?: readonly Keyed[]
  /**
   * Indexes of the entries of `judged` of which something was rejected, ascending; of the records
   * if it is absent.
   */
  readonly bad: readonly number[]
  /** A look-up had no certain answer. Nothing came of the records, and no dead letter. */
  readonly unsure?: true
}

/**
 * Runs a processor over records. Pure, except for the counters.
 * @param unsure says after the records whether a look-up had no certain answer: then the caller
 *   settles it, and runs the processor again with counters of their own. Never if absent.
 */
export type Engine = (
  records: readonly KafkaRecord[],
  origin: Origin,
  lookups: Lookups,
  counters: EngineCounters,
  unsure?: () => boolean,
) => EngineResult

/** Reason that every processor may give: its source could not decode the record. */
export const UNDECODABLE = 'undecodable'
/** Reason that every processor may give: its code threw. */
export const DEFECT = 'defect'
/** Reason that every processor may give: an output of the record is larger than Kafka takes. */
export const TOO_LARGE = 'output-too-large'

/** Every hop takes records of this size. The producer sends no larger requests. */
const MOST_OUTPUT_BYTES = 900_000

class TooLargeError extends Error {
  readonly code = 'OUTPUT_TOO_LARGE'
  readonly transient = false
}

export const engineReasons: Readonly<Record<typeof UNDECODABLE | typeof DEFECT | typeof TOO_LARGE, ReasonDoc>> = {
  [UNDECODABLE]: {
    means: 'The record is not what its topic holds, or its whole batch cannot be read: the detail has the offsets.',
    whatToDo:
      'Find what else produces to the topic. A batch that is compressed with snappy, lz4 or zstd, or becomes very large, is not read here; Kafka has it until its retention ends.',
  },
  [DEFECT]: {
    means: 'The processor itself failed on the record; the detail has the error.',
    whatToDo: 'Report or fix the defect, deploy, and redrive.',
  },
  [TOO_LARGE]: {
    means: 'An output of the record is larger than its topic takes, and cannot be split.',
    whatToDo: 'Raise `max.message.bytes` of that topic (the detail names it), restart the processor, and redrive.',
  },
}

export function createEngine({ name, processor, schemaIds, headers = {}, limits, deadLetters }: EngineOptions): Engine {
  const encoders = new Map(
    Object.entries(processor.to).map(([output, { topic, encoder }]) => {
      const schemaId = schemaIds[output]
      if (schemaId === undefined) throw new RangeError(`${name}: no schema ID for its output ${output}`)
      const mostBytes = limits.get(topic) ?? 0
      const encode = encoder(schemaId, Math.min(mostBytes, MOST_OUTPUT_BYTES))
      return [output, { topic, mostBytes, headers: headers[output], encode }] as const
    }),
  )

  return (records, { topic, partition, nowMs }, lookups, counters, unsure = () => false) => {
    const sent: OutgoingRecord[] = []
    const refused: RefusedRecord[] = []
    const judging = new Judging(records)

    const drop = (reason: string): void => count(counters.dropped, reason, 1)

    /** Of the current record. All of them are known before a dead letter is written. */
    let rejections: Rejection[] = []

    const settle = (record: KafkaRecord, outcome: Outcome<Outputs>, sample: number | null): void => {
      switch (outcome.tag) {
        case 'emit': {
          const output = encoders.get(String(outcome.to))
          if (output === undefined) throw new RangeError(`emitted to "${String(outcome.to)}", which it does not declare`)
          const encoded = output.encode(outcome.value)
          const parts = encoded instanceof Buffer ? undefined : encoded
          for (let part = 0; part < (parts?.length ?? 1); part++) {
            const value = parts === undefined ? (encoded as Buffer) : (parts[part] as Buffer)
            if (value.length > output.mostBytes)
              throw new TooLargeError(`${output.topic} takes ${output.mostBytes} bytes, got ${value.length}`)
            counters.emitted++
            const own = part === 0 ? output.headers : [...(output.headers ?? []), ...partHeaders(part)]
            sent.push({ topic: output.topic, key: outcome.key ?? record.key, value, timestampMs: record.timestampMs, headers: own })
          }
          if (outcome.key !== undefined) judging.device(outcome.key, false)
          return
        }
        case 'drop':
          drop(outcome.reason)
          return
        case 'reject':
          if (!(outcome.reason in processor.reasons))
            throw new RangeError(`rejected for "${outcome.reason}", which is not in its list of reasons`)
          rejections.push(outcome.samples.length === 0 && sample !== null ? { ...outcome, samples: [sample] } : outcome)
          if (outcome.about !== undefined) judging.device(outcome.about, true)
          return
      }
    }

    for (let index = 0; index < records.length; index++) {
      const record = records[index] as KafkaRecord
      counters.records++
      const sentBefore = sent.length
      const emittedBefore = counters.emitted
      const only = record.only === undefined || record.only.samples.length === 0 ? undefined : new Set(record.only.samples)
      try {
        if (record.unreadable !== undefined) throw new MalformedError(record.unreadable)
        processor.from.decode(
          record,
          lookups,
          (item, sample) => {
            if (only !== undefined && sample !== null && !only.has(sample)) return
            const outcome = processor.handle(item, lookups)
            if ('tag' in outcome) settle(record, outcome, sample)
            else for (const each of outcome) settle(record, each, sample)
          },
          drop,
        )
      } catch (cause) {
        // Permanent in both cases: handle is pure, so it would fail again. The outputs of this
        // record are taken back; the dead letter has the whole record.
        sent.length = sentBefore
        counters.emitted = emittedBefore
        const detail = cause instanceof Error ? cause.message : String(cause)
        rejections = [{ reason: reasonOf(cause), detail, samples: [] }]
        judging.takeBack()
      }
      judging.record(index, sent.length > sentBefore, rejections)
      if (rejections.length === 0) continue
      for (const { reason, samples, quantities: refusedOnes = [] } of rejections)
        for (const quantity of refusedOnes) countValues(counters, reason, labelOf(quantity), samples.length)
      for (const rejection of byReason(rejections)) {
        count(counters.rejected, rejection.reason, 1)
        refused.push({ ...rejection, record, topic, partition })
      }
      rejections = []
    }
    if (unsure()) return { sent: [], bad: [], unsure: true }
    if (refused.length > 0) for (const deadLetter of deadLetters(refused, nowMs)) sent.push(deadLetter)
    return judging.result(sent)
  }
}

/**
 * Notes who is to be judged for a batch: the sender of a record, and each device that a record of
 * several devices is about. A gateway that hears the devices of others is not refused for them.
 */
class Judging {
  private readonly bad: number[] = []
  private readonly records: readonly KafkaRecord[]
  /** Undefined as long as each record stands for itself. */
  private own: Keyed[] | undefined
  /** Devices of the current record, and whether anything of theirs was rejected. */
  private devices = new Map<string, Keyed & { bad: boolean }>()

  constructor(records: readonly KafkaRecord[]) {
    this.records = records
  }

  result(sent: readonly OutgoingRecord[]): EngineResult {
    return this.own === undefined ? { sent, bad: this.bad } : { sent, judged: this.own, bad: this.bad }
  }

  device(key: Buffer, bad: boolean): void {
    const name = key.toString('latin1')
    const known = this.devices.get(name)
    if (known === undefined) this.devices.set(name, { key, bad })
    else known.bad ||= bad
  }

  /** Nothing of the current record was sent after all. */
  takeBack(): void {
    this.devices.clear()
  }

  /** Ends a record. */
  record(index: number, sent: boolean, rejections: readonly Rejection[]): void {
    const record = this.records[index] as KafkaRecord
    const bad = rejections.some(({ about }) => about === undefined)
    if (this.devices.size === 0) {
      if (bad) this.bad.push(this.own?.length ?? index)
      this.own?.push(record)
      return
    }
    this.own ??= this.records.slice(0, index)
    // Its sender is refused if the record is, or its devices if they are one.
    const sender = record.key?.toString('latin1')
    const own = sender === undefined ? undefined : this.devices.get(sender)
    if (own !== undefined) own.bad ||= bad
    else if (bad || sent) this.note(record, bad)
    for (const device of this.devices.values()) this.note(device, device.bad)
    this.devices.clear()
  }

  private note(entry: Keyed, bad: boolean): void {
    if (bad) this.bad.push(this.own?.length ?? 0)
    this.own?.push(entry)
  }
}

function reasonOf(cause: unknown): keyof typeof engineReasons {
  if (isMalformed(cause)) return UNDECODABLE
  return cause instanceof TooLargeError ? TOO_LARGE : DEFECT
}

const KNOWN: ReadonlySet<string> = new Set(quantities.map(({ name }) => name))

/** Without its channel, and not as a device named it: a label must have few values. */
function labelOf(quantity: string): string {
  const name = quantity.slice(quantity.lastIndexOf('/') + 1)
  return KNOWN.has(name) ? name : 'other'
}

function countValues({ rejectedValues }: EngineCounters, reason: string, quantity: string, values: number): void {
  let byQuantity = rejectedValues.get(reason)
  if (byQuantity === undefined) {
    byQuantity = new Map()
    rejectedValues.set(reason, byQuantity)
  }
  count(byQuantity, quantity, values)
}

function count(counts: Map<string, number>, reason: string, times: number): void {
  counts.set(reason, (counts.get(reason) ?? 0) + times)
}
