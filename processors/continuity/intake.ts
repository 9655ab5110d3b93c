import { MalformedError } from '../../schemas/frame-reader.ts'
import { type KafkaRecord, parseDeviceId } from '../contract.ts'
import type { DeadLetter } from '../dead-letter.ts'
import { fingerprintOf } from '../fingerprint-header.ts'
import { isLaterPart } from '../part-header.ts'
import { topics } from '../topics.ts'
import { type DeadLetterNumber, type FrameSchemas, frameNumber, readingsNumber } from './dead-letter-number.ts'
import { ReadingsHead } from './heads.ts'
import type { BootKey, Ledger } from './ledger.ts'
import { RangeSet } from './ranges.ts'

/** Figures for metrics. */
export interface IntakeCounters {
  /** Readings taken. */
  readings: number
  /** Dead letters taken. */
  deadLetters: number
  /** Records that could not be read, or whose key is no device. */
  unreadable: number
}

export interface IntakeOptions {
  readonly ledger: Ledger
  readonly schemas: FrameSchemas
  /** Whether a name is a device's. Names that readings have always are. */
  readonly isDevice: (name: string) => boolean
  /** Throws if the bytes are no dead letter. */
  readonly decode: (value: Buffer) => DeadLetter
  readonly counters: IntakeCounters
}

/** A dead letter, decoded. */
export interface OpenDeadLetter {
  readonly deadLetter: DeadLetter
  readonly device: string
  /** Where it is in its topic. */
  readonly partition: number
  readonly offset: bigint
  /** Fingerprint of its frame, as its header says. */
  readonly fingerprint: Buffer | undefined
}

/** Samples of one record that the store made dead letters. */
interface RefusedSamples {
  /** Null if the whole record is a dead letter. */
  samples: RangeSet | null
  /** Where the first dead letter about it is. */
  readonly deadLetter: Pick<OpenDeadLetter, 'partition' | 'offset'>
}

/**
 * Applies records to a ledger. The boots of the records must be in memory: the `absent…` methods
 * name those that are not.
 */
export class Intake {
  private readonly options: IntakeOptions
  private readonly head = new ReadingsHead()
  /** By partition and offset of readings that have not been taken yet. */
  private readonly refusedSamples = new Map<number, Map<number, RefusedSamples>>()

  constructor(options: IntakeOptions) {
    this.options = options
  }

  /**
   * Takes readings that the store has committed; every dead letter of the store about them must
   * have been taken before. False if the boot is not in memory: nothing was done then.
   */
  reading({ key, value, timestampMs, offset, headers }: KafkaRecord, partition: number, truncated: boolean): boolean {
    const { ledger, counters } = this.options
    const { head } = this
    const device = key?.toString('latin1') ?? ''
    if (value === null || !this.read(value)) counters.unreadable++
    else if (!head.numbered) {
      if (this.isName(device)) ledger.unnumbered(device, true)
      else counters.unreadable++
    } else {
      const boot = ledger.find(device, head.boot)
      if (boot === undefined) {
        if (this.isName(device)) return false
        counters.unreadable++
      } else {
        // The record has the rest of a frame that began in the record before. It is not another
        // frame with the same number.
        if (isLaterPart(headers)) head.firstSample = Number.NaN
        ledger.committed(boot, head, timestampMs, this.refused(partition, offset), truncated)
      }
    }
    counters.readings++
    return true
  }

  /** Boots that are not in memory, of readings from an index on. At most `most` of them. */
  absentOfReadings(records: readonly KafkaRecord[], from: number, most = Number.POSITIVE_INFINITY): readonly BootKey[] {
    const absent = new Map<string, BootKey>()
    for (let index = from; index < records.length && absent.size < most; index++) {
      const { key, value } = records[index] as KafkaRecord
      if (key === null || value === null || !this.read(value) || !this.head.numbered) continue
      const [device, boot] = [key.toString('latin1'), this.head.boot]
      if (this.options.ledger.find(device, boot) === undefined && this.isName(device)) absent.set(`${device}/${boot}`, { device, boot })
    }
    return [...absent.values()]
  }

  /** Decodes dead letters. A record that is none, or has no device, is counted and left out. */
  open(records: readonly KafkaRecord[], partition: number): readonly OpenDeadLetter[] {
    return records.flatMap((record): OpenDeadLetter[] => {
      const { key, value, offset } = record
      this.options.counters.deadLetters++
      const deadLetter = value === null ? undefined : this.decoded(value)
      if (deadLetter !== undefined && key !== null)
        return deadLettersOf(deadLetter).map((each) => ({
          deadLetter: each,
          device: key.toString('latin1'),
          partition,
          offset,
          fingerprint: fingerprintOf(record),
        }))
      this.options.counters.unreadable++
      return []
    })
  }

  /** Boots of dead letters that are not in memory. */
  absentOfDeadLetters(deadLetters: readonly OpenDeadLetter[]): readonly BootKey[] {
    const absent = new Map<string, BootKey>()
    for (const { deadLetter, device, fingerprint } of deadLetters) {
      const number = this.number(deadLetter, device, fingerprint)
      if (number.tag !== 'numbered' || this.options.ledger.find(device, number.boot) !== undefined) continue
      absent.set(`${device}/${number.boot}`, { device, boot: number.boot })
    }
    return [...absent.values()]
  }

