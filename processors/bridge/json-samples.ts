import { isObject } from '../../schemas/json.ts'
import type { RecordPart, Rejection } from '../contract.ts'
import { shown } from '../shown.ts'
import { TextRefusal } from './json-text.ts'
import { repeatedNames } from './repeated-names.ts'
import { parseTimestamp } from './timestamp.ts'

/** Nothing of the message can be taken. */
export class JsonRefusal extends TextRefusal {
  readonly reason: 'bad-json' | 'too-many-samples' | 'retained'
  constructor(detail: string, reason: JsonRefusal['reason'] = 'bad-json') {
    super(detail)
    this.reason = reason
  }
}

/**
 * Times are accepted from 1970 to 2112: a double holds these microseconds exactly, and their
 * differences too.
 */
const LATEST_MICROS = 2 ** 52
/**
 * Names that are no quantity are left out one by one if they are few and short. If not, the samples
 * that have them are left out.
 */
const MOST_STRANGE_NAMES = 20
const MOST_NAME_CHARACTERS = 64
const TIME = 'ts'
const INITIAL_CAPACITY = 64

/**
 * The samples of one JSON message as columns. They are reused: everything holds until the next
 * `read`. A sample, or a value, that is wrong does not affect the others: it is in `rejections`,
 * and the rest is taken.
 */
export class JsonSamples {
  /** Samples that are taken. */
  count = 0
  /** Whether they have times. */
  timed = false
  /** Microseconds since 1970. */
  micros = new Float64Array(INITIAL_CAPACITY)
  /** By quantity: whether the message has it (1), and the values, NaN if a sample has none. */
  readonly present: Uint8Array
  readonly values: Float64Array[]
  /** How many quantities the message has. */
  columns = 0
  /** What is not taken. Indexes of samples are those of the message. */
  rejections: Rejection[] = []
  private excluded = new Uint8Array(INITIAL_CAPACITY)
  private excludes = false
  private single = false
  private only: { readonly samples: ReadonlySet<number>; readonly quantities: readonly string[] } | undefined
  private readonly strangeNames = new Set<string>()
  /** How many names and texts are in the samples. Each has two quotation marks. */
  private strings = 0
  private readonly names: readonly string[]
  private readonly indexes: ReadonlyMap<string, number>
  private readonly most: number

  /**
   * @param quantities names of the standard quantities
   * @param most samples that a message may have
   */
  constructor(quantities: readonly string[], most: number) {
    this.names = quantities
    this.indexes = new Map(quantities.map((name, index) => [name, index]))
    this.most = most
    this.present = new Uint8Array(quantities.length)
    this.values = quantities.map(() => new Float64Array(INITIAL_CAPACITY))
  }

  /**
   * Takes `{"ts": …, "<quantity>": number | null, …}` or an array of such. Times are in all samples
   * or in none; null is the same as no value.
   * @param text that `parsed` was parsed from
   * @param quotes how many quotation marks it has: more than its names and texts need, if a name is
   *   there twice
   * @param only a redrive is about this part of the message
   * @throws JsonRefusal if nothing of it can be taken
   */
  read(parsed: unknown, text: string, quotes: number, only?: RecordPart): void {
    this.single = !Array.isArray(parsed)
    this.count = Array.isArray(parsed) ? parsed.length : 1
    if (this.count > this.most)
      throw new JsonRefusal(`expected at most ${this.most} samples in a message, got ${this.count}`, 'too-many-samples')
    if (this.count === 0) throw new JsonRefusal('expected at least one sample, got an empty array')
    this.reset(only)
    if (Array.isArray(parsed)) for (let sample = 0; sample < this.count; sample++) this.readSample(parsed[sample], sample)
    else this.readSample(parsed, 0)
    if (quotes !== 2 * this.strings) this.refuseRepeated(text)
    if (this.timed && !this.single) this.refuseUntimed()
    if (this.excludes) this.leaveOutExcluded()
    if (this.count === 0) throw new JsonRefusal(this.explained())
  }

  private reset(only: RecordPart | undefined): void {
    if (this.micros.length < this.count) {
      this.micros = new Float64Array(this.count)
      this.excluded = new Uint8Array(this.count)
    } else if (this.excludes) this.excluded.fill(0)
    this.excludes = false
    this.timed = false
    if (this.columns > 0) this.present.fill(0)
    this.columns = 0
    this.only = only === undefined ? undefined : { samples: new Set(only.samples), quantities: only.quantities }
    this.strings = 0
    if (this.rejections.length > 0) this.rejections = []
    if (this.strangeNames.size > 0) this.strangeNames.clear()
  }

  private readSample(sample: unknown, at: number): void {
    this.micros[at] = Number.NaN
    if (this.only !== undefined && this.only.samples.size > 0 && !this.only.samples.has(at)) this.exclude(at)
    else if (isObject(sample)) this.readObject(sample, at)
    else this.reject(at, () => `expected an object, got ${shown(sample)}`)
  }

