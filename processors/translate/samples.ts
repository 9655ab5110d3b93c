import { quantities } from '../../schemas/generated/readings.ts'
import type { Reason } from './reasons.ts'
import type { DialectRejection, DialectSample } from './translation.ts'

/** A sample to which others may still be added. */
export interface OpenSample extends DialectSample {
  fromTopic: boolean
  estimated: boolean
}

/** By sample: the quantities of which it has two values. */
type Ambiguous = Map<DialectSample, Set<number>>

/** Details that are written for each reason: a dead letter shows no more. */
const MOST_DETAILS = 3
/** Fewer samples are compared one by one, which takes less time than a key of text. */
const FEW = 8
const NO_SAMPLES: readonly number[] = []

/** The samples and rejections of one message, while they are collected. */
export class Samples {
  private readonly samples: OpenSample[] = []
  private byKey: Map<string, OpenSample> | undefined
  readonly rejections: DialectRejection[] = []
  private details: Map<Reason, { count: number; last: string }> | undefined
  private ambiguous: Ambiguous | undefined

  /**
   * Adds a sample, or its values to the one of the same device, channel and time.
   * @param repeats whether a value that is there already, the same, is just a repeat
   * @returns the index of the sample that has the values now
   */
  add(sample: OpenSample, repeats: boolean): number {
    const same = this.find(sample)
    if (same === undefined) {
      this.samples.push(sample)
      this.byKey?.set(keyOf(sample), sample)
      return sample.index
    }
    if (!sample.fromTopic) same.fromTopic = false
    if (sample.estimated) same.estimated = true
    for (let quantity = 0; quantity < sample.values.length; quantity++) {
      const value = sample.values[quantity] as number
      if (!Number.isNaN(value)) this.unite(same, quantity, value, repeats)
    }
    return same.index
  }

  reject(reason: Reason, detail: () => string, samples: readonly number[] = NO_SAMPLES, names: readonly string[] = []): void {
    this.details ??= new Map()
    let given = this.details.get(reason)
    if (given === undefined) {
      given = { count: 0, last: '' }
      this.details.set(reason, given)
    }
    if (given.count++ < MOST_DETAILS) given.last = detail()
    this.rejections.push({ reason, detail: given.last, samples, quantities: names })
  }

  /** The samples that have a value. */
  taken(): readonly DialectSample[] {
    return this.ambiguous !== undefined ? this.samples.filter(({ values }) => values.some((value) => !Number.isNaN(value))) : this.samples
  }

  private unite(same: OpenSample, quantity: number, value: number, repeats: boolean): void {
    const before = same.values[quantity] as number
    if (this.ambiguous?.get(same)?.has(quantity)) return
    if (Number.isNaN(before)) same.values[quantity] = value
    else if (!(repeats && before === value)) {
      this.ambiguous ??= new Map()
      const others = this.ambiguous.get(same)
      if (others === undefined) this.ambiguous.set(same, new Set([quantity]))
      else others.add(quantity)
      same.values[quantity] = Number.NaN
      const { name } = quantities[quantity] as { readonly name: string }
      const device = same.channel === null ? same.device : `${same.device}/${same.channel}`
      const detail = (): string => `${name} of ${device}: expected one value for one time, got ${before} and ${value}`
      this.reject('ambiguous', detail, [same.index], [name])
    }
  }

  private find(sample: DialectSample): OpenSample | undefined {
    if (this.byKey === undefined && this.samples.length >= FEW) this.byKey = new Map(this.samples.map((each) => [keyOf(each), each]))
    if (this.byKey !== undefined) return this.byKey.get(keyOf(sample))
    for (const each of this.samples) {
      if (each.micros === sample.micros && each.device === sample.device && each.channel === sample.channel) return each
    }
    return undefined
  }
}

function keyOf({ device, channel, micros }: DialectSample): string {
  return channel === null ? `${micros} ${device}` : `${micros} ${device}/${channel}`
}
