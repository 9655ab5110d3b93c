/**
 * How a value changes when its unit does: (value × numerator + addend) / denominator, exact, in
 * lowest terms. Fahrenheit to Celsius is (value × 5 − 160) / 9.
 */
export interface Conversion {
  readonly numerator: bigint
  /** At least 1. */
  readonly denominator: bigint
  readonly addend: bigint
}

export const IDENTITY: Conversion = { numerator: 1n, denominator: 1n, addend: 0n }

/** The conversion in lowest terms. */
export function conversion(numerator: bigint, denominator: bigint, addend: bigint): Conversion {
  const common = gcd(gcd(numerator, addend), denominator) * (denominator < 0n ? -1n : 1n)
  return { numerator: numerator / common, denominator: denominator / common, addend: addend / common }
}

/**
 * The conversion value × scale + offset, as a firmware schema or a dialect has it.
 * @param scale decimal text
 * @param offset decimal text
 * @throws RangeError if one of them is no decimal number
 */
export function scaling(scale: string, offset = '0'): Conversion {
  const [times, plus] = [exactDecimal(scale), exactDecimal(offset)]
  return conversion(times.top * plus.bottom, times.bottom * plus.bottom, plus.top * times.bottom)
}

/**
 * Converts a value and rounds once: the result is the double nearest to the exact one (ties to
 * even), Infinity if that is too large.
 *
 * A number stands for the shortest decimal that names it, which is the one that a device wrote if
 * it wrote at most 15 digits: 93.2 is 932/10, not the double beside it. So 93.2 [degF] is 34 Cel.
 * Text of more than 64 characters is rounded to a double first.
 * @param value a number, an integer, or decimal text such as `-1.25e3`
 * @returns NaN if the value is NaN or text that is no decimal number
 */
export function convert(value: number | bigint | string, by: Conversion): number {
  if (typeof value === 'number') {
    if (by.denominator === 1n && by.numerator === 1n && by.addend === 0n) return value
    const quick = convertShort(value, by)
    return quick === undefined ? convertExact(String(value), value, by) : quick
  }
  const text = String(value)
  const double = DECIMAL.test(text) ? Number(text) : Number.NaN
  return text.length > MOST_CHARACTERS ? convert(double, by) : convertExact(text, double, by)
}

const DECIMAL = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/
const MOST_CHARACTERS = 64
/** Beyond every double, whatever unit that somebody uses follows. */
const MOST_EXPONENT = 1_000
/** Decimals of up to 15 digits are told apart by their doubles (IEEE 754 binary64). */
const DISTINCT = 1e15
const POWERS = [1, 10, 100, 1e3, 1e4, 1e5, 1e6]

/** The conversion as doubles, NaN if they do not hold it: looked up once per value. */
interface Small {
  readonly numerator: number
  readonly denominator: number
  readonly addend: number
}

const smalls = new WeakMap<Conversion, Small>()

function smallOf(by: Conversion): Small {
  let small = smalls.get(by)
  if (small === undefined) {
    small = { numerator: held(by.numerator), denominator: held(by.denominator), addend: held(by.addend) }
    smalls.set(by, small)
  }
  return small
}

function held(integer: bigint): number {
  const double = Number(integer)
  return Number.isSafeInteger(double) ? double : Number.NaN
}

/**
 * A value of few decimals by a small conversion: all integers are exact in doubles, and a division
 * of two doubles is correctly rounded. Saves the arithmetic with bigints, which takes 20 times as
 * long. Undefined if it does not apply.
 */
function convertShort(value: number, by: Conversion): number | undefined {
  const small = smallOf(by)
  for (const power of POWERS) {
    const digits = Math.round(value * power)
    // If so, digits / power is the only decimal of at most 15 digits that has this double.
    if (digits / power !== value || digits >= DISTINCT || digits <= -DISTINCT) continue
    const product = digits * small.numerator
    const plus = small.addend * power
    const top = product + plus
    const bottom = small.denominator * power
    const exact = isSafe(product) && isSafe(plus) && isSafe(top) && isSafe(bottom)
    return exact ? top / bottom : undefined
  }
  return undefined
}

