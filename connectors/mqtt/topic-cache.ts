/** Topic names by their bytes. */
export interface TopicCache {
  /** The name that stands in `bytes[start, end)`, UTF-8. */
  text(bytes: Buffer, start: number, end: number): string
}

/**
 * Words for a name in a slot: `devices/{device}/telemetry` with the longest device ID takes 82
 * bytes. Longer names are decoded each time.
 */
const SLOT_WORDS = 24

/**
 * A cache of topic names: devices publish on the same topic for ever. A name that is decoded anew
 * is a new string: every map must hash it again, and the garbage collector must free it. (Measured
 * with 5,000 topics: name and one look-up in a map 140 ns, against 204 ns.) Direct-mapped: a slot
 * holds the last name that fell on it, so the size is fixed and nothing needs to be evicted. Bytes
 * are hashed and compared four at a time, the last four overlapping.
 * @param slots a power of two; with 5,000 topics on 65,536 slots 7 % are decoded, with 20,000
 *   topics 27 %. A slot takes about 100 bytes once used
 */
export function createTopicCache(slots = 65_536): TopicCache {
  if (slots < 1 || (slots & (slots - 1)) !== 0) throw new RangeError(`slots must be a power of two, not ${slots}`)
  const texts: string[] = new Array<string>(slots).fill('')
  const lengths = new Uint8Array(slots)
  const words = new Int32Array(slots * SLOT_WORDS)
  let view = new DataView<ArrayBufferLike>(new ArrayBuffer(0))

  return {
    text(bytes, start, end) {
      const length = end - start
      if (length < 4 || length > SLOT_WORDS * 4) return bytes.toString('utf8', start, end)
      if (view.buffer !== bytes.buffer) view = new DataView(bytes.buffer)
      const from = bytes.byteOffset + start
      const last = from + length - 4
      let hash = view.getInt32(last, true) ^ length
      for (let at = from; at < last; at += 4) hash = Math.imul(hash ^ (hash >>> 15) ^ view.getInt32(at, true), 0x2c1b3c6d)
      const slot = (hash ^ (hash >>> 16)) & (slots - 1)
      if (lengths[slot] === length && isInSlot(slot, from, last)) return texts[slot] as string
      const text = bytes.toString('utf8', start, end)
      texts[slot] = text
      lengths[slot] = length
      let word = slot * SLOT_WORDS
      for (let at = from; at < last; at += 4) words[word++] = view.getInt32(at, true)
      words[word] = view.getInt32(last, true)
      return text
    },
  }

  function isInSlot(slot: number, from: number, last: number): boolean {
    let word = slot * SLOT_WORDS
    for (let at = from; at < last; at += 4) if (words[word++] !== view.getInt32(at, true)) return false
    return words[word] === view.getInt32(last, true)
  }
}
