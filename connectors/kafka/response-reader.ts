/**
 * Takes what a socket read: the first `count` bytes of a buffer that is overwritten by the next
 * read.
 */
export type ResponseReader = (bytes: Buffer, count: number) => void

const LENGTH_BYTES = 4

/**
 * Cuts what comes over a connection with Kafka into responses: a 32-bit length, then as many bytes
 * (Kafka protocol guide, "Network"). Each is put together in a buffer of just its size, and no
 * other memory is taken. By itself, Node takes 64 KB for each read, and kafkajs copies them. Both
 * are outside V8's heap, but V8 counts them, so it collected the whole heap about once a second.
 * @param take gets each response, its length in front, as a buffer of its own
 * @throws RangeError if the length is negative: that is no Kafka
 */
export function createResponseReader(take: (response: Buffer) => void): ResponseReader {
  const length = Buffer.alloc(LENGTH_BYTES)
  let lengthBytes = 0
  let response: Buffer | undefined
  let filled = 0

  /** Takes bytes of the length. Returns how many. */
  function begin(bytes: Buffer, from: number, count: number): number {
    const taken = Math.min(LENGTH_BYTES - lengthBytes, count - from)
    bytes.copy(length, lengthBytes, from, from + taken)
    lengthBytes += taken
    if (lengthBytes < LENGTH_BYTES) return taken
    const size = length.readInt32BE(0)
    if (size < 0) throw new RangeError(`a response of Kafka has a length of 0 or more bytes, not ${size}`)
    response = Buffer.allocUnsafe(LENGTH_BYTES + size)
    length.copy(response)
    filled = LENGTH_BYTES
    lengthBytes = 0
    return taken
  }

  return (bytes, count) => {
    for (let at = 0; at < count || (response !== undefined && filled === response.length); ) {
      if (response === undefined) {
        at += begin(bytes, at, count)
        continue
      }
      const taken = Math.min(response.length - filled, count - at)
      bytes.copy(response, filled, at, at + taken)
      filled += taken
      at += taken
      if (filled < response.length) return
      const whole = response
      response = undefined
      take(whole)
    }
  }
}