  private readObject(sample: Readonly<Record<string, unknown>>, at: number): void {
    const refusedBefore = this.rejections.length
    let readings = 0
    for (const name in sample) {
      const value = sample[name]
      this.strings += typeof value === 'string' ? 2 : 1
      if (name === TIME) {
        this.readTime(value, at)
        continue
      }
      const quantity = this.indexes.get(name)
      if (typeof value === 'number' && Number.isFinite(value) && quantity !== undefined && this.only === undefined) {
        this.column(quantity)[at] = value
        readings++
      } else readings += this.readOther(name, value, quantity, at)
    }
    if (readings > 0) return
    // If each of its values was refused, the rejections say so already.
    if (this.rejections.length === refusedBefore)
      this.reject(at, () => `expected at least one quantity with a number, got ${shown(sample)}`)
    else this.exclude(at)
  }

  private readTime(value: unknown, at: number): void {
    if (value === null) return
    this.timed = true
    const micros = parseTimestamp(value)
    if (micros >= 0 && micros < LATEST_MICROS) this.micros[at] = micros
    else if (Number.isNaN(micros)) {
      const expected = 'expected ISO 8601 with an offset or Z, or a number since 1970 of 10 digits (seconds) or 13 (milliseconds)'
      this.reject(at, () => `"ts": ${expected}, got ${shown(value)}`)
    } else this.reject(at, () => `"ts": expected a time from 1970 to 2112, got ${shown(value)}`)
  }

  /**
   * Takes what is not a number of a standard quantity; in a redrive, everything. Returns how many
   * readings it was.
   */
  private readOther(name: string, value: unknown, quantity: number | undefined, at: number): 0 | 1 {
    if (this.only !== undefined && this.only.quantities.length > 0 && !this.only.quantities.includes(name)) return 0
    if (quantity === undefined) {
      this.refuseStrange(name, at)
      return 0
    }
    if (value === null) return 0
    // JSON has no infinity, but 1e999 is read as one.
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      this.rejectValue(name, at, () => `${shown(name)}: expected a finite number or null, got ${shown(value)}`)
      return 0
    }
    this.column(quantity)[at] = value
    return 1
  }

  private refuseStrange(name: string, at: number): void {
    const detail = (): string => `${shown(name)} is no standard quantity; expected ${this.names.join(', ')}`
    this.strangeNames.add(name)
    if (this.strangeNames.size > MOST_STRANGE_NAMES || name.length > MOST_NAME_CHARACTERS) this.reject(at, detail)
    else this.rejectValue(name, at, detail)
  }

  private refuseRepeated(text: string): void {
    for (const { sample, name } of repeatedNames(text, !this.single)) {
      if (this.excluded[sample] === 1) continue
      const detail = (): string => `${shown(name)}: expected once, it is there twice`
      const quantity = this.indexes.get(name)
      if (quantity === undefined || this.present[quantity] === 0) this.reject(sample, detail)
      else {
        this.column(quantity)[sample] = Number.NaN
        this.rejectValue(name, sample, detail)
        if (!this.hasReading(sample)) this.exclude(sample)
      }
    }
  }

  private refuseUntimed(): void {
    for (let sample = 0; sample < this.count; sample++) {
      if (this.excluded[sample] === 0 && Number.isNaN(this.micros[sample]))
        this.reject(sample, () => 'expected "ts" in all samples or in none')
    }
  }

  /** Closes the gaps that the excluded samples leave. */
  private leaveOutExcluded(): void {
    let kept = 0
    for (let sample = 0; sample < this.count; sample++) {
      if (this.excluded[sample] === 1) continue
      this.micros[kept] = this.micros[sample] as number
      for (let quantity = 0; quantity < this.values.length; quantity++) {
        if (this.present[quantity] === 1) this.column(quantity)[kept] = this.column(quantity)[sample] as number
      }
      kept++
    }
    this.count = kept
  }

  private column(quantity: number): Float64Array {
    let column = this.values[quantity] as Float64Array
    if (this.present[quantity] === 1) return column
    if (column.length < this.count) {
      column = new Float64Array(this.count)
      this.values[quantity] = column
    }
    if (this.count === 1) column[0] = Number.NaN
    else column.fill(Number.NaN, 0, this.count)
    this.present[quantity] = 1
    this.columns++
    return column
  }

  private hasReading(sample: number): boolean {
    return this.values.some((column, quantity) => this.present[quantity] === 1 && !Number.isNaN(column[sample]))
  }

  private exclude(sample: number): void {
    this.excluded[sample] = 1
    this.excludes = true
  }

  private reject(sample: number, detail: () => string): void {
    this.exclude(sample)
    this.note(sample, [], detail)
  }

  private rejectValue(name: string, sample: number, detail: () => string): void {
    this.note(sample, [name], detail)
  }

  /** Only the first detail is written: nobody reads the others. */
  private note(sample: number, quantities: readonly string[], detail: () => string): void {
    const where = this.single ? '' : `sample ${sample}: `
    this.rejections.push({
      reason: 'bad-json',
      detail: this.rejections.length === 0 ? `${where}${detail()}` : '',
      samples: [sample],
      quantities,
    })
  }

  private explained(): string {
    const [first] = this.rejections
    if (first === undefined) return 'expected the samples of the dead letter, which the message does not have'
    return this.rejections.length === 1 ? first.detail : `${first.detail}; and ${this.rejections.length - 1} more`
  }
}
