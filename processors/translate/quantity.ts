import { type Conversion, convert, IDENTITY } from '../../schemas/conversion.ts'
import type { QuantityRule, UnitRule } from '../../schemas/dialect.ts'
import type { Path } from '../../schemas/dialect-path.ts'
import { quantities } from '../../schemas/generated/readings.ts'
import { conversionOf, explainNoConversion } from '../../schemas/units.ts'
import { BytesFault, compileBytes } from './bytes.ts'
import { RepeatedMember } from './codecs/codec.ts'
import { compileGlob } from './glob.ts'
import { compileChange, compileConditions, compileOrigin, originText, type Test, textOf } from './origin.ts'
import type { Reason } from './reasons.ts'
import { compilePath, pathPlace, type Read, type Scope } from './scope.ts'
import { shownValue } from './shown-value.ts'

/** `none`: there is nothing. `missing`: what is there says that there is no reading. */
export type ValueState = 'none' | 'missing' | 'value' | 'bad'

/** Says whether a value has been taken by an earlier rule, and takes it if not. */
export type Claim = (place: string) => boolean

/** The value that a rule names: what `name` and `value` make of a record. */
export interface NamedValue {
  readonly name: string
  readonly value: unknown
  readonly path: Path
}

const DECIMAL = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,4})?$/
/** Longer text is no number that a device wrote. */
const MOST_CHARACTERS = 400

/** Reads one quantity of a record. The result is in the fields until the next `read`. */
export class QuantityReader {
  state: ValueState = 'none'
  value = Number.NaN
  reason: Reason = 'bad-value'
  detail = ''
  /** Whether it goes by the record's name. */
  readonly isNamed: boolean
  /** For `explain`: what was there, and where. */
  found: unknown
  private foundAt: Path | undefined
  readonly index: number
  readonly quantity: string
  private readonly when: Test | undefined
  private readonly paths: readonly { readonly path: Path; readonly read: Read }[]
  private readonly globs: readonly ((text: string) => boolean)[]
  private readonly bytes: ReturnType<typeof compileBytes> | undefined
  private readonly change: ((text: string) => string | undefined) | undefined
  private readonly missing: QuantityRule['missing']
  private readonly map: QuantityRule['map']
  private readonly fixed: Conversion | undefined
  private readonly toldUnit: ToldUnit | undefined
  /** Whether a number is taken as it is. */
  private readonly plain: boolean
  /** Two rules may take different parts of one text. */
  private readonly part: string
  private readonly expected: string

  constructor(rule: QuantityRule) {
    const { change, bytes, map, unit } = rule
    this.index = rule.index
    this.quantity = rule.quantity
    this.when = rule.when.length === 0 ? undefined : compileConditions(rule.when)
    this.paths = rule.paths.map((path) => ({ path, read: compilePath(path) }))
    this.globs = rule.named.map(compileGlob)
    this.isNamed = this.globs.length > 0
    this.bytes = bytes === undefined ? undefined : compileBytes(bytes)
    const changes = change.split !== undefined || change.removePrefix.length + change.removeSuffix.length + change.replace.length > 0
    this.change = changes ? compileChange(change) : undefined
    this.missing = rule.missing
    this.map = map
    this.fixed = unit.kind === 'fixed' ? unit.conversion : undefined
    this.toldUnit = unit.kind === 'told' ? new ToldUnit(unit, rule.index) : undefined
    this.plain =
      !changes &&
      bytes === undefined &&
      map === undefined &&
      rule.missing.length === 0 &&
      unit.kind === 'fixed' &&
      isIdentity(unit.conversion)
    this.part =
      changes || bytes !== undefined
        ? JSON.stringify([change, bytes], (_, each: unknown) => (typeof each === 'bigint' ? String(each) : each))
        : ''
    this.expected = map === undefined ? 'a number' : `one of ${[...map.keys()].slice(0, 20).join(', ')}`
  }

