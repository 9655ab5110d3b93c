const WHOLE = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })

/** A whole number with commas. `?` if it is not known, because unknown is not zero. */
export function whole(value: number | bigint | undefined): string {
  return value === undefined ? '?' : WHOLE.format(value)
}

/** A number with a fixed number of decimals. */
export function decimal(value: number | undefined, digits: number): string {
  return value === undefined ? '?' : value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

/** 3:05, or 1:03:05. */
export function duration(ms: number): string {
  const seconds = Math.floor(ms / 1000)
  const two = (value: number): string => String(value).padStart(2, '0')
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60]
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`
}
