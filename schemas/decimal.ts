/**
 * A decimal fraction as integers: value = numerator / denominator, the denominator a power of ten.
 */
export interface Decimal {
  readonly numerator: number
  readonly denominator: number
}

const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,2}))?$/

/**
 * Reads a decimal without rounding.
 * @throws RangeError if the text is no decimal number or needs more than 53 bits.
 */
export function parseDecimal(text: string): Decimal {
  const match = DECIMAL.exec(text)
  if (!match) throw new RangeError(`"${text}" is not a decimal number`)
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match
  const places = fraction.length - Number(exponent)
  const digits = Number(`${sign}${whole}${fraction}`) * (places < 0 ? 10 ** -places : 1)
  const denominator = places > 0 ? 10 ** places : 1
  if (!Number.isSafeInteger(digits) || !Number.isSafeInteger(denominator)) {
    throw new RangeError(`"${text}" has more digits than can be converted exactly`)
  }
  return reduced(digits === 0 ? 0 : digits, denominator)
}

function reduced(numerator: number, denominator: number): Decimal {
  let [top, bottom] = [numerator, denominator]
  while (bottom > 1 && top % 10 === 0) {
    top /= 10
    bottom /= 10
  }
  return { numerator: top, denominator: bottom }
}
