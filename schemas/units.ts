import { type Conversion, conversion, exactDecimal } from './conversion.ts'
import { BASES, BINARY_PREFIXES, MEANT, MEASURED, METRIC, PLAIN, PREFIXES, SCALES } from './unit-table.ts'

/**
 * UCUM codes (https://ucum.org/ucum) of what such devices report, and how values go from one to
 * another, exactly.
 *
 * A code is read by its grammar, so that `km/h`, `ug/m3` and `mW.h` need no entry: units with
 * metric prefixes, exponents, `.` and `/`, integers as factors, annotations in braces. The units by
 * themselves are in unit-table.ts. Codes are case-sensitive, as in UCUM.
 *
 * Three things are not UCUM's. [ftcd] and B[mW] are units of this project. mol is a dimension of
 * its own, and not a number: nobody means 6.02e23 of something per litre. Levels (B, dB[mW]) are
 * dimensions of their own, since a logarithm is no factor.
 */

/** A code that is no unit, or two that do not measure the same. */
export class UnitError extends Error {}

/** Powers of the base units, those of 0 left out: `kg.m2.s-2` as g 1, m 2, s -2. */
type Dimension = ReadonlyMap<string, number>

/** value in base units = (value × top + plus) / bottom. */
interface Unit {
  readonly top: bigint
  readonly bottom: bigint
  /** 0 but for a scale with a zero of its own, such as Celsius. */
  readonly plus: bigint
  readonly dimension: Dimension
}

interface Atom {
  readonly unit: Unit
  readonly metric: boolean
}

/**
 * The conversion from one unit to another; undefined if a code is no unit that is known here, or
 * if they do not measure the same: `explainNoConversion` says which.
 */
export function conversionOf(from: string, to: string): Conversion | undefined {
  // No code has a line break.
  const key = `${from}\n${to}`
  const known = conversions.get(key)
  if (known !== undefined) return known
  const [source, target] = [unitOf(from), unitOf(to)]
  if (source === undefined || target === undefined || !sameDimension(source.dimension, target.dimension)) return undefined
  // ((value × top + plus) / bottom × target.bottom − target.plus) / target.top
  const made = conversion(source.top * target.bottom, source.bottom * target.top, source.plus * target.bottom - target.plus * source.bottom)
  // Codes may come out of payloads: what nobody meant must not stay.
  if (conversions.size >= MOST_REMEMBERED) conversions.clear()
  conversions.set(key, made)
  return made
}

/**
 * As `conversionOf`.
 * @throws UnitError that names the code that is no unit, or both and what each measures
 */
export function requireConversion(from: string, to: string): Conversion {
  const found = conversionOf(from, to)
  if (found === undefined) throw new UnitError(explainNoConversion(from, to))
  return found
}

/** Why `conversionOf` gives none, for a message: names the codes and what each measures. */
export function explainNoConversion(from: string, to: string): string {
  const [source, target] = [unitOf(from), unitOf(to)]
  if (source === undefined) return explainUnknown(from)
  if (target === undefined) return explainUnknown(to)
  return `${from} measures ${describe(source.dimension)}, ${to} ${describe(target.dimension)}: no conversion leads from one to the other`
}

/** Whether it is a UCUM code that is known here. */
export function isUnit(code: string): boolean {
  return unitOf(code) !== undefined
}

const MOST_REMEMBERED = 1_000
const MOST_CHARACTERS = 40
const MOST_EXPONENT = 9
const conversions = new Map<string, Conversion>()

/** One of `.` and `/`, and what stands up to the next one outside brackets. */
const COMPONENT = /([./]?)((?:\[[^\]]*\]|\{[^}]*\}|[^./[\]{}])+)/y
const EXPONENT = /^(.*?[^\d+-])([+-]?\d+)$/
const ONE: Unit = { top: 1n, bottom: 1n, plus: 0n, dimension: new Map() }
const atoms = tableOfAtoms()

function tableOfAtoms(): ReadonlyMap<string, Atom> {
  const table = new Map<string, Atom>()
  for (const code of BASES) table.set(code, { unit: { ...ONE, dimension: new Map([[code, 1]]) }, metric: true })
  const add = ([code, factor, of]: readonly [string, string, string], metric: boolean): void => {
    const unit = readUnit(of, table)
    if (unit === undefined || table.has(code)) throw new TypeError(`table of units: ${code} is there twice, or ${of} is no unit before it`)
    table.set(code, { unit: multiplied(unit, exactDecimal(factor)), metric })
  }
  for (const entry of METRIC) add(entry, true)
  for (const entry of PLAIN) add(entry, false)
  for (const [code, base, top, bottom, plus, metric] of SCALES) {
    table.set(code, { unit: { top, bottom, plus, dimension: new Map([[base, 1]]) }, metric })
  }
  return table
}

function unitOf(code: string): Unit | undefined {
  return code.length > MOST_CHARACTERS ? undefined : readUnit(code, atoms)
}

