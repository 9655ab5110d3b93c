import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { address, testBroker } from '../pipeline/stack-clients.ts'

/** Who a client says that it is. Whether the broker believes it is the test's question. */
export interface Claims {
  readonly clientId: string
  readonly username?: string
  readonly password?: string
  /**
   * Whether it discards the session that the broker keeps under its client ID; true unless told
   * otherwise.
   */
  readonly clean?: boolean
  readonly sessionExpirySeconds?: number
  readonly will?: { readonly topic: string; readonly payload: Buffer; readonly retain?: boolean }
  /** Another broker than that of the stack. */
  readonly url?: string
  /** 0: it may be silent for as long as it likes. */
  readonly keepAliveSeconds?: number
  /** By TLS, with these files and sessions. */
  readonly tls?: ConnectionOptions
}

/**
 * An MQTT 5 client without manners: it checks nothing of what it sends. Reason codes are those of
 * MQTT 5: 0x80 and above refuse.
 */
export interface HostileClient extends AsyncDisposable {
  /** Reason code of CONNACK; undefined if the broker closed the connection without one. */
  readonly connack: number | undefined
  readonly sessionPresent: boolean
  /** Publishes with QoS 1; the reason code of PUBACK. Rejects if the connection ends first. */
  publish(topic: string, payload: Buffer | string, retain?: boolean): Promise<number>
  /** Publishes with QoS 0: nobody answers. */
  throwOver(topic: string, payload: Buffer | string, retain?: boolean): void
  /**
   * As many as there are, without waiting for one before the next; resolves when all are answered,
   * with the number of each reason code.
   */
  flood(messages: Iterable<readonly [topic: string, payload: Buffer | string]>): Promise<ReadonlyMap<number, number>>
  /** With QoS 1; the reason code of SUBACK. */
  subscribe(filter: string): Promise<number>
  /** What the broker delivered, in order. */
  readonly received: readonly { readonly topic: string; readonly payload: Buffer; readonly retain: boolean }[]
  /** Sends bytes as they are. */
  raw(bytes: Buffer): void
  /** Resolves when the connection has ended, whoever ended it. */
  readonly closed: Promise<void>
}

const CONNACK = 2
const PUBLISH = 3
const PUBACK = 4
const SUBACK = 9
/** Packets that are not answered yet: their identifiers have 16 bits. */
const MOST_UNANSWERED = 10_000

/** Connects; resolves when the broker has answered or hung up. */
export async function openHostileClient(given: Claims): Promise<HostileClient> {
  const claims = given.url === undefined ? { ...stackClaims(given), ...given } : given
  const { hostname, port } = new URL(claims.url ?? address('MQTT_URL'))
  const target = { host: hostname, port: Number(port), noDelay: true }
  const socket = claims.tls === undefined ? connect(target) : connectTls({ ...target, ...claims.tls })
  const received: { topic: string; payload: Buffer; retain: boolean }[] = []
  const waiting = new Map<number, { readonly resolve: (code: number) => void; readonly reject: (cause: Error) => void }>()
  let ended = false
  let rest: Buffer = Buffer.alloc(0)
  let nextId = 0
  let connack: number | undefined
  let sessionPresent = false
  let answered: () => void = () => undefined
  const answer = new Promise<void>((resolve) => {
    answered = resolve
  })
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => {
      ended = true
      for (const { reject } of waiting.values()) reject(gone())
      waiting.clear()
      answered()
      resolve()
    })
  })
  // What there is to know about an error, `close` says too.
  socket.on('error', () => undefined)
  socket.on('data', (data) => {
    rest = Buffer.concat([rest, data])
    for (let packet = firstPacket(rest); packet !== undefined; packet = firstPacket(rest)) {
      rest = rest.subarray(packet.end)
      take(packet.head, packet.body)
    }
  })

  function take(head: number, body: Buffer): void {
    switch (head >> 4) {
      case CONNACK:
        sessionPresent = (body.readUInt8(0) & 1) === 1
        connack = body.readUInt8(1)
        answered()
        return
      case PUBACK:
        settle(body.readUInt16BE(0), body.length > 2 ? body.readUInt8(2) : 0)
        return
      case SUBACK:
        settle(body.readUInt16BE(0), body.readUInt8(body.length - 1))
        return
      case PUBLISH: {
        const qos = (head >> 1) & 3
        const topicEnd = 2 + body.readUInt16BE(0)
        const afterId = topicEnd + (qos > 0 ? 2 : 0)
        const properties = varint(body, afterId)
        received.push({
          topic: body.toString('utf8', 2, topicEnd),
          payload: body.subarray(properties.end + properties.value),
          retain: (head & 1) === 1,
        })
        if (qos > 0) socket.write(packetOf(PUBACK << 4, body.subarray(topicEnd, afterId)))
      }
    }
  }

  function settle(id: number, code: number): void {
    waiting.get(id)?.resolve(code)
    waiting.delete(id)
  }

  function ask(packet: (id: Buffer) => Buffer): Promise<number> {
    if (ended) return Promise.reject(gone())
    do nextId = (nextId % 65_535) + 1
    while (waiting.has(nextId))
    const id = nextId
    return new Promise((resolve, reject) => {
      waiting.set(id, { resolve, reject })
      socket.write(packet(uint16(id)))
    })
  }

  const publish = (topic: string, payload: Buffer | string, retain = false): Promise<number> =>
    ask((id) => packetOf((PUBLISH << 4) | 2 | Number(retain), text(topic), id, NO_PROPERTIES, Buffer.from(payload)))

  socket.write(connectPacket(claims))
  await answer
  return {
    connack,
    sessionPresent,
    publish,
    throwOver(topic, payload, retain = false) {
      socket.write(packetOf((PUBLISH << 4) | Number(retain), text(topic), NO_PROPERTIES, Buffer.from(payload)))
    },
    async flood(messages) {
      const codes = new Map<number, number>()
      const underWay = new Set<Promise<void>>()
      for (const [topic, payload] of messages) {
        const sent: Promise<void> = publish(topic, payload).then((code) => {
          codes.set(code, (codes.get(code) ?? 0) + 1)
          underWay.delete(sent)
        })
        underWay.add(sent)
        if (underWay.size >= MOST_UNANSWERED) await Promise.race(underWay)
      }
      await Promise.all(underWay)
      return codes
    },
    subscribe: (filter) => ask((id) => packetOf(0x82, id, NO_PROPERTIES, text(filter), Buffer.from([1]))),
    received,
    raw: (bytes) => void socket.write(bytes),
    closed,
    async [Symbol.asyncDispose]() {
      socket.destroy()
      await closed
    },
  }
}

