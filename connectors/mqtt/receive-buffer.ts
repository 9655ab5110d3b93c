/**
 * Where a socket's bytes are written. The bytes between `start` and `end` have been received and
 * not yet been consumed.
 */
export interface ReceiveBuffer {
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
  /**
   * Where the socket writes next: never empty, at most `readBytes` long. Calling it twice gives the
   * same place.
   */
  room(): Buffer
  /** The socket wrote this many bytes to `room()`. */
  filled(count: number): void
  /**
   * Everything before `to` has been used.
   * @param restBytes what the packet at `to` takes in all; 0 if unknown
   */
  consumed(to: number, restBytes: number): void
}

const SLAB_BYTES = 256 * 1024
const READ_BYTES = 64 * 1024
/** Below this a read is not worth its system call. */
const LEAST_ROOM_BYTES = 8 * 1024

/**
 * Consecutive reads go one behind the other into a slab. So a packet that a read cut in two is
 * whole again without copying, and a slab serves dozens of reads; Node's own way allocates and
 * trims 64 KiB for each. Bytes are copied only when a slab is full: then the cut packet goes to the
 * start of the next slab, which is made large enough for it. A full slab is never written again.
 * The payloads in it stay unchanged, and it is freed with the last of them.
 */
export function createReceiveBuffer(slabBytes = SLAB_BYTES, readBytes = READ_BYTES, leastRoomBytes = LEAST_ROOM_BYTES): ReceiveBuffer {
  let bytes = Buffer.allocUnsafeSlow(slabBytes)
  let start = 0
  let end = 0
  let restBytes = 0
  return {
    get bytes() {
      return bytes
    },
    get start() {
      return start
    },
    get end() {
      return end
    },
    room() {
      const fits = start + restBytes <= bytes.length && bytes.length - end >= leastRoomBytes
      if (!fits) {
        const rest = end - start
        const slab = Buffer.allocUnsafeSlow(Math.max(slabBytes, Math.max(restBytes, rest) + leastRoomBytes))
        bytes.copy(slab, 0, start, end)
        bytes = slab
        start = 0
        end = rest
      }
      return bytes.subarray(end, Math.min(bytes.length, end + readBytes))
    },
    filled(count) {
      end += count
    },
    consumed(to, nextBytes) {
      start = to
      restBytes = nextBytes
    },
  }
}
