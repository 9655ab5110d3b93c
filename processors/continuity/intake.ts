import { MalformedError } from '../../schemas/frame-reader.ts'
import { type KafkaRecord, parseDeviceId } from '../contract.ts'
import type { DeadLetter } from '../dead-letter.ts'
import { fingerprintOf } from '../fingerprint-header.ts'
import { isLaterPart } from '../part-header.ts'
import { topics } from '../topics.ts'
import { ReadingsHead } from './heads.ts'
import type { BootKey, Ledger } from './ledger.ts'
import { type FrameSchemas, frameNumber, type LetterNumber, readingsNumber } from './letter-number.ts'
import { RangeSet } from './ranges.ts'

/** Figures for metrics. */
export interface IntakeCounters {
  /** Readings taken. */
  readings: number
  /** Dead letters taken. */
  letters: number
  /** Records that could not be read, or that no device has as their key. */
  unreadable: number
}

export interface IntakeOptions {
  readonly ledger: Ledger
  readonly schemas: FrameSchemas
  /** Whether a name is one of a device; of readings, all are. */
  readonly isDevice: (name: string) => boolean
  /** Throws where the bytes are no dead letter. */
  readonly decode: (value: Buffer) => DeadLetter
  readonly counters: IntakeCounters
}

/** A dead letter, decoded. */
export interface OpenLetter {
  readonly letter: DeadLetter
  readonly device: string
  /** Where it is in its topic. */
  readonly partition: number
  readonly offset: bigint
  /** Of the frame that is in it, as its header says. */
  readonly fingerprint: Buffer | undefined
}

/** Samples of one record that the store made dead letters. */
interface Refusal {
  /** Null where the whole record is one. */
  samples: RangeSet | null
  /** Where the first letter about it is. */
  readonly letter: Pick<OpenLetter, 'partition' | 'offset'>
}

/** Applies records to a ledger. The boots that they are about must be in memory: `absent…` names those that are not. */
export class Intake {
  private readonly options: IntakeOptions
  private readonly head = new ReadingsHead()
  /** By partition and offset of readings that have not been taken yet. */
  private readonly refusals = new Map<number, Map<number, Refusal>>()

  constructor(options: IntakeOptions) {
    this.options = options
  }

  /**
   * Takes readings that the store has committed; every dead letter of the store about them must have been taken before. False where the boot is not
   * in memory: nothing was done then.
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
        // The rest of a frame whose first samples are in the record before: no other frame with the same number.
        if (isLaterPart(headers)) head.firstSample = Number.NaN
        ledger.committed(boot, head, timestampMs, this.refused(partition, offset), truncated)
      }
    }
    counters.readings++
    return true
  }

  /** Boots of readings from an index on that are not in memory: at most so many. */
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

