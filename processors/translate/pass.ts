import { isChannel } from '../../schemas/channel.ts'
import type { Dialect } from '../../schemas/dialect.ts'
import type { Path } from '../../schemas/dialect-path.ts'
import { MOST_SAMPLES } from '../../schemas/frame-reader.ts'
import { quantities } from '../../schemas/generated/readings.ts'
import type { Captures } from '../../schemas/topic-pattern.ts'
import { parseDeviceId } from '../contract.ts'
import type { Claim, NamedValue } from './quantity.ts'
import type { IgnoreReason, Reason } from './reasons.ts'
import type { CompiledRule } from './rule.ts'
import { type OpenSample, Samples } from './samples.ts'
import { type DialectRecord, type Place, placeText, type Scope, TooManyRecords } from './scope.ts'
import { shownValue } from './shown-value.ts'
import { readStandard } from './standard.ts'
import type { DialectSample, RawMessage, Translation } from './translation.ts'

/** Copied for each record. A typed array of this size would cost four times as much. */
const NO_VALUES: readonly number[] = quantities.map(() => Number.NaN)

export type Explain = (step: string) => void

interface Fault {
  readonly reason: Reason
  readonly quantity: string
  readonly detail: string
}

/** A sample that gave no time. */
interface Untimed {
  readonly sample: OpenSample
  readonly faults: readonly Fault[]
  readonly place: Place | undefined
}

const NO_FAULTS: readonly Fault[] = []

/** One message on its way through the rules of a dialect. */
export class Pass implements Scope {
  readonly root: unknown
  record: unknown
  place: Place | undefined
  names: Captures
  private readonly captures: Captures
  private readonly dialect: Dialect
  private readonly message: RawMessage
  private readonly samples = new Samples()
  private readonly explain: Explain | undefined
  /** By place: the number of the rule that has taken the value. Undefined if there is one rule. */
  private readonly claims: Map<string, number> | undefined
  /** Places of records in which a rule found something. */
  private readonly fruitful: Set<string> | undefined
  /** Elements of arrays in which a rule found nothing. */
  private readonly empty: { readonly index: number; readonly place: Place | undefined; readonly node: unknown }[] = []
  private readonly retained: number[] = []
  private untimed: Untimed[] = []
  /** Rule and record together have a number, by which dead letters name the sample. */
  private index = -1
  /** Number of the record within its rule. */
  private ordinal = 0
  private timed = false
  /** Whether there was anything that a rule looks for, be it that there is no reading. */
  private found = false
  private ignoredRetained = false
  private faults: readonly Fault[] = NO_FAULTS

  constructor(dialect: Dialect, message: RawMessage, root: unknown, captures: Captures, rules: number, explain: Explain | undefined) {
    this.dialect = dialect
    this.message = message
    this.root = root
    this.record = root
    this.names = captures
    this.captures = captures
    this.explain = explain
    this.claims = rules > 1 ? new Map() : undefined
    this.fruitful = rules > 1 ? new Set() : undefined
  }

  /** @throws TooManyRecords */
  apply(rule: CompiledRule): void {
    this.timed = false
    this.ordinal = 0
    // Arrays of which the elements were records.
    let arrays: Set<unknown> | undefined
    for (let position = 0; position < rule.each.length; position++) {
      const { path, walk } = rule.each[position] as CompiledRule['each'][number]
      const isLast = position === rule.each.length - 1
      const before = this.ordinal
      this.explain?.(`rule ${rule.number + 1}, each ${path.text}`)
      walk(this.root, this.captures, (record) => {
        if (arrays?.has(record.node)) return
        if (!isLast && Array.isArray(record.within)) {
          arrays ??= new Set()
          arrays.add(record.within)
        }
        this.applyTo(rule, record)
      })
      if (this.ordinal === before) this.explain?.('  there is none')
    }
    if (this.untimed.length > 0) this.takeUntimed(rule)
  }

