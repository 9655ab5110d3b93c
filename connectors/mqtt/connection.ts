import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { createAcknowledgements } from './acknowledgements.ts'
import { type Packets, readPackets } from './packets.ts'
import { createReceiveBuffer } from './receive-buffer.ts'
import type { TopicCache } from './topic-cache.ts'

/** How a socket hands over what it reads: the `onread` option of net.connect and tls.connect. */
export interface SocketReader {
  buffer(): Buffer
  /** False: do not read on. */
  callback(count: number): boolean
}

/** Opens the socket, plain or TLS, with this reader, or to be read as any stream. */
export type Dial = (reader?: SocketReader) => Socket

/** Takes the publishes of one read. */
export type TakePublishes = (
  packets: Pick<Packets, 'publishes' | 'packetIds' | 'identifiers'>,
  bytes: number,
  acknowledge: () => void,
) => void

export interface ConnectionOptions {
  readonly dial: Dial
  readonly topics: TopicCache
  readonly largestPacketBytes: number
  /** Reading rests this long after each read that emptied the socket. */
  readonly readIntervalMs: number
  /** Whether reading may go on; if not, `resume` has to be called. */
  readonly mayRead: () => boolean
  /**
   * Calls `acknowledge` once, when the publishes are safe. Does nothing once this connection is
   * gone: that keeps an old PUBACK off a new connection.
   */
  readonly take: TakePublishes
  readonly onPubacks: (count: number) => void
}

/** One network connection. */
export interface Connection {
  /**
   * What MQTT.js reads and writes: everything but the PUBLISH packets received and their PUBACKs.
   */
  readonly stream: Duplex
  /** Reading waits for `resume`. */
  readonly held: boolean
  /** Reads on, if `mayRead` allows it. */
  resume(): void
}

/**
 * Opens a connection and stands between its socket and MQTT.js. MQTT.js handles packets one at a
 * time, with a PUBACK written for each (17–30 µs a message); here a read's worth of publishes is
 * one batch, and the PUBACKs of a batch are one write.
 *
 * A broker writes each PUBLISH by itself. So a quick reader finds one message a read, and spends
 * its time in system calls. That is why reading rests after each read: what gathers meanwhile comes
 * in one.
 */
export function openConnection(options: ConnectionOptions): Connection {
  const { mayRead } = options
  const received = createReceiveBuffer()
  const acknowledgements = createAcknowledgements()
  let roomBytes = 0
  let held = false
  let flushing = false

  const socket = options.dial({
    buffer() {
      const room = received.room()
      roomBytes = room.length
      return room
    },
    callback(count) {
      const filledRoom = count === roomBytes
      received.filled(count)
      try {
        takeReceived()
      } catch (error) {
        stream.destroy(error instanceof Error ? error : new Error(String(error)))
        return false
      }
      held = !mayRead()
      if (held) return false
      if (filledRoom) return true
      rest.refresh()
      return false
    },
  })
  const stream = new Duplex({
    allowHalfOpen: false,
    read() {},
    write(chunk: Buffer, _encoding, done) {
      socket.write(chunk, done)
    },
    final(done) {
      socket.end(done)
    },
    destroy(error, done) {
      clearTimeout(rest)
      socket.destroy()
      done(error)
    },
  })
  const rest = setTimeout(readOn, options.readIntervalMs)
  socket.on('error', (error) => stream.destroy(error))
  socket.on('close', () => stream.destroy())
  socket.on('end', () => stream.push(null))
  socket.resume()

  function takeReceived(): void {
    const { bytes, start, end } = received
    const packets = readPackets(bytes, start, end, options.largestPacketBytes, Date.now(), options.topics)
    received.consumed(packets.rest, packets.restBytes)
    for (const packet of packets.others) stream.push(packet)
    if (packets.publishes.length === 0) return
    const ticket = acknowledgements.add(packets.packetIds)
    options.take(packets, packets.rest - start, () => {
      ticket.resolved = true
      if (flushing || stream.destroyed) return
      // Kafka's answer resolves many batches at once: wait for all of them, and write once.
      flushing = true
      setImmediate(flush)
    })
  }

  function flush(): void {
    flushing = false
    if (!socket.writable) return
    const before = acknowledgements.waiting
    const pubacks = acknowledgements.take()
    if (pubacks === undefined) return
    socket.write(pubacks)
    options.onPubacks(before - acknowledgements.waiting)
  }

  function readOn(): void {
    held = !mayRead()
    if (!held && !stream.destroyed) socket.resume()
  }

  return {
    stream,
    get held() {
      return held
    },
    resume() {
      if (held) readOn()
    },
  }
}
