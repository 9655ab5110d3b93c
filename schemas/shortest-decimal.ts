/** A binary format: bits of its fraction, and the exponent of its smallest normal number. */
export const single = { bits: 23, least: -126 } as const
export const half = { bits: 10, least: -14 } as const

/**
 * The shortest decimal that a number of few bits stands for, as a double: a device that sends 149.9
 * in 32 bits means 149.9, and not 149.89999389648438, the double of the same value. It is what
 * languages print for such a number (Steele and White, "How to Print Floating-Point Numbers
 * Accurately").
 * @param value that the format holds
 */
export function shortestDecimal(value: number, { bits, least }: { readonly bits: number; readonly least: number }): number {
  if (!Number.isFinite(value) || value === 0) return value
  const exponent = Math.max(least, Math.floor(Math.log2(Math.abs(value))))
  // Half of the distance to the next number of the format.
  const tolerance = 2 ** (exponent - bits - 1)
  for (let digits = 1; digits <= 9; digits++) {
    const decimal = Number(value.toPrecision(digits))
    if (Math.abs(decimal - value) < tolerance) return decimal
  }
  return value
}