function readUnit(code: string, table: ReadonlyMap<string, Atom>): Unit | undefined {
  let unit = ONE
  COMPONENT.lastIndex = 0
  for (let at = 0; at < code.length; at = COMPONENT.lastIndex) {
    const match = COMPONENT.exec(code)
    if (match === null) return undefined
    const [whole, operator, component = ''] = match
    if ((operator === '') !== (at === 0) && !(operator === '/' && at === 0)) return undefined
    // By the grammar 1.5 would be 1 times 5, which nobody means.
    if (operator === '.' && /^\d/.test(component) && !/^10[*^]/.test(component)) return undefined
    const read = readComponent(component, table)
    if (read === undefined) return undefined
    // A scale with a zero of its own can be neither multiplied nor divided.
    if (read.plus !== 0n || unit.plus !== 0n) return operator === '' && whole.length === code.length ? read : undefined
    unit = combined(unit, read, operator === '/' ? -1 : 1)
  }
  return code === '' ? undefined : unit
}

function readComponent(text: string, table: ReadonlyMap<string, Atom>): Unit | undefined {
  const annotation = /\{[\x20-\x7a\x7c~]*\}$/.exec(text)
  const bare = annotation === null ? text : text.slice(0, annotation.index)
  if (bare === '') return annotation === null ? undefined : ONE
  if (/^[1-9]\d{0,8}$/.test(bare)) return { ...ONE, top: BigInt(bare) }
  const simple = readAtom(bare, table)
  if (simple !== undefined) return simple
  const [, code = '', exponent = '0'] = EXPONENT.exec(bare) ?? []
  const power = Number(exponent)
  const unit = readAtom(code, table)
  if (unit === undefined || unit.plus !== 0n || power === 0 || Math.abs(power) > MOST_EXPONENT) return undefined
  return combined(ONE, unit, power)
}

/** A unit by itself or after a prefix. A unit of that very name comes first: `min` is no inch. */
function readAtom(code: string, table: ReadonlyMap<string, Atom>): Unit | undefined {
  const atom = table.get(code)
  if (atom !== undefined) return atom.unit
  for (const length of [1, 2]) {
    const rest = table.get(code.slice(length))
    if (rest?.metric !== true) continue
    const factor = prefixFactor(code.slice(0, length), code.slice(length))
    if (factor !== undefined) return multiplied(rest.unit, factor)
  }
  return undefined
}

interface Factor {
  readonly top: bigint
  readonly bottom: bigint
}

function prefixFactor(prefix: string, code: string): Factor | undefined {
  const exponent = Object.hasOwn(PREFIXES, prefix) ? PREFIXES[prefix] : undefined
  if (exponent !== undefined)
    return exponent < 0 ? { top: 1n, bottom: 10n ** BigInt(-exponent) } : { top: 10n ** BigInt(exponent), bottom: 1n }
  const isData = code === 'By' || code === 'bit' || code === 'Bd'
  const binary = isData && Object.hasOwn(BINARY_PREFIXES, prefix) ? BINARY_PREFIXES[prefix] : undefined
  return binary === undefined ? undefined : { top: binary, bottom: 1n }
}

/** The unit that is `factor` of this one: 1 kPa is 1000 Pa. */
function multiplied(unit: Unit, factor: Factor): Unit {
  return { ...unit, top: unit.top * factor.top, bottom: unit.bottom * factor.bottom, plus: unit.plus * factor.bottom }
}

/** unit × other^power */
function combined(unit: Unit, other: Unit, power: number): Unit {
  const times = BigInt(Math.abs(power))
  const [above, below] = power < 0 ? [other.bottom, other.top] : [other.top, other.bottom]
  const dimension = new Map(unit.dimension)
  for (const [base, exponent] of other.dimension) {
    const sum = (dimension.get(base) ?? 0) + exponent * power
    if (sum === 0) dimension.delete(base)
    else dimension.set(base, sum)
  }
  return { top: unit.top * above ** times, bottom: unit.bottom * below ** times, plus: 0n, dimension }
}

function sameDimension(one: Dimension, other: Dimension): boolean {
  if (one.size !== other.size) return false
  for (const [base, exponent] of one) if (other.get(base) !== exponent) return false
  return true
}

function describe(dimension: Dimension): string {
  for (const [code, what] of MEASURED) {
    const unit = unitOf(code)
    if (unit !== undefined && sameDimension(unit.dimension, dimension)) return what
  }
  return [...dimension].map(([base, exponent]) => (exponent === 1 ? base : `${base}${exponent}`)).join('.')
}

function explainUnknown(code: string): string {
  const meant = Object.hasOwn(MEANT, code) ? MEANT[code] : undefined
  const shown = JSON.stringify(code.length > MOST_CHARACTERS ? `${code.slice(0, MOST_CHARACTERS)}…` : code)
  return `expected a UCUM code, such as Cel, hPa or km/h, got ${spelt(shown)}${meant === undefined ? '' : `: that is ${meant}`}`
}

/** A code may be a stranger's, and is read in terminals. */
function spelt(text: string): string {
  return text.replace(/[^\x20-\x7e\xa1-\xff]/g, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
