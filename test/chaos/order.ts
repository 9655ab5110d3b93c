/** What a record of a device is, compared with those before it. */
export type Place = 'first' | 'repeat' | 'altered' | 'reordered'

/** Frames of one hop, in the order of the topic. */
export interface Order {
  /**
   * `altered`: seen before with other bytes. `reordered`: new, though a later one came before it.
   */
  add(device: string, boot: number, seq: number, hash: string): Place
  /** The hash of a frame that was seen. */
  seen(device: string, boot: number, seq: number): string | undefined
  readonly counts: Readonly<Record<Place, number>>
}

/**
 * A device's frames: boot counters and numbers are whole numbers up to 2^31, too large to be one
 * number together.
 */
interface DeviceFrames {
  boot: number
  seq: number
  readonly boots: Map<number, Map<number, string>>
}

/**
 * The promise: per device, frames come in order of (boot, seq); a frame may come again, with the
 * same bytes, but not for the first time after a later one.
 */
export function createOrder(): Order {
  const devices = new Map<string, DeviceFrames>()
  const counts = { first: 0, repeat: 0, altered: 0, reordered: 0 }

  function place(device: string, boot: number, seq: number, hash: string): Place {
    let frames = devices.get(device)
    if (frames === undefined) {
      frames = { boot: -1, seq: -1, boots: new Map() }
      devices.set(device, frames)
    }
    let hashes = frames.boots.get(boot)
    if (hashes === undefined) {
      hashes = new Map()
      frames.boots.set(boot, hashes)
    }
    const before = hashes.get(seq)
    if (before !== undefined) return before === hash ? 'repeat' : 'altered'
    hashes.set(seq, hash)
    if (boot < frames.boot || (boot === frames.boot && seq < frames.seq)) return 'reordered'
    frames.boot = boot
    frames.seq = seq
    return 'first'
  }

  return {
    add(device, boot, seq, hash) {
      const found = place(device, boot, seq, hash)
      counts[found]++
      return found
    },
    seen: (device, boot, seq) => devices.get(device)?.boots.get(boot)?.get(seq),
    counts,
  }
}
