/**
 * Devices that a gateway may speak for: a device ID, or a pattern in which `*` stands for any
 * characters, or none.
 */
export interface DevicePattern {
  readonly text: string
  /** What must come before, between and after the asterisks. A device ID is one part. */
  readonly parts: readonly string[]
}

const PATTERN = /^[A-Za-z0-9*][A-Za-z0-9_*-]{0,63}$/

/** What `parseDevicePattern` takes, for messages. */
export const DEVICE_PATTERN_EXPECTED =
  'a device ID or a pattern with *: 1 to 64 of A-Z, a-z, 0-9, _, - and *, starting with a letter, a digit or *'

/** The text as a pattern, or undefined if it is none. */
export function parseDevicePattern(text: string): DevicePattern | undefined {
  return PATTERN.test(text) ? { text, parts: text.split('*') } : undefined
}

/** Whether it names one device, and has no asterisk. */
export function isOneDevice({ parts }: DevicePattern): boolean {
  return parts.length === 1
}

/**
 * Whether a device is one of the pattern's. Each part is looked for once, from left to right, so no
 * pattern is slow.
 */
export function matchesPattern({ text, parts }: DevicePattern, device: string): boolean {
  const first = parts[0] ?? ''
  const last = parts[parts.length - 1] ?? ''
  if (parts.length === 1) return text === device
  if (device.length < first.length + last.length || !device.startsWith(first) || !device.endsWith(last)) return false
  const end = device.length - last.length
  let at = first.length
  for (let index = 1; index < parts.length - 1; index++) {
    const part = parts[index] ?? ''
    const found = device.indexOf(part, at)
    if (found < 0 || found + part.length > end) return false
    at = found + part.length
  }
  return true
}
