import { expect } from 'chai'
import { readSchema } from '../schemas/files.ts'
import type { KafkaRecord, OutgoingRecord, Topic } from './contract.ts'
import { createDeadLetterCodec, type DeadLetter } from './dead-letter.ts'
import { DeadLetterBudget, type DeadLetterLimits } from './dead-letter-budget.ts'
import { createDeadLetterWriter, type DeadLetterWriter, encodeWithin, type RefusedRecord } from './dead-letter-writer.ts'

const codec = createDeadLetterCodec(readSchema('dead-letter').json, 3)
const LIMITS: DeadLetterLimits = { deadLetters: 3, bytes: 1000, totalBytes: 10_000, windowMs: 60_000 }
const TOPIC = 'words' as Topic

function refused(device: string, offset: number, changes: Partial<RefusedRecord> = {}, bytes = 10): RefusedRecord {
  const record: KafkaRecord = { key: Buffer.from(device), value: Buffer.alloc(bytes, offset), timestampMs: offset, offset: BigInt(offset) }
  return { topic: TOPIC, partition: 2, record, reason: 'rude', detail: `word ${offset}`, samples: [], ...changes }
}

describe('dead letters', () => {
  const counters = { referenced: 0 }
  let write: DeadLetterWriter

  const writer = (limits: Partial<DeadLetterLimits> = {}, deadLetterBytes = 1_000_000): DeadLetterWriter =>
    createDeadLetterWriter({
      processor: 'words',
      version: '1',
      codec: codec,
      deadLetterBytes,
      budget: new DeadLetterBudget({ ...LIMITS, ...limits }),
      headBytes: 4,
      counters,
    })
  const deadLetters = (sent: readonly OutgoingRecord[]): DeadLetter[] => sent.map(({ value }) => codec.decode(value))
  const many = (device: string, count: number, from = 0): RefusedRecord[] =>
    Array.from({ length: count }, (_, index) => refused(device, from + index))

  beforeEach(() => {
    counters.referenced = 0
    write = writer()
  })

  it('of a device keep the first records whole, and of the others the offset, the time and the head, in one dead letter', () => {
    const found = deadLetters(write(many('a', 2000), 0))
    expect(found.slice(0, 3).map(({ source_offset, value, records }) => [source_offset, value?.length, records])).to.deep.equal([
      [0, 10, []],
      [1, 10, []],
      [2, 10, []],
    ])
    const others = found.slice(3)
    expect(others.map(({ records }) => records.length)).to.deep.equal([500, 500, 500, 497])
    expect(others[0]).to.deep.include({ source_offset: 3, value: null, reason: 'rude', detail: 'word 3', attempt: 1 })
    expect(others[0]?.records[1]).to.deep.equal({ offset: 4, timestamp: 4, head: Buffer.alloc(4, 4), partly: false })
    expect(counters.referenced).to.equal(1997)
  })

  it('count each device, reason and window for itself', () => {
    write(many('a', 5), 0)
    const whole = (sent: readonly OutgoingRecord[]): number => deadLetters(sent).filter(({ value }) => value !== null).length
    expect(whole(write(many('a', 2), 59_999))).to.equal(0)
    expect(whole(write(many('b', 2), 59_999))).to.equal(2)
    expect(whole(write([refused('a', 9, { reason: 'dull' })], 59_999))).to.equal(1)
    expect(whole(write(many('a', 2), 60_000))).to.equal(2)
  })

  it('keep no more bytes than they may, of one device and of all', () => {
    const sizes = (sent: readonly OutgoingRecord[]): number[] => deadLetters(sent).map(({ value }) => value?.length ?? 0)
    expect(sizes(write([refused('a', 1, {}, 600), refused('a', 2, {}, 600), refused('a', 3, {}, 300)], 0))).to.deep.equal([600, 300, 0])
    const names = Array.from({ length: 15_000 }, (_, index) => refused(`stranger${index}`, index, {}, 100))
    const kept = sizes(writer({ totalBytes: 1_200_000 })(names, 0))
    expect(kept.filter((size) => size > 0)).to.have.length(12_000)
    expect(kept).to.have.length(15_000)
  })

  it('tell partial failures from whole ones, and quantities apart, if only the offsets are kept', () => {
    const parts = [
      refused('a', 5, { samples: [1] }),
      refused('a', 6, { samples: [0], quantities: ['weight'] }),
      refused('a', 7),
      refused('a', 8, { samples: [2], quantities: ['weight'] }),
    ]
    const found = deadLetters(writer({ deadLetters: 0 })(parts, 0))
    expect(
      found.map(({ quantities, samples, records }) => [quantities, samples, records.map(({ offset, partly }) => [offset, partly])]),
    ).to.deep.equal([
      [
        [],
        [],
        [
          [5, true],
          [7, false],
        ],
      ],
      [
        ['weight'],
        [],
        [
          [6, true],
          [8, true],
        ],
      ],
    ])
  })

  it('that would be too large for Kafka keep the offset of their record', () => {
    const [deadLetter] = deadLetters(writer({ bytes: 1e6, totalBytes: 1e6 }, 1900)([refused('a', 7, { samples: [1] }, 1900)], 0))
    expect(deadLetter).to.deep.include({ value: null, source_offset: 7, samples: [] })
    expect(deadLetter?.records).to.deep.equal([{ offset: 7, timestamp: 7, head: Buffer.alloc(4, 7), partly: true }])
  })

  it('that fail again with more to say, and are too large for Kafka by that, do so too; the bridge has no offset, and says so', () => {
    const [deadLetter] = deadLetters(write([refused('a', 7, { samples: [1] }, 900)], 0)) as [DeadLetter]
    expect(codec.decode(encodeWithin(5000, deadLetter, codec))).to.deep.equal(deadLetter)
    const referring = codec.decode(encodeWithin(500, deadLetter, codec))
    expect([referring.value, referring.samples, referring.records.map(({ offset }) => offset)]).to.deep.equal([null, [], [7]])
    const bridge = codec.decode(encodeWithin(500, { ...deadLetter, source_partition: -1, source_offset: -1 }, codec))
    expect(bridge.detail).to.equal('word 7; its 900 bytes are left out: a dead letter may have 500')
    expect([bridge.value, bridge.records]).to.deep.equal([null, []])
  })

  it('have details of a length that people read', () => {
    const [deadLetter] = deadLetters(write([refused('a', 1, { detail: 'x'.repeat(100_000) })], 0))
    expect(deadLetter?.detail).to.have.length(1001)
  })
})
