/** What stands between whole and decimals. */
export type Decimal = 'point' | 'comma'

const NUMBER = /^([+-]?)(?:(\d+)(?:\.(\d*))?|\.(\d+))(?:[eE]([+-]?\d{1,3}))?$/

/**
 * A number as JSON and PostgreSQL have it, with all its decimals.
 * @returns undefined if the text is no finite decimal number
 */
export function numberText(text: string, decimal: Decimal): string | undefined {
  if (decimal === 'comma' && text.includes('.')) return undefined
  const match = NUMBER.exec(decimal === 'comma' ? text.replace(',', '.') : text)
  if (match === null) return undefined
  const [, sign, whole = '', point, only, exponent] = match
  const digits = whole.replace(/^0+(?=\d)/, '') || '0'
  const decimals = point ?? only ?? ''
  const result = `${sign === '-' ? '-' : ''}${digits}${decimals === '' ? '' : `.${decimals}`}${exponent === undefined ? '' : `e${exponent}`}`
  return Number.isFinite(Number(result)) ? result : undefined
}

/**
 * Tells from the values of a file whether commas are decimal.
 * @returns undefined if they may be decimal commas or stand between thousands: 1,234
 */
export function guessDecimal(texts: Iterable<string>): Decimal | undefined {
  let commas = 0
  let sure = false
  for (const text of texts) {
    if (/^[+-]?(\d+\.\d*|\.\d+)$/.test(text)) return 'point'
    if (!/^[+-]?\d*,\d+$/.test(text)) continue
    commas++
    if (!/^[+-]?[1-9]\d{0,2},\d{3}$/.test(text)) sure = true
  }
  if (commas === 0) return 'point'
  return sure ? 'comma' : undefined
}