  /**
   * Takes a dead letter. A dead letter of the store counts once its readings are taken: only then
   * is it known whether samples of them are left. False if the boot is not in memory: nothing was
   * done then.
   * @param taken offset up to which readings of a partition have been taken; undefined for a
   *   partition that another member has
   */
  deadLetter(open: OpenDeadLetter, taken: (partition: number) => bigint | undefined, truncated: boolean): boolean {
    const { ledger, isDevice } = this.options
    const { deadLetter, device, fingerprint } = open
    if (deadLetter.source_topic === topics.readings) {
      const position = taken(deadLetter.source_partition)
      if (position !== undefined && BigInt(deadLetter.source_offset) >= position) {
        this.refuse(open)
        return true
      }
    }
    const number = this.number(deadLetter, device, fingerprint)
    if (number.tag === 'unnumbered') ledger.unnumbered(device, isDevice(device))
    else if (number.tag === 'unreadable') ledger.unreadable(device, isDevice(device))
    else {
      const boot = ledger.find(device, number.boot)
      if (boot === undefined) return false
      ledger.died(boot, number, { partly: isPartial(deadLetter), whole: number.whole }, deadLetter.source_timestamp, truncated)
    }
    return true
  }

  /**
   * Offset of the store's first dead letter on a partition that must be read again after a crash,
   * because its readings were not taken. Undefined if there is none.
   */
  firstWaiting(partition: number, taken: (source: number) => bigint): bigint | undefined {
    let first: bigint | undefined
    for (const [source, refused] of this.refusedSamples) {
      const until = taken(source)
      for (const [offset, { deadLetter }] of refused) {
        // Readings that retention deleted are never taken.
        if (BigInt(offset) < until) refused.delete(offset)
        else if (deadLetter.partition === partition && (first === undefined || deadLetter.offset < first)) first = deadLetter.offset
      }
    }
    return first
  }

  private refuse({ deadLetter: { source_partition, source_offset, samples, quantities }, partition, offset }: OpenDeadLetter): void {
    let refused = this.refusedSamples.get(source_partition)
    if (refused === undefined) {
      refused = new Map()
      this.refusedSamples.set(source_partition, refused)
    }
    let refusal = refused.get(source_offset)
    if (refusal === undefined) {
      refusal = { samples: new RangeSet(), deadLetter: { partition, offset } }
      refused.set(source_offset, refusal)
    }
    // A set: a store that was killed between its dead letters and its commit writes them twice.
    if (samples.length + quantities.length === 0) refusal.samples = null
    // If only single quantities of a sample were refused, the sample is a row all the same.
    else if (quantities.length === 0) for (const sample of samples) refusal.samples?.add(sample)
  }

  private refused(partition: number, offset: bigint): number {
    const refused = this.refusedSamples.get(partition)
    if (refused === undefined || refused.size === 0) return 0
    const source = Number(offset)
    const refusal = refused.get(source)
    if (refusal === undefined) return 0
    refused.delete(source)
    return refusal.samples === null ? Number.POSITIVE_INFINITY : refusal.samples.size
  }

  private read(value: Buffer): boolean {
    try {
      this.head.read(value)
      return this.head.seq >= 0
    } catch (cause) {
      if (cause instanceof MalformedError) return false
      throw cause
    }
  }

  private decoded(value: Buffer): DeadLetter | undefined {
    try {
      return this.options.decode(value)
    } catch {
      // avsc has no error class of its own: whatever it throws for these bytes, they are no dead
      // letter. The caller counts them.
      return undefined
    }
  }

  /**
   * A foreign record may have any key. If it is no device ID, the database may not even take it as
   * text.
   */
  private isName(device: string): boolean {
    return this.options.ledger.knows(device) || parseDeviceId(device) !== undefined
  }

  private number(deadLetter: DeadLetter, device: string, fingerprint: Buffer | undefined): DeadLetterNumber {
    if (!this.isName(device)) return { tag: 'unreadable' }
    return deadLetter.source_topic === topics.readings
      ? readingsNumber(deadLetter)
      : frameNumber(deadLetter, this.options.schemas, fingerprint)
  }
}

/**
 * Splits a dead letter that stands for several records into one for each. Only the heads of their
 * values are left; the frame numbers are in the heads.
 */
function deadLettersOf(deadLetter: DeadLetter): readonly DeadLetter[] {
  if (deadLetter.records.length === 0) return [deadLetter]
  return deadLetter.records.map(({ offset, timestamp, head, partly }) => ({
    ...deadLetter,
    source_offset: offset,
    source_timestamp: timestamp,
    value: head,
    records: [],
    // Nobody needs to know here which samples they were.
    samples: partly ? [0] : [],
    quantities: [],
  }))
}

/** Whether the dead letter is about a part of its record: the rest may be stored. */
function isPartial({ samples, quantities }: DeadLetter): boolean {
  return samples.length + quantities.length > 0
}
