import { type Conversion, conversion, exactDecimal } from './conversion.ts'

/**
 * UCUM codes (https://ucum.org/ucum) of what such devices report, and how values go from one to
 * another, exactly.
 *
 * A code is read by its grammar, so that `km/h`, `ug/m3` and `mW.h` need no entry: units with
 * metric prefixes, exponents, `.` and `/`, integers as factors, annotations in braces. The tables
 * below hold the units by themselves. Codes are case-sensitive, as in UCUM.
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

const PREFIXES: Readonly<Record<string, number>> = {
  Y: 24,
  Z: 21,
  E: 18,
  P: 15,
  T: 12,
  G: 9,
  M: 6,
  k: 3,
  h: 2,
  da: 1,
  d: -1,
  c: -2,
  m: -3,
  u: -6,
  n: -9,
  p: -12,
  f: -15,
  a: -18,
}
const BINARY_PREFIXES: Readonly<Record<string, bigint>> = { Ki: 2n ** 10n, Mi: 2n ** 20n, Gi: 2n ** 30n, Ti: 2n ** 40n }

/** Units that every other is made of, all of which take prefixes. The gram is UCUM's. */
const BASES = ['m', 's', 'g', 'rad', 'K', 'A', 'cd', 'mol', 'bit', 'B', 'B[W]', 'B[SPL]', 'B[V]', 'Np', '[pH]'] as const

/** Code: factor and what it is a multiple of, each after the ones that it needs. */
const METRIC: readonly (readonly [code: string, factor: string, of: string])[] = [
  ['Hz', '1', '/s'],
  ['Bq', '1', '/s'],
  ['N', '1', 'kg.m/s2'],
  ['Pa', '1', 'N/m2'],
  ['J', '1', 'N.m'],
  ['W', '1', 'J/s'],
  ['C', '1', 'A.s'],
  ['V', '1', 'W/A'],
  ['F', '1', 'C/V'],
  ['Ohm', '1', 'V/A'],
  ['S', '1', 'A/V'],
  ['Wb', '1', 'V.s'],
  ['T', '1', 'Wb/m2'],
  ['G', '1e-4', 'T'],
  ['H', '1', 'Wb/A'],
  ['sr', '1', 'rad2'],
  ['lm', '1', 'cd.sr'],
  ['lx', '1', 'lm/m2'],
  ['Gy', '1', 'J/kg'],
  ['Sv', '1', 'J/kg'],
  ['REM', '0.01', 'Sv'],
  ['Ci', '3.7e10', 'Bq'],
  ['l', '1', 'dm3'],
  ['L', '1', 'dm3'],
  ['ar', '100', 'm2'],
  ['t', '1000', 'kg'],
  ['bar', '1e5', 'Pa'],
  ['m[Hg]', '133322', 'Pa'],
  ['m[H2O]', '9806.65', 'Pa'],
  ['cal', '4.184', 'J'],
  ['eV', '1.602176634e-19', 'J'],
  ['By', '8', 'bit'],
  ['Bd', '1', '/s'],
  ['[g]', '9.80665', 'm/s2'],
  ['gf', '1', 'g.[g]'],
]

const PLAIN: readonly (readonly [code: string, factor: string, of: string])[] = [
  ['10*', '10', '1'],
  ['10^', '10', '1'],
  ['%', '0.01', '1'],
  ['[ppth]', '1e-3', '1'],
  ['[ppm]', '1e-6', '1'],
  ['[ppb]', '1e-9', '1'],
  ['[pptr]', '1e-12', '1'],
  ['min', '60', 's'],
  ['h', '60', 'min'],
  ['d', '24', 'h'],
  ['wk', '7', 'd'],
  ['a', '365.25', 'd'],
  ['mo', '30.4375', 'd'],
  // Enough places that no double can tell it from the number itself.
  ['[pi]', '3.14159265358979323846264338327950288419716939937510582097494459', '1'],
  ['deg', '2', '[pi].rad/360'],
  ["'", '1', 'deg/60'],
  ["''", '1', "'/60"],
  ['gon', '0.9', 'deg'],
  ['circ', '2', '[pi].rad'],
  ['atm', '101325', 'Pa'],
  ['att', '1', 'kgf/cm2'],
  ['[in_i]', '2.54', 'cm'],
  ['[ft_i]', '12', '[in_i]'],
  ['[yd_i]', '3', '[ft_i]'],
  ['[mi_i]', '5280', '[ft_i]'],
  ['[nmi_i]', '1852', 'm'],
  ['[kn_i]', '1', '[nmi_i]/h'],
  ['[sin_i]', '1', '[in_i]2'],
  ['[sft_i]', '1', '[ft_i]2'],
  ['[cin_i]', '1', '[in_i]3'],
  ['[cft_i]', '1', '[ft_i]3'],
  ['[gal_us]', '231', '[in_i]3'],
  ['[qt_us]', '1', '[gal_us]/4'],
  ['[pt_us]', '1', '[qt_us]/2'],
  ['[foz_us]', '1', '[gal_us]/128'],
  ['[gal_br]', '4.54609', 'l'],
  ['[gr]', '64.79891', 'mg'],
  ['[lb_av]', '7000', '[gr]'],
  ['[oz_av]', '1', '[lb_av]/16'],
  ['[ston_av]', '2000', '[lb_av]'],
  ['[lton_av]', '2240', '[lb_av]'],
  ['[lbf_av]', '1', '[lb_av].[g]'],
  ['[psi]', '1', '[lbf_av]/[sin_i]'],
  ["[in_i'Hg]", '25.4', 'mm[Hg]'],
  ["[in_i'H2O]", '25.4', 'mm[H2O]'],
  ['[ftcd]', '1', 'lm/[sft_i]'],
  ['[HP]', '550', '[ft_i].[lbf_av]/s'],
  ['[Btu_IT]', '1.05505585262', 'kJ'],
]