/** False for NaN too. */
function isSafe(integer: number): boolean {
  return integer <= Number.MAX_SAFE_INTEGER && integer >= -Number.MAX_SAFE_INTEGER
}

function convertExact(text: string, double: number, by: Conversion): number {
  if (Number.isNaN(double)) return double
  if (!Number.isFinite(double) && !DECIMAL.test(text)) return by.numerator < 0n ? -double : double
  const { top, bottom } = exactDecimal(text)
  return nearest(top * by.numerator + by.addend * bottom, bottom * by.denominator)
}

interface Rational {
  readonly top: bigint
  readonly bottom: bigint
}

/** @throws RangeError if it is no decimal number, or one that is too long to compute with. */
export function exactDecimal(text: string): Rational {
  if (!DECIMAL.test(text) || text.length > MOST_CHARACTERS) {
    throw new RangeError(
      `expected a decimal number of at most ${MOST_CHARACTERS} characters, got ${JSON.stringify(text.slice(0, MOST_CHARACTERS))}`,
    )
  }
  const [mantissa = '', exponentText = '0'] = text.toLowerCase().split('e')
  const [whole = '', fraction = ''] = mantissa.replace(/^\+/, '').split('.')
  const digits = BigInt(whole.startsWith('-') ? `${whole.slice(1)}${fraction}` : `${whole}${fraction}`)
  const exponent = Math.max(-MOST_EXPONENT, Math.min(MOST_EXPONENT, Number(exponentText))) - fraction.length
  const top = whole.startsWith('-') ? -digits : digits
  return exponent < 0 ? { top, bottom: 10n ** BigInt(-exponent) } : { top: top * 10n ** BigInt(exponent), bottom: 1n }
}

/** Bits of a quotient that are kept before it is rounded: more than the 53 of a double. */
const QUOTIENT_BITS = 64
const SMALLEST_EXPONENT = 1074

/**
 * The double nearest to a fraction, ties to even (IEEE 754 roundTiesToEven).
 * @param bottom positive
 */
export function nearest(top: bigint, bottom: bigint): number {
  if (top === 0n) return 0
  const magnitude = top < 0n ? -top : top
  const shift = QUOTIENT_BITS - (bits(magnitude) - bits(bottom))
  // The quotient has 64 or 65 bits. All that a remainder tells is that the value lies above it.
  const quotient = divide(magnitude, bottom, shift)
  const rounded = Number(quotient.rest ? quotient.whole | 1n : quotient.whole)
  // Below 2^-1022 a double has fewer bits, and the rounding is at its last place.
  const isTiny = shift > SMALLEST_EXPONENT + QUOTIENT_BITS - 53
  const result = isTiny ? nearestTiny(magnitude, bottom) : times2(rounded, -shift)
  return top < 0n ? -result : result
}

function nearestTiny(top: bigint, bottom: bigint): number {
  const scaled = top << BigInt(SMALLEST_EXPONENT)
  const whole = scaled / bottom
  const twiceRest = 2n * (scaled % bottom)
  const up = twiceRest > bottom || (twiceRest === bottom && whole % 2n === 1n)
  return Number(up ? whole + 1n : whole) * Number.MIN_VALUE
}

function divide(top: bigint, bottom: bigint, shift: number): { readonly whole: bigint; readonly rest: boolean } {
  const [above, below] = shift >= 0 ? [top << BigInt(shift), bottom] : [top, bottom << BigInt(-shift)]
  return { whole: above / below, rest: above % below !== 0n }
}

/** In two steps, since 2 to the power of `exponent` may be no double though the product is one. */
function times2(value: number, exponent: number): number {
  const half = Math.trunc(exponent / 2)
  return value * 2 ** half * 2 ** (exponent - half)
}

function bits(positive: bigint): number {
  const hex = positive.toString(16)
  return hex.length * 4 - Math.clz32(Number.parseInt(hex[0] ?? '0', 16)) + 28
}

function gcd(one: bigint, other: bigint): bigint {
  let [a, b] = [one < 0n ? -one : one, other < 0n ? -other : other]
  while (b !== 0n) [a, b] = [b, a % b]
  return a
}
