/**
 * Channels: more than one of a quantity on one device. A channel is a sub-device, whose rows have
 * the device ID `device/channel` (docs/channels.md).
 */
const CHANNEL = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$/

/** Longest name of a channel. */
export const LONGEST_CHANNEL = 32

/** What `isChannel` takes, for messages. */
export const CHANNEL_EXPECTED = '1 to 32 of A-Z, a-z, 0-9, _, . and -, starting with a letter or digit'

export function isChannel(text: string): boolean {
  return CHANNEL.test(text)
}