  /** Decodes dead letters; what is none, or has no device, is counted and left out. */
  open(records: readonly KafkaRecord[], partition: number): readonly OpenLetter[] {
    return records.flatMap((record): OpenLetter[] => {
      const { key, value, offset } = record
      this.options.counters.letters++
      const letter = value === null ? undefined : this.decoded(value)
      if (letter !== undefined && key !== null)
        return lettersOf(letter).map((each) => ({
          letter: each,
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
  absentOfLetters(letters: readonly OpenLetter[]): readonly BootKey[] {
    const absent = new Map<string, BootKey>()
    for (const { letter, device, fingerprint } of letters) {
      const number = this.number(letter, device, fingerprint)
      if (number.tag !== 'numbered' || this.options.ledger.find(device, number.boot) !== undefined) continue
      absent.set(`${device}/${number.boot}`, { device, boot: number.boot })
    }
    return [...absent.values()]
  }

  /**
   * Takes a dead letter. One of the store counts once its readings are taken, which is when it is known whether samples are left of them. False
   * where the boot is not in memory: nothing was done then.
   * @param taken offset up to which readings of a partition have been taken; undefined for a partition that is another's
   */
  letter(open: OpenLetter, taken: (partition: number) => bigint | undefined, truncated: boolean): boolean {
    const { ledger, isDevice } = this.options
    const { letter, device, fingerprint } = open
    if (letter.source_topic === topics.readings) {
      const position = taken(letter.source_partition)
      if (position !== undefined && BigInt(letter.source_offset) >= position) {
        this.refuse(open)
        return true
      }
    }
    const number = this.number(letter, device, fingerprint)
    if (number.tag === 'unnumbered') ledger.unnumbered(device, isDevice(device))
    else if (number.tag === 'unreadable') ledger.unreadable(device, isDevice(device))
    else {
      const boot = ledger.find(device, number.boot)
      if (boot === undefined) return false
      ledger.died(boot, number, { partly: isPartial(letter), whole: number.whole }, letter.source_timestamp, truncated)
    }
    return true
  }

  /**
   * Offset of the first of the store's letters on a partition that must be read again after a crash, because its readings were not taken; undefined for
   * none.
   */
  firstWaiting(partition: number, taken: (source: number) => bigint): bigint | undefined {
    let first: bigint | undefined
    for (const [source, refusals] of this.refusals) {
      const until = taken(source)
      for (const [offset, { letter }] of refusals) {
        // Readings that retention deleted are never taken.
        if (BigInt(offset) < until) refusals.delete(offset)
        else if (letter.partition === partition && (first === undefined || letter.offset < first)) first = letter.offset
      }
    }
    return first
  }

  private refuse({ letter: { source_partition, source_offset, samples, quantities }, partition, offset }: OpenLetter): void {
    let refusals = this.refusals.get(source_partition)
    if (refusals === undefined) {
      refusals = new Map()
      this.refusals.set(source_partition, refusals)
    }
    let refusal = refusals.get(source_offset)
    if (refusal === undefined) {
      refusal = { samples: new RangeSet(), letter: { partition, offset } }
      refusals.set(source_offset, refusal)
    }
    // A set: a store that was killed between its letters and its commit writes them twice.
    if (samples.length + quantities.length === 0) refusal.samples = null
    // A sample of which single quantities were refused is a row nonetheless.
    else if (quantities.length === 0) for (const sample of samples) refusal.samples?.add(sample)
  }

  private refused(partition: number, offset: bigint): number {
    const refusals = this.refusals.get(partition)
    if (refusals === undefined || refusals.size === 0) return 0
    const source = Number(offset)
    const refusal = refusals.get(source)
    if (refusal === undefined) return 0
    refusals.delete(source)
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
      // avsc has no error class of its own: whatever it throws for these bytes, they are no dead letter. The caller counts them.
      return undefined
    }
  }

  /** Others' records may have anything for a key: what is no ID, the database may not even take for text. */
  private isName(device: string): boolean {
    return this.options.ledger.knows(device) || parseDeviceId(device) !== undefined
  }

  private number(letter: DeadLetter, device: string, fingerprint: Buffer | undefined): LetterNumber {
    if (!this.isName(device)) return { tag: 'unreadable' }
    return letter.source_topic === topics.readings ? readingsNumber(letter) : frameNumber(letter, this.options.schemas, fingerprint)
  }
}

/** A letter of its own for each record that one stands for: of their values only the heads are left, which is where the numbers are. */
function lettersOf(letter: DeadLetter): readonly DeadLetter[] {
  if (letter.records.length === 0) return [letter]
  return letter.records.map(({ offset, timestamp, head, partly }) => ({
    ...letter,
    source_offset: offset,
    source_timestamp: timestamp,
    value: head,
    records: [],
    // Which samples it was nobody needs to know here.
    samples: partly ? [0] : [],
    quantities: [],
  }))
}

/** Whether the letter is about a part of its record: the rest may be stored. */
function isPartial({ samples, quantities }: DeadLetter): boolean {
  return samples.length + quantities.length > 0
}
