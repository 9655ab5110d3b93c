/** Topic names by their bytes. */
export interface TopicCache {
  /** The name that stands in `bytes[start, end)`, UTF-8. */
  text(bytes: Buffer, start: number, end: number): string
}

/**
 * A cache of topic names: devices publish on the same topic for ever, and decoding it anew costs more than the rest of the packet
 * (Buffer → string is a call out of JavaScript, and a new string must be hashed again by every map it meets; a cached one has its
 * hash). Direct-mapped: a slot holds the last name that fell on it, so its size is fixed and nothing needs to be evicted.
 * Names beyond ASCII are decoded each time: the comparison below needs one character per byte.
 * @param slots a power of two; about twice the number of devices
 */
export function createTopicCache(slots = 65_536): TopicCache {
  if (slots < 1 || (slots & (slots - 1)) !== 0) throw new RangeError(`slots must be a power of two, not ${slots}`)
  const texts: string[] = new Array<string>(slots).fill('')
  return {
    text(bytes, start, end) {
      let hash = 0x811c9dc5
      let all = 0
      for (let at = start; at < end; at++) {
        const byte = bytes[at] as number
        all |= byte
        hash = Math.imul(hash ^ byte, 0x01000193)
      }
      if (all > 0x7f) return bytes.toString('utf8', start, end)
      const slot = (hash ^ (hash >>> 16)) & (slots - 1)
      const cached = texts[slot] as string
      if (isText(bytes, start, end, cached)) return cached
      const text = bytes.toString('latin1', start, end)
      texts[slot] = text
      return text
    },
  }
}

function isText(bytes: Buffer, start: number, end: number, text: string): boolean {
  if (text.length !== end - start) return false
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) !== bytes[start + index]) return false
  }
  return true
}