/** In a secured stack: TLS, and who claims to be nobody is the fleet. */
function stackClaims({ username }: Claims): Partial<Claims> {
  const { tls, user } = testBroker()
  return { ...(tls === undefined ? {} : { tls: { ca: readFileSync(tls.caFile) } }), ...(username === undefined ? user : {}) }
}

const NO_PROPERTIES = Buffer.from([0])

/** CONNECT (OASIS MQTT 5.0, section 3.1). */
function connectPacket({
  clientId,
  username,
  password,
  clean = true,
  sessionExpirySeconds = 0,
  keepAliveSeconds = 60,
  will,
}: Claims): Buffer {
  const flags =
    (username === undefined ? 0 : 0x80) |
    (password === undefined ? 0 : 0x40) |
    (will?.retain === true ? 0x20 : 0) |
    (will === undefined ? 0 : 0x0c) |
    (clean ? 0x02 : 0)
  const expiry = Buffer.alloc(5, 0x11)
  expiry.writeUInt32BE(sessionExpirySeconds, 1)
  return packetOf(
    0x10,
    text('MQTT'),
    Buffer.from([5, flags]),
    uint16(keepAliveSeconds),
    Buffer.from([expiry.length]),
    expiry,
    text(clientId),
    ...(will === undefined ? [] : [NO_PROPERTIES, text(will.topic), uint16(will.payload.length), will.payload]),
    ...(username === undefined ? [] : [text(username)]),
    ...(password === undefined ? [] : [text(password)]),
  )
}

function packetOf(head: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts)
  const length: number[] = []
  for (let left = body.length; ; left >>= 7) {
    length.push(left > 0x7f ? (left & 0x7f) | 0x80 : left)
    if (left <= 0x7f) return Buffer.concat([Buffer.from([head, ...length]), body])
  }
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'utf8')
  return Buffer.concat([uint16(bytes.length), bytes])
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}

/** A variable byte integer, and where it ends; `end` 0 if it is not all there. */
function varint(bytes: Buffer, start: number): { readonly value: number; readonly end: number } {
  let value = 0
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes.readUInt8(at)
    value |= (byte & 0x7f) << (7 * (at - start))
    if (byte < 0x80) return { value, end: at + 1 }
  }
  return { value: 0, end: 0 }
}

/** The first packet, if all of it is there. */
function firstPacket(bytes: Buffer): { readonly head: number; readonly body: Buffer; readonly end: number } | undefined {
  if (bytes.length < 2) return undefined
  const length = varint(bytes, 1)
  const end = length.end + length.value
  if (length.end === 0 || bytes.length < end) return undefined
  return { head: bytes.readUInt8(0), body: bytes.subarray(length.end, end), end }
}

function gone(): Error {
  return new Error('the broker ended the connection')
}