  finish(): Translation {
    for (const { index, place, node } of this.empty) {
      if (this.fruitful?.has(placeText(place))) continue
      this.samples.reject('nothing-found', () => `${placeText(place)}: expected ${this.lookedFor()}, got ${shownValue(node)}`, [index])
    }
    const samples = this.samples.taken()
    if (this.retained.length > 0) {
      const detail = (): string => 'a message that the broker had retained, and it gives no time'
      this.samples.reject('retained', detail, samples.length === 0 ? [] : this.retained)
    }
    const { rejections } = this.samples
    if (samples.length > 0 || rejections.length > 0) return { samples, rejections, ignored: null }
    if (this.ignoredRetained) return ignored('retained', this.explain)
    if (this.found) return ignored('no-reading', this.explain)
    if (this.dialect.otherwise === 'ignore') return ignored('otherwise', this.explain)
    return whole('nothing-found', `expected ${this.lookedFor()}, got ${shownValue(this.root)}`, this.explain)
  }

  private applyTo(rule: CompiledRule, { node, place, names }: DialectRecord): void {
    this.record = node
    this.place = place
    this.names = names
    const ordinal = this.ordinal++
    const index = ++this.index
    if (index >= MOST_SAMPLES) throw new TooManyRecords()
    if (rule.when !== undefined && !rule.when(this)) {
      this.explain?.(`  ${placeText(place)}: left out by \`when\`: ${rule.whyNot(this) ?? ''}`)
      return
    }
    this.explain?.(`  ${placeText(place)}: ${shownValue(node)}`)
    const values = NO_VALUES.slice()
    this.faults = NO_FAULTS
    // Null is the same as no reading, also in place of a record.
    const hasValue =
      node === null && !rule.standard ? false : rule.standard ? this.readStandard(rule, values, index) : this.readQuantities(rule, values)
    if (hasValue === undefined) {
      this.explain?.('    nothing that the rule looks for')
      if (rule.ofArray && typeof place?.key === 'number' && this.dialect.otherwise === 'reject') this.empty.push({ index, place, node })
      return
    }
    this.found = true
    this.fruitful?.add(placeText(place))
    if (hasValue) this.takeValues(rule, values, index, ordinal)
    else this.flush(this.faults, index)
  }

  /** Returns whether there is a value; undefined if there is nothing of what is looked for. */
  private readStandard(rule: CompiledRule, values: number[], index: number): boolean | undefined {
    let isRefused = false
    const readings = readStandard(this, values, rule.known, (reason, quantity, detail) => {
      if (quantity !== undefined) this.addFault(reason, quantity, detail)
      else {
        isRefused = true
        this.samples.reject(reason, () => detail, [index])
      }
    })
    if (isRefused) {
      this.faults = NO_FAULTS
      return false
    }
    return readings > 0 || this.faults.length > 0 ? readings > 0 : undefined
  }

  private readQuantities(rule: CompiledRule, values: number[]): boolean | undefined {
    const named = rule.name === undefined ? undefined : this.readNamed(rule)
    const claim = this.claims === undefined ? undefined : this.claimOf(rule.number, this.claims)
    let hasValue: boolean | undefined
    let isNamed = false
    for (const reader of rule.quantities) {
      // A value with a name is one quantity; of several ways to a quantity, the first that finds
      // something counts.
      if (reader.isNamed && isNamed) continue
      if (!Number.isNaN(values[reader.index]) || this.isFaulty(reader.quantity)) continue
      reader.read(this, named, claim)
      if (reader.state === 'none') continue
      isNamed ||= reader.isNamed
      if (reader.state === 'value') {
        values[reader.index] = reader.value
        hasValue = true
        this.explain?.(`    ${reader.told(this)}`)
        continue
      }
      hasValue ??= false
      if (reader.state === 'bad') this.addFault(reader.reason, reader.quantity, reader.detail)
      else this.explain?.(`    ${reader.quantity}: ${shownValue(reader.found)} is no reading`)
    }
    return hasValue
  }

  private readNamed(rule: CompiledRule): NamedValue | undefined {
    const name = rule.name?.(this)
    if (name === undefined) return undefined
    let isNull: Path | undefined
    for (const { path, read } of rule.value) {
      const value = read(this)
      if (value === null) isNull = path
      else if (value !== undefined) return { name, value, path }
    }
    return isNull === undefined ? undefined : { name, value: null, path: isNull }
  }