/** value in the base = value × factor + addend. All take prefixes but the Fahrenheit. */
const SCALES: readonly (readonly [code: string, base: string, top: bigint, bottom: bigint, plus: bigint, metric: boolean])[] = [
  ['Cel', 'K', 100n, 100n, 27_315n, true],
  ['[degF]', 'K', 500n, 900n, 229_835n, false],
  ['[degR]', 'K', 5n, 9n, 0n, false],
  ['B[mW]', 'B[W]', 1n, 1n, -3n, true],
  ['B[uW]', 'B[W]', 1n, 1n, -6n, true],
  ['B[kW]', 'B[W]', 1n, 1n, 3n, true],
  ['B[mV]', 'B[V]', 1n, 1n, -6n, true],
  ['B[uV]', 'B[V]', 1n, 1n, -12n, true],
]

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

/** What a unit measures, in words, by a unit of its dimension. */
const MEASURED: readonly (readonly [code: string, what: string])[] = [
  ['1', 'a ratio or a count'],
  ['m', 'a length'],
  ['m2', 'an area'],
  ['m3', 'a volume'],
  ['s', 'a duration'],
  ['g', 'a mass'],
  ['rad', 'an angle'],
  ['K', 'a temperature'],
  ['A', 'an electric current'],
  ['V', 'a voltage'],
  ['W', 'a power'],
  ['J', 'an energy'],
  ['C', 'an electric charge'],
  ['Ohm', 'a resistance'],
  ['S', 'a conductance'],
  ['S/m', 'a conductivity'],
  ['F', 'a capacitance'],
  ['T', 'a magnetic flux density'],
  ['Pa', 'a pressure'],
  ['N', 'a force'],
  ['Hz', 'a frequency'],
  ['m/s', 'a speed'],
  ['m/s2', 'an acceleration'],
  ['lx', 'an illuminance'],
  ['m3/s', 'a flow'],
  ['g/m3', 'a concentration by mass'],
  ['Sv', 'a dose'],
  ['Sv/h', 'a dose rate'],
  ['bit', 'an amount of data'],
  ['bit/s', 'a data rate'],
  ['B', 'a level'],
  ['B[W]', 'a level of power'],
  ['B[SPL]', 'a level of sound pressure'],
  ['B[V]', 'a level of voltage'],
  ['[pH]', 'an acidity'],
]

function describe(dimension: Dimension): string {
  for (const [code, what] of MEASURED) {
    const unit = unitOf(code)
    if (unit !== undefined && sameDimension(unit.dimension, dimension)) return what
  }
  return [...dimension].map(([base, exponent]) => (exponent === 1 ? base : `${base}${exponent}`)).join('.')
}

/** What people write instead of the code. */
const MEANT: Readonly<Record<string, string>> = {
  '°C': 'Cel',
  degC: 'Cel',
  celsius: 'Cel',
  '°F': '[degF]',
  degF: '[degF]',
  '°': 'deg',
  mmHg: 'mm[Hg]',
  inHg: "[in_i'Hg]",
  psi: '[psi]',
  lb: '[lb_av]',
  lbs: '[lb_av]',
  oz: '[oz_av]',
  Wh: 'W.h',
  kWh: 'kW.h',
  MWh: 'MW.h',
  Ah: 'A.h',
  mAh: 'mA.h',
  VA: 'V.A',
  kVA: 'kV.A',
  ppm: '[ppm]',
  ppb: '[ppb]',
  dBm: 'dB[mW]',
  rpm: '/min',
  mph: '[mi_i]/h',
  'km/hr': 'km/h',
  kmh: 'km/h',
  kn: '[kn_i]',
  ft: '[ft_i]',
  in: '[in_i]',
  lux: 'lx',
  '%RH': '%',
  µA: 'uA',
  'µg/m³': 'ug/m3',
  'm³': 'm3',
  '': '1',
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
