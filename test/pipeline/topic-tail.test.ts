import { expect } from 'chai'
import { partitionOf } from '../../connectors/kafka/partition.ts'
import { topicExtents } from '../../connectors/kafka/scan.ts'
import { openTopicTail, type TailPart, type TopicTailOptions } from '../../connectors/kafka/topic-tail.ts'
import type { OutgoingRecord } from '../../processors/contract.ts'
import { topics } from '../../processors/topics.ts'
import { openFrameProducer, produce } from './frames.ts'
import { millrace } from './service.ts'
import { testKafka } from './stack-clients.ts'

/** Of this run: the stack keeps records of earlier ones. */
const key = `t${Date.now().toString(36)}`
const kafka = testKafka()
const record = (text: string): OutgoingRecord => ({
  topic: topics.raw,
  key: Buffer.from(key),
  value: Buffer.from(text),
  timestampMs: Date.now(),
})

describe('the tail of a topic', () => {
  let partition: number

  before(async () => {
    await millrace('migrate')
    partition = partitionOf(Buffer.from(key), (await topicExtents(kafka, topics.raw)).length)
  })

  const open = (options: Partial<TopicTailOptions> = {}) =>
    openTopicTail(kafka, topics.raw, { waitMs: 100, partitionBytes: 1_000_000, mostBehind: 1_000_000n, ...options })
  const mine = (parts: readonly TailPart[]): readonly string[] =>
    parts.flatMap(({ records }) => records.filter((each) => each.key?.toString() === key).map(({ value }) => String(value)))

  it('has what comes after it was asked for a partition, each once and in order, and nothing of before', async () => {
    await produce([record('before')])
    await using tail = open()
    expect(mine(await tail.next(new Set([partition])))).to.deep.equal([])
    await produce([record('1'), record('2')])
    await produce([record('3')])
    const found: string[] = []
    for (const end = Date.now() + 60_000; found.length < 3 && Date.now() < end; ) found.push(...mine(await tail.next(new Set([partition]))))
    expect(found).to.deep.equal(['1', '2', '3'])
    expect(mine(await tail.next(new Set([partition])))).to.deep.equal([])
  })

  it('begins a partition anew that nobody asked for meanwhile, and itself once it was closed', async () => {
    await using tail = open()
    await tail.next(new Set([partition]))
    await tail.next(new Set())
    await produce([record('nobody')])
    expect(mine(await tail.next(new Set([partition])))).to.deep.equal([])
    await tail[Symbol.asyncDispose]()
    await produce([record('closed')])
    expect(mine(await tail.next(new Set([partition])))).to.deep.equal([])
  })

  it('goes on at the end of a partition that is too far ahead, and says how much it passed over', async () => {
    // A fetch brings one batch of records, and each of these is one.
    await using tail = open({ partitionBytes: 1, mostBehind: 3n })
    await tail.next(new Set([partition]))
    await using producer = await openFrameProducer()
    for (let number = 0; number < 10; number++) await producer.send([record(String(number))])
    const parts = await tail.next(new Set([partition]))
    expect(mine(parts)).to.deep.equal(['0'])
    expect(parts.map(({ skipped }) => skipped >= 9n)).to.deep.equal([true])
    expect(mine(await tail.next(new Set([partition])))).to.deep.equal([])
  })
})
