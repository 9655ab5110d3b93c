import { expect } from 'chai'
import fc from 'fast-check'
import { ConnectorError } from '../contract.ts'
import { readPackets } from './packets.ts'
import { createReceiveBuffer } from './receive-buffer.ts'
import { createTopicCache } from './topic-cache.ts'

interface Message {
  readonly topic: string
  readonly payload: Buffer
  readonly packetId: number | undefined
  readonly retain: boolean
  readonly dup: boolean
  readonly properties: Buffer
}

function variableByteInteger(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  do {
    bytes.push((rest % 128) + (rest >= 128 ? 128 : 0))
    rest = Math.floor(rest / 128)
  } while (rest > 0)
  return Buffer.from(bytes)
}

function encodePublish({ topic, payload, packetId, retain, dup, properties }: Message): Buffer {
  const name = Buffer.from(topic)
  const body = Buffer.concat([
    Buffer.from([name.length >> 8, name.length & 0xff]),
    name,
    packetId === undefined ? Buffer.alloc(0) : Buffer.from([packetId >> 8, packetId & 0xff]),
    variableByteInteger(properties.length),
    properties,
    payload,
  ])
  const flags = 0x30 | (dup ? 8 : 0) | (packetId === undefined ? 0 : 2) | (retain ? 1 : 0)
  return Buffer.concat([Buffer.from([flags]), variableByteInteger(body.length), body])
}

const bytes = (maxLength: number): fc.Arbitrary<Buffer> => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array))
const message: fc.Arbitrary<Message> = fc.record({
  topic: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
  payload: fc.oneof(bytes(40), bytes(600)),
  packetId: fc.option(fc.integer({ min: 1, max: 65_535 }), { nil: undefined }),
  retain: fc.boolean(),
  dup: fc.boolean(),
  properties: bytes(200),
})
/** Any packet that is no PUBLISH: CONNACK, SUBACK, PINGRESP, DISCONNECT. */
const other = fc
  .tuple(fc.constantFrom(0x20, 0x90, 0xd0, 0xe0), bytes(150))
  .map(([type, body]) => Buffer.concat([Buffer.from([type]), variableByteInteger(body.length), body]))