  read(scope: Scope, named: NamedValue | undefined, claim: Claim | undefined): void {
    this.state = 'none'
    if (this.when !== undefined && !this.when(scope)) return
    if (this.globs.length > 0) {
      if (named === undefined || !this.globs.some((glob) => glob(named.name))) return
      if (named.value === null) this.state = 'missing'
      else if (named.value !== undefined) this.take(named.value, named.path, scope, claim)
      return
    }
    let isNull = false
    for (const { path, read } of this.paths) {
      const value = read(scope)
      if (value === null) isNull = true
      else if (value !== undefined && this.take(value, path, scope, claim)) return
    }
    if (isNull) this.state = 'missing'
  }

  /** What was read last, from where, and how it became a standard value. */
  told(scope: Scope): string {
    const place = this.foundAt === undefined ? '' : `${pathPlace(this.foundAt, scope)} `
    const conversion = this.fixed ?? this.toldUnit?.read(scope) ?? IDENTITY
    const unit = this.toldUnit === undefined ? '' : ` (unit ${this.toldUnit.shown(scope)})`
    const by = isIdentity(conversion) ? '' : `, ${formula(conversion)}`
    return `${this.quantity}: ${place}${shownValue(this.found)}${unit}${by} is ${this.value} ${quantities[this.index]?.unit ?? ''}`
  }

  /** Returns false if there is nothing after all. */
  private take(found: unknown, path: Path, scope: Scope, claim: Claim | undefined): boolean {
    this.found = found
    this.foundAt = path
    if (this.bytes === undefined && !this.claims(path, scope, claim)) return false
    if (this.plain && typeof found === 'number') {
      this.finish(found, found, path, scope)
      return true
    }
    if (found instanceof RepeatedMember) {
      this.refuse('repeated-name', path, scope, 'once', found)
      return true
    }
    let value = found
    if (this.bytes !== undefined) {
      try {
        value = this.bytes(found)
      } catch (cause) {
        if (!(cause instanceof BytesFault)) throw cause
        if (!this.claims(path, scope, claim)) return false
        this.state = 'bad'
        this.reason = 'bad-value'
        this.detail = `${this.quantity} (${pathPlace(path, scope)}): ${cause.message}`
        return true
      }
      if (value === undefined || !this.claims(path, scope, claim)) return false
    }
    if (this.change !== undefined) {
      const text = textOf(value)
      const changed = text === undefined || text.length > MOST_CHARACTERS * 10 ? undefined : this.change(text)
      if (changed === undefined) {
        this.refuse('bad-value', path, scope, 'text with the part that is to be taken', found)
        return true
      }
      value = changed
    }
    this.convert(value, path, scope)
    return true
  }

  private claims(path: Path, scope: Scope, claim: Claim | undefined): boolean {
    return claim === undefined || !isOwn(path, scope) || claim(`${pathPlace(path, scope)} ${this.part}`)
  }

  private convert(given: unknown, path: Path, scope: Scope): void {
    const value = typeof given === 'string' ? given.trim() : given
    if (this.missing.length > 0 && this.isMissing(value)) {
      this.state = 'missing'
      return
    }
    let number: number | bigint | string
    if (this.map !== undefined) {
      const text = textOf(value)
      const mapped = text === undefined ? undefined : this.map.get(text)
      if (mapped === undefined) {
        this.refuse('unknown-code', path, scope, this.expected, given)
        return
      }
      number = mapped
    } else if (typeof value === 'number' || typeof value === 'bigint') number = value
    else if (typeof value === 'string' && value.length <= MOST_CHARACTERS && DECIMAL.test(value)) number = value
    else {
      this.refuse('bad-value', path, scope, 'a number', given)
      return
    }
    const conversion = this.fixed ?? this.toldUnit?.read(scope)
    if (conversion === undefined) {
      this.state = 'bad'
      this.reason = 'unknown-unit'
      this.detail = `${this.quantity} (${pathPlace(path, scope)}): ${this.toldUnit?.explain(scope) ?? ''}`
    } else this.finish(convert(number, conversion), given, path, scope)
  }

