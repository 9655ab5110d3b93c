const WAYS = 4
const SETS = 1 << 14
const FNV_OFFSET = 0x811c9dc5
const FNV_PRIME = 0x01000193

/** No device. */
export const NOWHERE = -1

/**
 * Devices that were good lately, each in a slot of a table of fixed size (65,536 devices, 1.3 MB).
 * It knows a device by 32 bits of a hash (FNV-1a), so once in a great while it takes one device for
 * another. If it is full, the device that was good longest ago makes room.
 */
export class RecentDevices {
  /** By slot: seconds since 1970 when the device was last good; 0 for an empty slot. */
  readonly goodAt = new Uint32Array(WAYS * SETS)
  /** By slot: when the device turned bad; 0 if it has not. */
  readonly turnedAt = new Uint32Array(WAYS * SETS)
  /** Bad records since its last good one, up to 255. */
  readonly streak = new Uint8Array(WAYS * SETS)
  /** By slot: 1 if the device has dead letters that were written after it turned bad. */
  readonly wentOn = new Uint8Array(WAYS * SETS)
  /** By slot: when the device was good again after that; 0 if it never was. */
  readonly relapsedAt = new Uint32Array(WAYS * SETS)
  private readonly hashes = new Uint32Array(WAYS * SETS)

  /** The device's slot, or NOWHERE. */
  find(key: Buffer): number {
    const hash = hashOf(key)
    return this.slotOf(hash, firstSlot(hash))
  }

  /** The device's slot, a new one if it has none. */
  findOrAdd(key: Buffer): number {
    const hash = hashOf(key)
    const first = firstSlot(hash)
    const found = this.slotOf(hash, first)
    if (found !== NOWHERE) return found
    let oldest = first
    for (let slot = first + 1; slot < first + WAYS; slot++) {
      if ((this.goodAt[slot] as number) < (this.goodAt[oldest] as number)) oldest = slot
    }
    this.hashes[oldest] = hash
    this.goodAt[oldest] = 0
    this.turnedAt[oldest] = 0
    this.streak[oldest] = 0
    this.wentOn[oldest] = 0
    this.relapsedAt[oldest] = 0
    return oldest
  }

  private slotOf(hash: number, first: number): number {
    for (let slot = first; slot < first + WAYS; slot++) if (this.hashes[slot] === hash && this.goodAt[slot] !== 0) return slot
    return NOWHERE
  }
}

function hashOf(key: Buffer): number {
  let hash = FNV_OFFSET
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ (key[at] as number), FNV_PRIME)
  return hash >>> 0
}

/** The high bits of FNV are the better ones. */
function firstSlot(hash: number): number {
  return (((hash >>> 16) ^ hash) & (SETS - 1)) * WAYS
}
