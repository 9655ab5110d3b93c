import avro from 'avsc'
import { expect } from 'chai'
import fc from 'fast-check'
import { readSchema } from '../../schemas/files.ts'
import { RawWriter } from '../../schemas/raw-writer.ts'
import { parseTopicPattern } from '../../schemas/topic-pattern.ts'
import { memoryKept } from '../../test/memory-kept.ts'
import type { OutgoingRecord } from '../contract.ts'
import { createDeadLetterCodec, type DeadLetter } from '../dead-letter.ts'
import { CodecError } from '../translate/codecs/codec.ts'
import { BridgeCounters } from './counters.ts'
import { createEstimatedTimes } from './estimated-times.ts'
import { createFingerprints } from './fingerprints.ts'
import { createForwarder, type Forward, type ForwarderOptions, type Received } from './forward.ts'
import type { Reason } from './reasons.ts'
import { createRouter, defaultRoutes, parseRoutes, type RoutedDialect } from './routes.ts'
import { createStatusEncoder } from './status.ts'
import { UnknownTopics } from './unknown-topics.ts'

const FINGERPRINT = Buffer.from('0123456789abcdef', 'hex')
const TELEMETRY = 'devices/hive-a/telemetry'
const STATUS = 'devices/hive-a/status'

describe('bridge', () => {
  const deadLetters = createDeadLetterCodec(readSchema('dead-letter').json, 7)
  const known = createFingerprints(new Map([[FINGERPRINT.toString('hex'), 0x01020304]]))
  const none = createFingerprints(new Map())
  const rawType = avro.Type.forSchema(readSchema('raw').json as avro.Schema)
  let counters: BridgeCounters
  let forward: Forward
  let unknownTopics: UnknownTopics
  let others: Pick<ForwarderOptions, 'keptDeadLetters' | 'unknownTopics' | 'keepUnknown' | 'raw' | 'rawBytes' | 'receipts'>

  beforeEach(() => {
    counters = new BridgeCounters()
    unknownTopics = new UnknownTopics()
    others = {
      keptDeadLetters: { deadLetters: 2, bytes: 1000, totalBytes: 10_000, windowMs: 60_000 },
      unknownTopics,
      keepUnknown: true,
      raw: new RawWriter(10),
      rawBytes: 900_000,
      receipts: createEstimatedTimes(),
    }
    forward = createForwarder({
      route: createRouter(parseRoutes(defaultRoutes)),
      status: createStatusEncoder(readSchema('device-status').json, 8),
      codec: deadLetters,
      payloadBytes: 65_536,
      deadLetterBytes: 2_000_000,
      version: '1.2.3',
      ...others,
      counters,
    })
  })

  const received = (topic: string, payload: Buffer | string, retain = false): Received => ({
    topic,
    payload: Buffer.from(payload),
    retain,
    receivedMs: 1_000,
  })
  const frame = (datum: Buffer | string): Buffer => Buffer.concat([Buffer.from([0xc3, 1]), FINGERPRINT, Buffer.from(datum)])
  const run = (messages: readonly Received[], fingerprints = known): OutgoingRecord[] => {
    const records: OutgoingRecord[] = []
    expect(forward(messages, 0, fingerprints, true, records)).to.equal(messages.length)
    return records
  }
  const raw = (record: OutgoingRecord | undefined): object => ({
    ...(rawType.fromBuffer(record?.value.subarray(5) ?? Buffer.alloc(0)) as object),
  })
  const deadLetterOf = (topic: string, payload: Buffer | string, fingerprints = known): DeadLetter => {
    const [record] = run([received(topic, payload)], fingerprints)
    expect(record).to.include({ topic: 'bridge.dead', timestampMs: 1_000 })
    return deadLetters.decode(record?.value ?? Buffer.alloc(0))
  }

  it('swaps the header of a frame for the schema ID and leaves its datum as it is', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
        (datum) => {
          const [record] = run([received(TELEMETRY, frame(datum))])
          expect(record).to.deep.equal({
            topic: 'telemetry.frames',
            key: Buffer.from('hive-a'),
            value: Buffer.concat([Buffer.from([0, 1, 2, 3, 4]), datum]),
            timestampMs: 1_000,
            headers: [{ name: 'fp', value: FINGERPRINT }],
          })
        },
      ),
    )
  })

  it('does not touch the bytes around a payload that is part of a larger buffer', () => {
    const bytes = Buffer.concat([Buffer.alloc(20, 0xee), frame('datum'), Buffer.alloc(20, 0xee)])
    run([{ topic: TELEMETRY, payload: bytes.subarray(20, 35), retain: false, receivedMs: 1 }])
    expect([...bytes.subarray(0, 20), ...bytes.subarray(35)].every((byte) => byte === 0xee)).to.equal(true)
  })

  it('copies what is no frame untouched to telemetry.raw, whatever it is: a dialect says what is in it', () => {
    // Behind a message there is room for as many samples as it can have.
    const ROOM = [0, 3, 7, 12, 15]
    const payloads = [
      '{"ts": 1795406400, "temperature": 34.2}',
      '21.5',
      'hello',
      Buffer.from([0xc3, 1, 2]),
      Buffer.from([0xc3, 2, ...FINGERPRINT]),
    ]
    const records = run(payloads.map((payload) => received(TELEMETRY, payload)))
    expect(records.map(({ topic, key }) => `${topic} ${key?.toString()}`)).to.deep.equal(Array(5).fill('telemetry.raw hive-a'))
    expect(records.map(raw)).to.deep.equal(
      payloads.map((payload, index) => ({
        topic: TELEMETRY,
        payload: Buffer.from(payload),
        received: 1_000_000 + (ROOM[index] ?? 0),
        retained: false,
      })),
    )
    expect(counters).to.include({ raw: 5, frames: 0 })
  })

  it('forwards status to its own topic, retained or not', () => {
    const records = run([received(STATUS, '{"state":"ready"}', true), received(STATUS, '{"state":"lost"}')])
    expect(records.map(({ topic }) => topic)).to.deep.equal(['device.status', 'device.status'])
    expect(counters.statuses).to.equal(2)
  })

  describe('of a device over its rate', () => {
    const flood = (device: string, count: number, receivedMs = 1_000): Received[] =>
      Array.from({ length: count }, (_, number) => ({
        topic: `devices/${device}/telemetry`,
        payload: Buffer.from(`${device} ${number} ${'x'.repeat(100)}`),
        retain: false,
        receivedMs,
        overRate: true,
      }))
    const said = (records: readonly OutgoingRecord[]): readonly DeadLetter[] => records.map(({ value }) => deadLetters.decode(value))

    it('keeps the first messages whole, and of the others the heads, in one dead letter', () => {
      const found = said(run(flood('a', 10)))
      expect(found.map(({ reason, value, records }) => [reason, value !== null, records.length])).to.deep.equal([
        ['over-rate', true, 0],
        ['over-rate', true, 0],
        ['over-rate', false, 8],
      ])
      expect(found[2]?.records[0]).to.deep.equal({
        offset: -1,
        timestamp: 1_000,
        head: Buffer.from(`a 2 ${'x'.repeat(40)}`),
        partly: false,
      })
      expect(found[2]?.detail).to.match(/bridge\.rate_limit\); 8 messages with 832 bytes are not kept$/)
      expect(counters.dead['over-rate']).to.equal(10)
      expect(counters.unkept).to.equal(8)
    })

    it('keeps few bytes of millions, and counts them all: a dead letter a second', () => {
      let bytes = 0
      let told = 0
      for (let second = 0; second < 20; second++) {
        for (let batch = 0; batch < 10; batch++) {
          const records = run(flood('a', 1000, 1_000 + second * 1_000 + batch * 100))
          for (const { value } of records) bytes += value.length
          for (const { detail } of said(records)) told += Number(/(\d+) messages/.exec(detail)?.[1] ?? 1)
        }
      }
      expect(bytes).to.be.below(30_000)
      // What came since the last dead letter is told with the next message of anybody.
      for (const { detail } of said(run(flood('b', 1, 90_000)))) told += Number(/(\d+) messages/.exec(detail)?.[1] ?? 0)
      expect(told).to.equal(200_000)
    })

    it('does not grow with the names of those who flood', () => {
      const before = memoryKept().heapUsed
      for (let name = 0; name < 30_000; name += 1000)
        run(Array.from({ length: 1000 }, (_, index) => flood(`n${name + index}`, 1)[0] as Received))
      expect(memoryKept().heapUsed - before).to.be.below(100 << 20)
    })
  })

  it('drops a cleared status, and counts it', () => {
    expect(run([received(STATUS, '')])).to.deep.equal([])
    expect(counters.dropped).to.include({ 'status-cleared': 1 })
  })

  it('forwards telemetry that the broker had retained: a frame if it has a time, by which a repeat is recognised, and all else with a mark', () => {
    const synced = frame(Buffer.from([0x84, 1, 0x80, 2, 0, 0]))
    const records = run([received(TELEMETRY, synced, true), received(TELEMETRY, '{"power":1}', true)])
    expect(records.map(({ topic }) => topic)).to.deep.equal(['telemetry.frames', 'telemetry.raw'])
    expect(raw(records[1])).to.include({ retained: true })
  })

  it('makes a dead letter of telemetry that the broker had retained and that has no time: nobody knows how old it is', () => {
    const uptime = frame(Buffer.from([0x84, 1, 0x80, 2, 2, 0]))
    const records = run([received(TELEMETRY, uptime, true)])
    expect(records.map(({ value }) => deadLetters.decode(value).reason)).to.deep.equal(['retained'])
  })

  it('never takes a device ID from a payload', () => {
    const [record] = run([received(STATUS, '{"state":"ready","device_id":"victim"}')])
    expect(record?.key?.toString()).to.equal('hive-a')
  })

  const refused: readonly (readonly [Reason, string, Buffer | string, RegExp])[] = [
    ['over-size', TELEMETRY, frame(Buffer.alloc(65_527)), /at most 65536 bytes, got 65537/],
    ['over-size', TELEMETRY, Buffer.alloc(1_048_576), /got 1048576/],
    ['over-size', STATUS, `{"state":"ready","x":"${'y'.repeat(65_536)}"}`, /at most 65536/],
    ['bad-status', STATUS, '{"state":"ready","firmware":"hive-1\\u0000"}', /got \\u0000 at position 6/],
    ['bad-status', STATUS, '{"state":"gone"}', /got "gone"/],
    [
      'no-route',
      'devices/hive-a/other',
      frame('x'),
      /takes "devices\/hive-a\/other"; once one does: millrace redrive bridge --reason no-route/,
    ],
    ['bad-device-id', 'devices/hive a/telemetry', frame('x'), /got "hive a"/],
    ['bad-device-id', 'devices//telemetry', frame('x'), /got ""/],
  ]
  for (const [reason, topic, payload, detail] of refused) {
    it(`makes a dead letter with its original bytes: ${reason}, ${detail.source}`, () => {
      const original = Buffer.from(payload)
      const deadLetter = deadLetterOf(topic, payload)
      expect(deadLetter.detail).to.match(detail)
      expect(deadLetter.value?.equals(original)).to.equal(true)
      expect(deadLetter).to.deep.include({
        reason,
        source_topic: topic,
        source_partition: -1,
        source_offset: -1,
        source_timestamp: 1_000,
        samples: [],
        quantities: [],
        key: reason === 'no-route' || reason === 'bad-device-id' ? null : Buffer.from('hive-a'),
        processor: 'bridge',
        processor_version: '1.2.3',
        attempt: 1,
        first_failed: 1_000,
        last_failed: 1_000,
      })
      expect(counters.dead[reason]).to.equal(1)
    })
  }

  it('leaves out the bytes of a message that no dead letter could hold, and says so', () => {
    const deadLetter = deadLetterOf(TELEMETRY, Buffer.alloc(2_000_000))
    expect(deadLetter).to.include({ reason: 'over-size', value: null })
    expect(deadLetter.detail).to.equal(
      'expected at most 65536 bytes, got 2000000; its 2000000 bytes are left out: a dead letter may have 2000000',
    )
  })

  it('stops at an unknown fingerprint without having done anything with it, and goes on from there', () => {
    const messages = [received(STATUS, '{"state":"ready"}'), received(TELEMETRY, frame('x')), received(STATUS, '{"state":"lost"}')]
    const records: OutgoingRecord[] = []
    expect(forward(messages, 0, none, false, records)).to.equal(1)
    expect(records).to.have.length(1)
    expect(messages[1]?.payload).to.deep.equal(frame('x'))
    expect(forward(messages, 1, known, false, records)).to.equal(3)
    expect(records.map(({ topic }) => topic)).to.deep.equal(['device.status', 'telemetry.frames', 'device.status'])
    expect(counters).to.include({ frames: 1, statuses: 2, payloadBytes: 17 + 11 + 16 })
  })

  it('makes a dead letter of a fingerprint that a fresh registry does not have', () => {
    const deadLetter = deadLetterOf(TELEMETRY, frame('x'), none)
    expect(deadLetter).to.include({
      reason: 'unknown-fingerprint',
      detail:
        'the registry has no schema with fingerprint 0123456789abcdef; once it has (millrace schemas register FILE): millrace redrive bridge --reason unknown-fingerprint --fingerprint 0123456789abcdef',
    })
    expect(deadLetter.value).to.deep.equal(frame('x'))
  })

  it('makes a dead letter of a message on which its own code fails, and goes on', () => {
    const failing = createForwarder({
      route: createRouter(parseRoutes(defaultRoutes)),
      status: () => Buffer.from('status'),
      codec: deadLetters,
      payloadBytes: 100,
      deadLetterBytes: 2_000_000,
      version: '1',
      ...others,
      raw: {
        write: () => {
          throw new TypeError('a mistake')
        },
      },
      counters,
    })
    const records: OutgoingRecord[] = []
    failing([received(TELEMETRY, '{}'), received(STATUS, 'x')], 0, known, false, records)
    expect(deadLetters.decode(records[0]?.value ?? Buffer.alloc(0))).to.include({ reason: 'defect', detail: 'TypeError: a mistake' })
    expect(records[1]?.value.toString()).to.equal('status')
  })

  describe('messages for dialects', () => {
    const online: RoutedDialect = {
      topics: [parseTopicPattern('tele/{device}/SENSOR')],
      match: (topic) => parseTopicPattern('tele/{device}/SENSOR').match(topic),
      key: (topic, { device }) => device ?? topic,
      status: {
        topic: parseTopicPattern('tele/{device}/LWT'),
        read: (payload, { device = '' }) => {
          if (payload.length === 0) return undefined
          if (payload.toString() === '?') throw new CodecError('expected Online or Offline, got "?"')
          return { device, state: payload.toString() === 'Online' ? 'ready' : 'lost' }
        },
      },
    }
    const statusType = avro.Type.forSchema(readSchema('device-status').json as avro.Schema)

    beforeEach(() => {
      forward = createForwarder({
        ...others,
        route: createRouter(parseRoutes(defaultRoutes), [online]),
        status: createStatusEncoder(readSchema('device-status').json, 8),
        codec: deadLetters,
        payloadBytes: 100_000,
        deadLetterBytes: 2_000_000,
        version: '1.2.3',
        counters,
      })
    })

    it('are copied untouched, whatever their bytes, keyed by their identity', () => {
      fc.assert(
        fc.property(fc.uint8Array({ minLength: 1, maxLength: 60 }), fc.boolean(), (bytes, retain) => {
          const [record] = run([received('tele/plug/SENSOR', Buffer.from(bytes), retain)])
          expect(record).to.deep.include({ topic: 'telemetry.raw', key: Buffer.from('plug'), timestampMs: 1_000 })
          expect(raw(record)).to.deep.include({ topic: 'tele/plug/SENSOR', payload: Buffer.from(bytes), retained: retain })
        }),
      )
    })

    it('get moments of receipt that rise, with room for the samples of each', () => {
      const payloads = ['[1,2,3]', '{"a":1,"b":[{},{}]}', '7', Buffer.from([0x83, 1, 2, 3])]
      const records = run(payloads.map((payload) => received('tele/plug/SENSOR', payload)))
      const moments = records.map((record) => (raw(record) as { received: number }).received - 1_000_000)
      expect(moments).to.deep.equal([0, 4, 11, 12])
      expect(raw(run([received('tele/other/SENSOR', '1')])[0])).to.include({ received: 1_000_000 })
    })

    it('are states in the same record as a birth', () => {
      const [birth, death, cleared] = run([
        received('tele/plug/LWT', 'Online', true),
        received('tele/plug/LWT', 'Offline'),
        received('tele/plug/LWT', ''),
      ])
      const decoded = [birth, death].map((record) => ({
        ...(statusType.fromBuffer(record?.value.subarray(5) ?? Buffer.alloc(0)) as object),
      }))
      expect(birth).to.deep.include({ topic: 'device.status', key: Buffer.from('plug') })
      expect(decoded[0]).to.include({ device_id: 'plug', state: 'ready', retained: true, received: 1_000_000 })
      expect(decoded[1]).to.include({ state: 'lost', retained: false })
      expect(cleared).to.equal(undefined)
      expect(counters).to.include({ statuses: 2 })
      expect(counters.dropped).to.include({ 'status-cleared': 1 })
    })

    it('are dead letters if they are no state that the dialect knows, or of nobody who could be a device', () => {
      expect(deadLetterOf('tele/plug/LWT', '?')).to.include({ reason: 'bad-status', detail: 'expected Online or Offline, got "?"' })
      expect(deadLetterOf('tele/my plug/LWT', 'Online')).to.include({ reason: 'bad-device-id' })
      expect(deadLetterOf('tele/plug/SENSOR', 'x'.repeat(100_001))).to.include({ reason: 'over-size' })
    })

    it('are left out, and counted, if they have no bytes: somebody cleared what was retained', () => {
      expect(run([received('tele/plug/SENSOR', '')])).to.deep.equal([])
      expect(counters.dropped).to.include({ 'empty-payload': 1 })
    })

    it('are counted if nobody takes them, and dead letters within their bound, but never for a cleared one', () => {
      const topic = 'cmnd/plug/POWER'
      expect(run([received(topic, 'on'), received(topic, 'off'), received(topic, 'on'), received(topic, '')])).to.have.length(2)
      expect(unknownTopics.list()).to.have.length(1)
      expect(unknownTopics.list()[0]).to.include({ topic, messages: 4, empty: 1 })
      expect(counters.dead['no-route']).to.equal(2)
      expect(counters.dropped['no-route']).to.equal(2)
    })
  })

  it('counts every message exactly once, whatever it is', () => {
    const topic = fc.oneof(fc.constantFrom(TELEMETRY, STATUS, 'devices/-/status', 'x'), fc.string())
    const text = fc.constantFrom('{"state":"ready"}', '{"power":1}', '[{"ts":5,"power":1}]', '{', '')
    const payload = fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
      text.map(Buffer.from),
      fc.string().map(frame),
    )
    const message = fc.record({ topic, payload, retain: fc.boolean(), receivedMs: fc.nat() })
    fc.assert(
      fc.property(fc.array(message), fc.boolean(), (messages, registered) => {
        const before = total(counters)
        const droppedBefore = sum(counters.dropped)
        const records = run(messages, registered ? known : none)
        expect(total(counters) - before).to.equal(messages.length)
        expect(records.length).to.equal(messages.length - (sum(counters.dropped) - droppedBefore))
        expect(counters.dead.defect).to.equal(0)
      }),
    )
  })

  it('notes what the broker says of itself, and what is no figure not at all', () => {
    const dropped = '$SYS/broker/publish/messages/dropped'
    const uptime = '$SYS/broker/uptime'
    expect(run([received(dropped, '7'), received(uptime, '3000 seconds'), received(dropped, ''), received(uptime, 'long')])).to.deep.equal(
      [],
    )
    expect(counters.brokerDropped).to.equal(7)
    expect(counters.brokerUptime).to.deep.equal({ seconds: 3_000, heardMs: 1_000 })
  })

  const sum = (counts: Readonly<Record<string, number>>): number => Object.values(counts).reduce((all, count) => all + count, 0)
  const total = ({ frames, raw: copied, statuses, dead, dropped }: BridgeCounters): number =>
    frames + copied + statuses + sum(dead) + sum(dropped)
})