describe('MQTT packets', () => {
  const topics = createTopicCache(64)
  const read = (stream: Buffer, largestBytes = 1_000_000) => readPackets(stream, 0, stream.length, largestBytes, 5, topics)

  it('are the same however the stream is cut into reads', () => {
    const item = fc.oneof(message, other)
    fc.assert(
      fc.property(
        fc.array(item, { maxLength: 12 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 300 })),
        fc.constantFrom(16, 700),
        (items, cuts, slabBytes) => {
          const stream = Buffer.concat(items.map((each) => (Buffer.isBuffer(each) ? each : encodePublish(each))))
          const received = createReceiveBuffer(slabBytes, 256, 4)
          const publishes: unknown[] = []
          const packetIds: number[] = []
          const others: Buffer[] = []
          for (let at = 0; at < stream.length; ) {
            const room = received.room()
            expect(room.length).to.be.within(1, 256)
            const count = Math.min(cuts.next().value ?? 1, room.length, stream.length - at)
            stream.copy(room, 0, at, at + count)
            received.filled(count)
            at += count
            const packets = readPackets(received.bytes, received.start, received.end, 10_000, 7, topics)
            received.consumed(packets.rest, packets.restBytes)
            publishes.push(...packets.publishes)
            packetIds.push(...packets.packetIds)
            others.push(...packets.others)
          }
          const messages = items.filter((each): each is Message => !Buffer.isBuffer(each))
          expect(publishes).to.deep.equal(
            messages.map(({ topic, payload, retain }) => ({ topic: Buffer.from(topic).toString(), payload, retain, receivedMs: 7 })),
          )
          expect(packetIds).to.deep.equal(messages.flatMap(({ packetId }) => (packetId === undefined ? [] : [packetId])))
          expect(others).to.deep.equal(items.filter((each) => Buffer.isBuffer(each)))
          expect(received.end - received.start).to.equal(0)
        },
      ),
      { numRuns: 400 },
    )
  })

  it('come with the identifiers of their subscriptions, whatever properties stand around them', () => {
    const text = Buffer.from([0, 2, 0x61, 0x62])
    const others = [
      Buffer.from([1, 1]),
      Buffer.from([2, 0, 0, 0, 9]),
      Buffer.concat([Buffer.from([3]), text]),
      Buffer.concat([Buffer.from([8]), text]),
      Buffer.concat([Buffer.from([9]), text]),
      Buffer.concat([Buffer.from([38]), text, text]),
    ]
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.integer({ min: 1, max: 268_435_455 }), fc.constantFrom(...others)), { maxLength: 8 }),
        (properties) => {
          const identifiers = properties.filter((each): each is number => typeof each === 'number')
          const encoded = properties.map((each) =>
            typeof each === 'number' ? Buffer.concat([Buffer.from([11]), variableByteInteger(each)]) : each,
          )
          const plain = { topic: 'a', payload: Buffer.from('x'), packetId: 1, retain: false, dup: false }
          const stream = Buffer.concat([
            encodePublish({ ...plain, properties: Buffer.alloc(0) }),
            encodePublish({ ...plain, properties: Buffer.concat(encoded) }),
          ])
          const found = read(stream).identifiers
          expect(found === undefined ? [] : [...found]).to.deep.equal(identifiers.length === 0 ? [] : [[1, identifiers]])
        },
      ),
    )
  })

  it('says how long the packet is that is cut off, as soon as that can be known', () => {
    const whole = encodePublish({
      topic: 'a',
      payload: Buffer.alloc(300),
      packetId: 1,
      retain: false,
      dup: false,
      properties: Buffer.alloc(0),
    })
    for (let length = 0; length < whole.length; length++) {
      const packets = read(whole.subarray(0, length))
      expect(packets.rest).to.equal(0)
      expect(packets.restBytes).to.equal(length < 3 ? 0 : whole.length)
    }
  })

  const broken: readonly (readonly [string, readonly number[], string])[] = [
    ['a remaining length of more than 4 bytes', [0x30, 0xff, 0xff, 0xff, 0xff], 'MQTT_MALFORMED'],
    ['a PUBLISH without room for a topic', [0x30, 1, 0], 'MQTT_MALFORMED'],
    ['a topic longer than its packet', [0x30, 3, 0, 9, 65], 'MQTT_MALFORMED'],
    ['a PUBLISH that ends before its packet identifier', [0x32, 4, 0, 1, 65, 0], 'MQTT_MALFORMED'],
    ['a PUBLISH that ends before its properties', [0x30, 3, 0, 1, 65], 'MQTT_MALFORMED'],
    ['properties longer than the packet', [0x30, 4, 0, 1, 65, 9], 'MQTT_MALFORMED'],
    ['a property length of more than 4 bytes', [0x30, 8, 0, 1, 65, 0xff, 0xff, 0xff, 0xff, 0], 'MQTT_MALFORMED'],
    ['a PUBLISH without a topic', [0x30, 3, 0, 0, 0], 'MQTT_PROTOCOL'],
    ['packet identifier 0', [0x32, 6, 0, 1, 65, 0, 0, 0], 'MQTT_PROTOCOL'],
    ['QoS 2, which was not subscribed', [0x34, 6, 0, 1, 65, 0, 1, 0], 'MQTT_PROTOCOL'],
    ['a packet larger than is taken', [0x30, 0xff, 0xff, 0x7f], 'MQTT_PACKET_TOO_LARGE'],
  ]
  for (const [what, stream, code] of broken) {
    it(`refuse ${what}`, () => {
      expect(() => read(Buffer.from(stream)))
        .to.throw(ConnectorError)
        .with.property('code', code)
    })
  }

  it('never make the reader fail in another way than with a ConnectorError, whatever the bytes', () => {
    fc.assert(
      fc.property(bytes(60), (stream) => {
        try {
          const packets = read(stream)
          expect(packets.rest).to.be.within(0, stream.length)
        } catch (error) {
          expect(error).to.be.instanceOf(ConnectorError)
        }
      }),
      { numRuns: 2_000 },
    )
  })
})
