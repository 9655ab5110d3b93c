/**
 * A binary format: bits of its fraction, the exponent of its smallest normal number, and how many
 * decimal digits it holds in any case.
 */
export const single = { bits: 23, least: -126, digits: 6 } as const
export const half = { bits: 10, least: -14, digits: 3 } as const

/**
 * The shortest decimal that a number of few bits stands for, as a double: a device that sends 149.9
 * in 32 bits means 149.9, and not 149.89999389648438, the double of the same value. It is what
 * languages print for such a number (Steele and White, "How to Print Floating-Point Numbers
 * Accurately").
 * @param value that the format holds
 */
export function shortestDecimal(value: number, format: typeof single | typeof half): number {
  if (!Number.isFinite(value) || value === 0) return value
  // A count, such as of watt hours, that the format holds exactly.
  if (Number.isInteger(value) && Math.abs(value) <= 2 ** 53) return value
  const { bits, least } = format
  const exponent = Math.max(least, Math.floor(Math.log2(Math.abs(value))))
  // Half of the distance to the next number of the format.
  const tolerance = 2 ** (exponent - bits - 1)
  // If there is a decimal of fewer digits, no other of so many is as near.
  for (let digits = format.digits; digits <= 9; digits++) {
    const decimal = Number(value.toPrecision(digits))
    if (Math.abs(decimal - value) < tolerance) return decimal
  }
  return value
}