  private finish(value: number, given: unknown, path: Path, scope: Scope): void {
    if (!Number.isFinite(value)) {
      this.refuse('bad-value', path, scope, 'a finite number', given)
      return
    }
    this.state = 'value'
    // There is no negative zero in the standard quantities.
    this.value = value + 0
  }

  private isMissing(value: unknown): boolean {
    const text = textOf(value)
    return this.missing.some(
      (each) =>
        each === value ||
        (typeof each === 'string' && text !== undefined && text.toLowerCase() === each.toLowerCase()) ||
        (typeof each === 'number' &&
          ((Number.isNaN(each) && Number.isNaN(value)) ||
            (typeof value === 'bigint' && Number(value) === each) ||
            (typeof value === 'string' && DECIMAL.test(value) && Number(value) === each))),
    )
  }

  private refuse(reason: Reason, path: Path, scope: Scope, expected: string, got: unknown): void {
    this.state = 'bad'
    this.reason = reason
    this.detail = `${this.quantity} (${pathPlace(path, scope)}): expected ${expected}, got ${shownValue(got)}`
  }
}

/** Whether it is a place in the record: what all records have in common is nobody's alone. */
function isOwn(path: Path, scope: Scope): boolean {
  return path.from === '@' || scope.place === undefined
}

function isIdentity({ numerator, denominator, addend }: Conversion): boolean {
  return numerator === 1n && denominator === 1n && addend === 0n
}

/** As in (value × 5 − 160) / 9. */
function formula({ numerator, denominator, addend }: Conversion): string {
  const scaled = numerator === 1n ? 'value' : `value × ${numerator}`
  const sum = addend === 0n ? scaled : `${scaled} ${addend < 0n ? '−' : '+'} ${addend < 0n ? -addend : addend}`
  return denominator === 1n ? sum : `${addend === 0n ? sum : `(${sum})`} / ${denominator}`
}

/** A unit that the message tells. */
class ToldUnit {
  private readonly origin: Read
  private readonly place: (scope: Scope) => string
  private readonly conversions: ReadonlyMap<string, Conversion | undefined>
  private readonly codes: ReadonlyMap<string, string>
  private readonly standard: string
  private readonly same: boolean
  private readonly fallback: Conversion | undefined

  constructor({ origin, map, otherwise }: Extract<UnitRule, { kind: 'told' }>, index: number) {
    this.origin = compileOrigin(origin)
    this.place = originText(origin)
    this.standard = quantities[index]?.unit ?? ''
    this.codes = map
    this.conversions = new Map([...map].map(([text, code]) => [text, conversionOf(code, this.standard)]))
    this.same = otherwise === 'same'
    this.fallback = otherwise === undefined || this.same ? undefined : conversionOf(otherwise, this.standard)
  }

  /** Undefined if it cannot be told, or is none of the quantity. */
  read(scope: Scope): Conversion | undefined {
    const text = textOf(this.origin(scope))
    // A message with UCUM codes gives none with a value that has none, or has the standard one.
    if (text === undefined) return this.same ? IDENTITY : this.fallback
    // A unit that is there but unknown is not just any other.
    return this.same && !this.conversions.has(text) ? conversionOf(text, this.standard) : this.conversions.get(text)
  }

  /** What the message says of the unit. */
  shown(scope: Scope): string {
    return `${this.place(scope)} ${shownValue(this.origin(scope))}`
  }

  explain(scope: Scope): string {
    const text = textOf(this.origin(scope))
    const code = text === undefined ? undefined : (this.codes.get(text) ?? (this.same ? text : undefined))
    const known = [...this.codes.keys()].slice(0, 20).join(', ')
    return code === undefined
      ? `the unit (${this.place(scope)}): expected one of ${known}, got ${shownValue(this.origin(scope))}`
      : `the unit (${this.place(scope)}): ${explainNoConversion(code.slice(0, 40), this.standard)}`
  }
}
