/**
 * Splits an MQTT 5 byte stream into packets and takes the PUBLISH packets out (OASIS MQTT 5.0,
 * sections 2.1 and 3.3). This runs for every message. It reads `bytes[at] as number` after a bound
 * was checked, because readUInt8 would check it again.
 */
import { ConnectorError, type Publish } from '../contract.ts'
import type { TopicCache } from './topic-cache.ts'

/** The packets in a stretch of received bytes. */
export interface Packets {
  readonly publishes: Publish[]
  /** Packet identifiers of the QoS 1 publishes among them, in order. */
  readonly packetIds: number[]
  /**
   * By index of a publish: the identifiers of the subscriptions that it was sent for. Undefined if
   * no publish has any, which is so nearly always.
   */
  identifiers: Map<number, readonly number[]> | undefined
  /** Every other packet, whole and untouched. */
  readonly others: Buffer[]
  /** Offset of the first byte that belongs to no whole packet yet. */
  rest: number
  /** Bytes that the packet at `rest` takes in all; 0 if too little of it is there to tell. */
  restBytes: number
}

const PUBLISH = 3
/** A variable byte integer has at most 4 bytes of 7 bits. */
const LENGTH_BITS = 28

/**
 * Reads the whole packets in `bytes[start, end)`. Topic and payload bounds are checked. Of the
 * properties only the Subscription Identifiers are read: no other changes what the bridge does. No
 * Topic Alias Maximum is offered, so a topic is always spelled out.
 *
 * Payloads are slices of `bytes`, not copies (50 ns against 168 ns each). They keep `bytes` alive
 * until they are acknowledged. What is outstanding is bounded, so this memory is too.
 * @param largestBytes a packet that claims to be larger is refused
 * @throws ConnectorError MQTT_MALFORMED, MQTT_PROTOCOL or MQTT_PACKET_TOO_LARGE. Then the
 *   connection must be given up; a new one may work.
 */
export function readPackets(
  bytes: Buffer,
  start: number,
  end: number,
  largestBytes: number,
  receivedMs: number,
  topics: TopicCache,
): Packets {
  const packets: Packets = { publishes: [], packetIds: [], identifiers: undefined, others: [], rest: start, restBytes: 0 }
  let at = start
  while (end - at >= 2) {
    let body = at + 1
    let remaining = 0
    let shift = 0
    let byte = 0x80
    while (byte >= 0x80 && body < end && shift < LENGTH_BITS) {
      byte = bytes[body++] as number
      remaining |= (byte & 0x7f) << shift
      shift += 7
    }
    if (byte >= 0x80) {
      if (shift === LENGTH_BITS) throw malformed('the remaining length takes more than 4 bytes')
      break
    }
    const next = body + remaining
    if (next - at > largestBytes) {
      throw new ConnectorError(
        'MQTT_PACKET_TOO_LARGE',
        true,
        `reading from MQTT: a packet of ${next - at} bytes, at most ${largestBytes} are taken`,
      )
    }
    if (next > end) {
      packets.restBytes = next - at
      break
    }
    const first = bytes[at] as number
    if (first >> 4 === PUBLISH) readPublish(packets, bytes, first, body, next, receivedMs, topics)
    else packets.others.push(bytes.subarray(at, next))
    at = next
  }
  packets.rest = at
  return packets
}

function readPublish(
  packets: Packets,
  bytes: Buffer,
  first: number,
  body: number,
  next: number,
  receivedMs: number,
  topics: TopicCache,
): void {
  const qos = (first >> 1) & 3
  // We subscribe with QoS 1, so the broker may not send more (MQTT-3.8.4-8).
  if (qos > 1) throw protocolError(`a PUBLISH with QoS ${qos} on a subscription with QoS 1`)
  let at = body
  if (next - at < 2) throw malformed('a PUBLISH that ends before its topic')
  const topicStart = at + 2
  at = topicStart + (((bytes[at] as number) << 8) | (bytes[at + 1] as number))
  if (at > next) throw malformed('a PUBLISH whose topic is longer than the packet')
  if (at === topicStart) throw protocolError('a PUBLISH without a topic, though no topic alias was offered')
  const topic = topics.text(bytes, topicStart, at)
  if (qos === 1) {
    if (next - at < 2) throw malformed('a PUBLISH that ends before its packet identifier')
    const packetId = ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
    if (packetId === 0) throw protocolError('a PUBLISH with QoS 1 and packet identifier 0')
    packets.packetIds.push(packetId)
    at += 2
  }
  let propertiesBytes = 0
  let shift = 0
  let byte = 0x80
  while (byte >= 0x80) {
    if (at >= next || shift === LENGTH_BITS) throw malformed('a PUBLISH whose property length is cut off or takes more than 4 bytes')
    byte = bytes[at++] as number
    propertiesBytes |= (byte & 0x7f) << shift
    shift += 7
  }
  const properties = at
  at += propertiesBytes
  if (at > next) throw malformed('a PUBLISH whose properties are longer than the packet')
  if (propertiesBytes > 0) {
    const identifiers = subscriptionIdentifiers(bytes, properties, at)
    if (identifiers.length > 0) {
      packets.identifiers ??= new Map()
      packets.identifiers.set(packets.publishes.length, identifiers)
    }
  }
  packets.publishes.push({ topic, payload: bytes.subarray(at, next), retain: (first & 1) === 1, receivedMs })
}

/** Properties of a PUBLISH (section 3.3.2.3), by their identifier. */
const SUBSCRIPTION_IDENTIFIER = 0x0b
const FIXED_BYTES: Readonly<Record<number, number>> = { 1: 1, 2: 4, 35: 2 }
/** How many texts, or runs of bytes, each behind its length in two bytes. */
const TEXTS: Readonly<Record<number, number>> = { 3: 1, 8: 1, 9: 1, 38: 2 }

/**
 * The Subscription Identifiers in `bytes[start, end)`. What stands behind a property that a PUBLISH
 * does not have, or that is cut off, is not looked at: nothing but a copy of a message depends on
 * it.
 */
function subscriptionIdentifiers(bytes: Buffer, start: number, end: number): readonly number[] {
  const identifiers: number[] = []
  let at = start
  while (at < end) {
    const property = bytes[at++] as number
    if (property === SUBSCRIPTION_IDENTIFIER) {
      let value = 0
      let shift = 0
      let byte = 0x80
      while (byte >= 0x80 && at < end && shift < LENGTH_BITS) {
        byte = bytes[at++] as number
        value |= (byte & 0x7f) << shift
        shift += 7
      }
      if (byte >= 0x80) return identifiers
      identifiers.push(value)
      continue
    }
    const fixed = FIXED_BYTES[property]
    const texts = TEXTS[property]
    if (fixed !== undefined) at += fixed
    else if (texts === undefined) return identifiers
    else for (let text = 0; text < texts && at + 2 <= end; text++) at += 2 + bytes.readUInt16BE(at)
  }
  return identifiers
}

function malformed(what: string): ConnectorError {
  return new ConnectorError('MQTT_MALFORMED', true, `reading from MQTT: ${what}`)
}

function protocolError(what: string): ConnectorError {
  return new ConnectorError('MQTT_PROTOCOL', true, `reading from MQTT: ${what}`)
}