  private claimOf(rule: number, claims: Map<string, number>): Claim {
    return (place) => {
      const owner = claims.get(place)
      if (owner === undefined) claims.set(place, rule)
      else if (owner !== rule) this.explain?.(`    ${place}: rule ${owner + 1} has it`)
      return owner === undefined || owner === rule
    }
  }

  private takeValues(rule: CompiledRule, values: number[], index: number, ordinal: number): void {
    const { receivedMicros, retained } = this.message
    const { times } = rule
    times.read(this, receivedMicros)
    if (times.state === 'bad' || times.state === 'repeated') {
      const detail = times.explain(this)
      this.samples.reject(times.state === 'bad' ? 'bad-time' : 'repeated-name', () => detail, [index])
      this.explain?.(`    time: ${detail}`)
      return
    }
    const device = rule.device(this)
    if (device === undefined || parseDeviceId(device) === undefined) {
      const expected = '1 to 64 letters, digits, _ and -, starting with a letter or digit'
      this.samples.reject('bad-device-id', () => `device ${rule.deviceText}: expected ${expected}, got ${shownValue(device)}`, [index])
      return
    }
    const channel = rule.channel?.(this)
    if (rule.channel !== undefined && !(channel === undefined ? rule.channelOptional : isChannel(channel))) {
      const expected = '1 to 32 letters, digits, _, . and -, starting with a letter or digit'
      this.samples.reject('bad-channel', () => `channel: expected ${expected}, got ${shownValue(channel)}`, [index])
      return
    }
    const estimated = times.state !== 'value'
    this.explain?.(`    time: ${times.told(this)}`)
    const sample: OpenSample = {
      device,
      channel: channel ?? null,
      fromTopic: rule.fromTopic,
      micros: times.state === 'none' ? receivedMicros + (rule.isSequence ? ordinal : 0) : times.micros,
      estimated,
      values,
      index,
    }
    if (this.explain !== undefined) this.explain(`    sample ${index}: ${describe(sample)}`)
    if (times.state === 'value') this.timed = true
    if (estimated && retained) {
      if (times.state === 'receipt') this.ignoredRetained = true
      else this.retained.push(index)
    } else if (times.state === 'none') this.untimed.push({ sample, faults: this.faults, place: this.place })
    else this.flush(this.faults, this.samples.add(sample, rule.isSequence))
  }

  private takeUntimed(rule: CompiledRule): void {
    for (const { sample, faults, place } of this.untimed) {
      // Beside others that have a time, its own has been lost.
      if (this.timed)
        this.samples.reject('bad-time', () => `${placeText(place)}: expected a time in all samples or in none`, [sample.index])
      else this.flush(faults, this.samples.add(sample, rule.isSequence))
    }
    this.untimed = []
  }

  private isFaulty(quantity: string): boolean {
    return this.faults.length > 0 && this.faults.some((fault) => fault.quantity === quantity)
  }

  private addFault(reason: Reason, quantity: string, detail: string): void {
    this.explain?.(`    ${reason}: ${detail}`)
    this.faults = [...this.faults, { reason, quantity, detail }]
  }

  private flush(faults: readonly Fault[], index: number): void {
    for (const { reason, quantity, detail } of faults) this.samples.reject(reason, () => detail, [index], [quantity])
  }

  private lookedFor(): string {
    return `a value that the dialect ${this.dialect.name} looks for`
  }
}

/** Nothing of a message goes on, and that is right. */
export function ignored(reason: IgnoreReason, explain: Explain | undefined): Translation {
  explain?.(`ignored: ${reason}`)
  return { samples: [], rejections: [], ignored: reason }
}

/** Nothing of a message can be taken. */
export function whole(reason: Reason, detail: string, explain: Explain | undefined): Translation {
  explain?.(`${reason}: ${detail}`)
  return { samples: [], rejections: [{ reason, detail, samples: [], quantities: [] }], ignored: null }
}

function describe({ device, channel, micros, estimated, values }: DialectSample): string {
  const named = quantities.flatMap(({ name, unit }, index) => (Number.isNaN(values[index]) ? [] : [`${name} ${values[index]} ${unit}`]))
  const time = new Date(Math.floor(micros / 1000)).toJSON()
  return `${channel === null ? device : `${device}/${channel}`} at ${time}${estimated ? ' (estimated)' : ''}: ${named.join(', ')}`
}
